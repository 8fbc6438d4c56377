"""What models can do, as data, and the one place where a request meets it.

A card says what a model here can do; a contract says what a hosted id promises. `lookup` finds the two,
`resolve` turns an asked request into a settled one or refuses it with field, given and allowed, and
`advice` says what a person who knows the parameters would say. No I/O, no tensor library; media is
counted and placed here but never opened (that is `media`'s work). Called by `videos` and the doors.
"""
