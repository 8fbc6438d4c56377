"""Play histories of the job engine: `python tests/chaos/simulate.py 1234` replays one seed and shows what happened.

`--seeds 0:2000` plays many on all cores and shows only what broke; `--mutant NAME` takes a guard out of the engine
first (simulator/mutants.py), and `--digest` says in one line how a history went.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice

from simulator.database import ground
from simulator.history import History, play
from simulator.mutants import MUTANTS

CHUNK = 20  # seeds that one process plays before it is asked for more


def replay_command(seed: int, mutant: str | None = None) -> str:
    return f"python tests/chaos/simulate.py {seed}" + (f" --mutant {mutant}" if mutant else "")


def played(seeds: Iterable[int], mutant: str | None = None, *, until_broken: bool = False) -> list[History]:
    """The histories of `seeds`, in this process; the traces of those that broke nothing are left out."""
    found = []
    with ground() as on, MUTANTS[mutant]() if mutant else nullcontext():
        for seed in seeds:
            history = play(seed, on)
            found.append(history if history.broken else History(seed, None, (), history.counts, history.lasted_s))
            if history.broken and until_broken:
                break
    return found


@dataclass
class Outcome:
    """What many seeds came to."""

    seeds: int = 0
    broken: list[History] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    lasted_s: float = 0.0

    def add(self, histories: Iterable[History]) -> None:
        for history in histories:
            self.seeds += 1
            self.lasted_s += history.lasted_s
            self.faults.update(history.counts)
            if history.broken:
                self.broken.append(history)

    def told(self, mutant: str | None = None) -> str:
        lines = [f"seed {h.seed}: {h.broken}\n    {replay_command(h.seed, mutant)}" for h in self.broken[:10]]
        return "\n".join([f"{len(self.broken)} of {self.seeds} seeds broke a promise", *lines])


class Players:
    """Processes that play histories, one for each core."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or len(os.sched_getaffinity(0))
        # Spawned: a child must not inherit the locks of whatever threads this process has.
        self._pool = ProcessPoolExecutor(self._count, multiprocessing.get_context("spawn"))

    def play(self, seeds: range, mutant: str | None = None, *, until_broken: bool = False) -> Outcome:
        outcome = Outcome()
        chunks = iter(seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK))
        pending: set[Future[list[History]]] = set()
        while True:
            if not (until_broken and outcome.broken):
                free = 2 * self._count - len(pending)  # so that none waits, and few play on for nothing
                pending |= {
                    self._pool.submit(played, chunk, mutant, until_broken=until_broken)
                    for chunk in islice(chunks, free)
                }
            if not pending:
                return outcome
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                outcome.add(future.result())

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def players(count: int | None = None) -> Iterator[Players]:
    made = Players(count)
    try:
        yield made
    finally:
        made.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", nargs="?", type=int, help="play this one and show it")
    parser.add_argument("--seeds", metavar="FROM:TO", help="play these on all cores")
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    parser.add_argument("--digest", action="store_true", help="one line: the digest of what happened")
    asked = parser.parse_args()
    if asked.seeds:
        first, _, last = asked.seeds.partition(":")
        with players() as all_cores:
            outcome = all_cores.play(range(int(first), int(last)), asked.mutant)
        print(outcome.told(asked.mutant))
        faults = ", ".join(f"{count} × {what}" for what, count in sorted(outcome.faults.items()))
        print(f"{outcome.lasted_s / 3600:.1f} simulated hours; {faults}")
        return bool(outcome.broken)
    if asked.seed is None:
        parser.error("which seed?")
    with ground() as on, MUTANTS[asked.mutant]() if asked.mutant else nullcontext():
        history = play(asked.seed, on)
    if not asked.digest:
        print("\n".join(history.trace))
    print(f"seed {history.seed}: {history.broken or 'every promise kept'} ({history.digest[:16]})")
    return bool(history.broken)


if __name__ == "__main__":
    sys.exit(main())
