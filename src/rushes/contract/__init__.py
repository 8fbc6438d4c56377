"""The shared words: request, media, job, artifact, progress.

Frozen values without I/O and without a tensor library. Every room may import them; they import
only `errors`. Wire spellings are folded at the doors (`api`, `cli`) before a value here exists.
"""
