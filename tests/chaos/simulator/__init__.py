"""A seeded simulator of the job engine: the real worker, heart, store and checkpoints, one interleaving for each seed.

Nothing of the engine is rewritten here. What it stands on is a parameter: time, threads, chance, the database's clock,
the storage, and who goes next. `world` decides that at every call to the database or a storage, and lets processes be
killed, stopped, refused and kept waiting there; `database` and `files` are what they call; `people` ask, give up, pause
and delete; `checker` knows the promises and nothing of how they are kept; `mutants` break the engine on purpose.
Run by `test_simulator.py` and, for one seed at a time, by `simulate.py`.
"""
