"""Anything is killed or stopped at any moment while clients go on asking: all that was promised is kept."""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from doors import Doors, family
from long_forms import STORM_S
from test_restart import QUICK, eventually

PROMPTS = ("a fox runs", "slow 0.05", "slow 0.15")
PAUSE_S = (0.5, 3.0) if STORM_S < 60 else (2.0, 8.0)
STOP_S = (1.0, 7.0)  # to both sides of a lease of 3 s


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "data")
    yield made
    made.leave()


class Storm:
    def __init__(self, doors: Doors, seed: int) -> None:
        self._doors = doors
        self._rng = random.Random(seed)
        self.over = threading.Event()
        self.counts = {"server killed": 0, "worker killed": 0, "worker stopped": 0}
        self._wakers: list[threading.Timer] = []

    def blow(self) -> None:
        """One process after the other, until it is over; whoever was stopped goes on in the end."""
        while not self.over.wait(self._rng.uniform(*PAUSE_S)):
            served = self._doors.now
            if served is None or served.process.poll() is not None:
                continue
            server, *below = family(served.process.pid)
            kind = self._rng.choice(["server killed", *["worker killed"] * 3, *["worker stopped"] * 3])
            victim = server if kind == "server killed" else self._rng.choice(below or [0])
            if not victim:
                continue
            with suppress(ProcessLookupError):
                if kind == "worker stopped":
                    os.kill(victim, signal.SIGSTOP)
                    self._wakers.append(waker := threading.Timer(self._rng.uniform(*STOP_S), wake, [victim]))
                    waker.start()
                else:
                    os.kill(victim, signal.SIGKILL)
                self.counts[kind] += 1
        for waker in self._wakers:
            waker.join()


def wake(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def test_random_kills_under_load(doors: Doors, figure: Callable[[str, object], None]) -> None:
    seed = secrets.randbelow(10_000)
    print("seed of the storm:", seed)  # what it hits is not repeatable; what it does is
    storm = Storm(doors, seed)
    promised: dict[str, str] = {}  # key → id

    def ask(client: int) -> None:
        chance = random.Random(seed + client)
        number = 0
        while not storm.over.wait(chance.uniform(0.2, 1.0)):
            key = f"{client}-{number}"
            number += 1
            body = {**QUICK, "prompt": chance.choice(PROMPTS), "seed": chance.randrange(3)}
            promised[key] = doors.insisted(body, key).json()["id"]
            if chance.random() < 0.2:
                assert doors.insisted(body, key).json()["id"] == promised[key]

    threads = [threading.Thread(target=ask, args=[client]) for client in range(2)]
    with doors.kept_open(RUSHES_WORKERS="2"):
        doors.ready()
        blowing = threading.Thread(target=storm.blow)
        for thread in (blowing, *threads):
            thread.start()
        began = time.monotonic()
        storm.over.wait(STORM_S)
        storm.over.set()
        for thread in (blowing, *threads):
            thread.join()
        lasted_s = time.monotonic() - began

        def all_final() -> bool:
            with doors.rows() as rows:
                left = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
                return rows.execute(left).fetchone()[0] == 0  # type: ignore[no-any-return]

        calm = time.monotonic()
        eventually(all_final, max(600.0, STORM_S))  # how long it took is a figure, and not what is promised
        calm_s = time.monotonic() - calm
    counts = doors.insist_on_promises()
    assert set(promised.values()) == set(doors.ids()), "each accepted once, and nothing else"
    assert len(set(promised.values())) == len(promised)
    assert sum(storm.counts.values()) > 0
    figure("storm", f"{lasted_s:.0f} s: " + ", ".join(f"{count} × {what}" for what, count in storm.counts.items()))
    figure("jobs", f"{len(promised)} accepted, 0 lost, 0 twice; " + ", ".join(f"{n} {s}" for s, n in counts.items()))
    figure("after it", f"all final in {calm_s:.0f} s; {doors.orphans()} files left to the sweep, none published")
