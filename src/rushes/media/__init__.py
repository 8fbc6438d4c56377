"""Pictures and sound: from foreign files to arrays, and from a model's frames to a finished file.

Foreign bytes: `sniff` says what they are, `decode` has them opened in a process that is thrown away afterwards.
`fit` brings native frames to the asked size and frame rate, `encode` writes them, `probe` reports on a file this
server made. Everything there is exact: the same frames give the same bytes on any number of cores.
Called by `perform`. Which size, rate and quality are asked for was settled in `catalogue`.
"""
