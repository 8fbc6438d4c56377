"""Running the command as a person or a script would: as a process, with its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

PROGRAM = Path(__file__).with_name("rushes_with_tiny.py")
TINY = "test/tiny"
SMALL = ("--model", TINY, "--width", "96", "--height", "64", "--seconds", "1", "--fps", "15")
PATIENCE_S = 180


def environment(data: Path) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith(("RUSHES_", "PYTEST_"))}
    return {**others, "PYTHONPATH": str(PROGRAM.parents[1]), "RUSHES_DATA": str(data), "COLUMNS": "200"}


def rushes(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `rushes …` in `folder` to its end; its data folder is `folder`/data."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=folder,
        env=environment(folder / "data"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `rushes …` in a session of its own and leave it running."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *arguments],
        cwd=folder,
        env=environment(folder / "data"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition: object, what: str) -> None:
    """Ask `condition()` again and again until it holds; fails after the patience."""
    assert callable(condition)
    pause = threading.Event()
    for _ in range(PATIENCE_S * 20):
        if condition():
            return
        pause.wait(0.05)
    raise AssertionError(f"never came: {what}")
