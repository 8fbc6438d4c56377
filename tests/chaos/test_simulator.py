"""The job engine under thousands of seeded histories of crashes, stops, lost answers and jumping clocks.

And the proof that these would find something: each guard of the engine is taken out once, and must be missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simulate
from simulate import Players, players
from simulator.mutants import MUTANTS
from simulator.world import FAULTS

SEEDS = range(int(os.environ.get("CHAOS_SEEDS", "2000")))
SHORT = SEEDS[:2000]
PROGRAM = simulate.__file__

LOOK_FIRST = {
    "artifact-name-without-attempt": 660,
    "checkpoint-hash-not-checked": 414,
    "published-file-discarded": 214,
    "finish-not-fenced": 93,
    "cancel-overwritten-by-failure": 92,
}
"""Seeds that found the rarest lately. They only save time: where one no longer does, all seeds are played."""


@pytest.fixture(scope="module")
def cores() -> Iterator[Players]:
    with players() as made:
        yield made


def test_no_history_breaks_a_promise(cores: Players, figure: Callable[[str, object], None]) -> None:
    outcome = cores.play(SEEDS)
    assert not outcome.broken, outcome.told()
    assert outcome.seeds == len(SEEDS)
    figure("histories", f"{outcome.seeds} seeds, {outcome.lasted_s / 3600:.1f} simulated hours, 0 promises broken")
    figure("what went wrong in them", ", ".join(f"{count} × {what}" for what, count in sorted(outcome.faults.items())))
    assert {*FAULTS, "clock jump", "damaged checkpoint", "hung step"} <= set(outcome.faults), "each was tried"


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_guard_that_is_taken_out_is_missed(
    cores: Players, figure: Callable[[str, object], None], mutant: str
) -> None:
    hint = LOOK_FIRST.get(mutant, 0)
    outcome = cores.play(SHORT[hint : hint + 1], mutant)
    if not outcome.broken:
        outcome = cores.play(SHORT, mutant, until_broken=True)
    assert outcome.broken, f"{mutant} lives through {outcome.seeds} seeds: the simulator proves nothing about it"
    first = min(outcome.broken, key=lambda history: history.seed)
    figure(mutant, f"found by seed {first.seed}: {str(first.broken)[:60]}")


def test_a_seed_is_the_same_history_in_any_process() -> None:
    def digest(seed: int, hash_seed: str) -> str:
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        argv = [sys.executable, PROGRAM, str(seed), "--digest"]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for seed in (2, 11):
        assert digest(seed, "1") == digest(seed, "2")


def test_a_broken_promise_names_the_command_that_shows_it_again() -> None:
    (found,) = simulate.played([0], "published-before-stored", until_broken=True)
    outcome = simulate.Outcome()
    outcome.add([found])
    command = outcome.told("published-before-stored").splitlines()[-1].split()
    done = subprocess.run([sys.executable, *command[1:]], cwd=Path(PROGRAM).parents[2], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert str(found.broken) in done.stdout
