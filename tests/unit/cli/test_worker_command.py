"""`rushes worker`: as many processes as it is told, by its flag or by the variable."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import PROGRAM, environment, wait_until


@pytest.mark.parametrize(
    ("flags", "variable", "count"),
    [((), "2", 2), (("--workers", "1"), "2", 1), ((), "0", 1)],
    ids=["variable", "flag", "a door told to start none"],
)
def test_it_starts_as_many_as_it_is_told(flags: tuple[str, ...], variable: str, count: int, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "worker", *flags],
        env=environment(tmp_path / "data") | {"RUSHES_WORKERS": variable},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def children() -> int:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
        return len(listed.stdout.split())

    try:
        wait_until(lambda: children() >= count, f"{count} processes")
        assert children() == count
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
