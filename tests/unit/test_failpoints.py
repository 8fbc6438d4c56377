"""The places where tests let a process die: armed as asked, and there, and harmless otherwise."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rushes import failpoints
from rushes.failpoints import POINTS, VARIABLE, parse

SRC = Path(failpoints.__file__).parent
PASS_THRICE = """
from rushes.failpoints import failpoint
for time in range(3):
    failpoint("step")
    print(time, flush=True)
"""


def passing_thrice(armed: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", PASS_THRICE]
    return subprocess.run(argv, env=os.environ | {VARIABLE: armed}, capture_output=True, text=True, timeout=180)


def test_every_place_is_in_the_code_once() -> None:
    calls = [
        name
        for path in SRC.rglob("*.py")
        for name in re.findall(r'\bfailpoint\("([^"]+)"\)', path.read_text(encoding="utf-8"))
    ]
    assert sorted(calls) == sorted(POINTS)


def test_nothing_happens_where_nothing_is_armed() -> None:
    done = passing_thrice("")
    assert (done.returncode, done.stdout.split()) == (0, ["0", "1", "2"])


@pytest.mark.parametrize(("action", "status"), [("kill", -signal.SIGKILL), ("exit", 70), ("raise", 1)])
def test_a_process_ends_at_the_asked_passing(action: str, status: int) -> None:
    done = passing_thrice(f"step:3:{action}")
    assert (done.returncode, done.stdout.split()) == (status, ["0", "1"])


def test_a_stopped_process_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    child = subprocess.Popen(
        [sys.executable, "-c", PASS_THRICE],
        env=os.environ | {VARIABLE: f"step:2:stop:{mark}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    _, status = os.waitpid(child.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert int(mark.read_text()) == child.pid
    child.send_signal(signal.SIGCONT)
    out, _ = child.communicate(timeout=120)
    assert out.split() == ["0", "1", "2"]


def test_a_marked_one_fires_once_for_all_processes(tmp_path: Path) -> None:
    armed = f"step:2:exit:{tmp_path / 'mark'}"
    assert [passing_thrice(armed).returncode for _ in range(2)] == [70, 0]


def test_several_are_armed_at_once(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    armed = f"step:1:exit:{first},step:3:raise:{second}"
    assert [passing_thrice(armed).returncode for _ in range(3)] == [70, 1, 0]


@pytest.mark.parametrize("bad", ["nowhere:1:kill", "step:0:kill", "step:x:kill", "step:1:explode", "step", "step:1"])
def test_what_cannot_be_armed_is_an_error(bad: str) -> None:
    with pytest.raises(ValueError, match=re.escape(bad)):
        parse(bad)
