"""Pictures and sound, from a model's frames to a finished file.

`fit` brings native frames to the asked size and frame rate, `encode` writes them, `probe` reports on a file this
server made. Everything here is exact: the same frames give the same bytes on any number of cores.
Called by `perform`. Which size, rate and quality are asked for was settled in `catalogue`.
"""
