"""Clips of every family on a device that is not the CPU: nothing is left behind, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_clips_come_out_on_another_device_as_on_the_cpu() -> None:
    clips = Path(__file__).with_name("on_another_device.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", clips],
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
