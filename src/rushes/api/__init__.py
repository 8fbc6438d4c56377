"""The HTTP door: Together's videos API, spoken to the letter.

`together` folds a wire body into a `VideoRequest` and a `Job` into the wire object; `failures` gives every
reply that is not a success one envelope; `files` serves the finished clip. What a model may be asked is
decided in `catalogue`, what becomes of a request in `videos`. Built by `assemble`; imports no tensor library.
"""
