"""Play histories of the job engine: `python tests/chaos/simulate.py 1234` replays one and shows it.

`--seeds 0:2000` plays many on all cores; `--mutant NAME` breaks the engine first; see simulator/mutants.py.
"""
