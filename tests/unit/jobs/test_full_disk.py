"""A database on a disk that is really full: a small one of its own, in a mount namespace that nobody else sees."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("full_disk_program.py")
ON_SMALL_DISK = 'mount -t tmpfs -o size=8m small "$1" && exec "$2" "$3" "$1"'


def test_on_a_full_disk_the_ballast_lets_a_person_cancel_and_nothing_is_lost(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare here")
    private = ["unshare", "--mount", "--map-root-user", "--user"]
    if subprocess.run([*private, "true"], capture_output=True).returncode != 0:
        private = ["unshare", "--mount"]
        if subprocess.run([*private, "true"], capture_output=True).returncode != 0:
            pytest.skip("no mount of one's own is allowed here")
    argv = [*private, "sh", "-c", ON_SMALL_DISK, "sh", tmp_path, sys.executable, PROGRAM]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "bare: the disk that holds the job database is full",
        "cancelled: cancelled",
        "refused: no room for another video",
        "left: 4 queued",
        "integrity: ok",
    ]
