"""The clock of the whole machine is set on or back under a running server. Long form only: `make chaos`.

libfaketime answers what asks for the time of day, in the server, its workers and the SQLite inside of them; monotonic
clocks go on, as they do on a machine whose clock is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from doors import PATIENCE_S, Doors
from long_forms import LONG
from test_restart import QUICK, eventually

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
RUNNING = {**QUICK, "prompt": "slow 0.6"}

pytestmark = [
    pytest.mark.skipif(not LONG, reason="played by make chaos"),
    pytest.mark.skipif(not LIBRARIES, reason="libfaketime is not installed"),
]


class Clock:
    """What the server takes for the time of day, as a difference to the true one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set("+0")

    def set(self, difference: str) -> None:
        beside = self._file.with_suffix(".part")
        beside.write_text(difference)
        beside.replace(self._file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "data")
    yield made
    made.leave()


@pytest.mark.parametrize("jump", ["+2h", "+5s", "-10s", "-1d"])
@pytest.mark.parametrize("killed", [False, True], ids=["", "and killed"])
def test_a_clock_that_jumps(
    doors: Doors, clock: Clock, figure: Callable[[str, object], None], jump: str, killed: bool
) -> None:
    # Checkpoints at each step: what a jump may cost is an attempt, and not a step.
    environment = {**clock.environment, "RUSHES_CHECKPOINT_EVERY_S": "0", "RUSHES_LEASE_S": "10"}
    doors.open(**environment)
    served = doors.ready()
    doors.completed(served.ask(QUICK))
    running = served.ask(RUNNING)
    waiting = doors.insisted(QUICK, "before").json()["id"]
    eventually(lambda: served.video(running)["step"] >= 2, PATIENCE_S)
    clock.set(jump)
    if killed:
        doors.open(**environment)
        served = doors.ready()
    assert doors.insisted(QUICK, "before").json()["id"] == waiting, "a key is known for a day"
    later = served.ask(QUICK)
    if jump == "-1d" and killed:
        clock.set("+0")  # else the lease of before is waited for: an hour at most, see rescue.py
    for id in (running, waiting, later):
        assert (served.video(id).get("time_left_s") or 0) >= 0
        doors.completed(id)
    doors.close()
    assert doors.insist_on_promises()["succeeded"] == 4
    with doors.rows() as rows:
        attempts, crashes = rows.execute("SELECT attempt, crashes FROM jobs WHERE id = ?", (running,)).fetchone()
    assert crashes <= 1 + killed
    figure(f"{jump}{' and killed' if killed else ''}", f"all made; the running one by {attempts} attempts")
