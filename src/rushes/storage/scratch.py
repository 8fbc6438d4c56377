"""A folder for unfinished files that belongs to one process, and goes with it, however it ends."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path

from rushes.errors import WrongSetup

LOCK_SUFFIX = ".lock"


def own_scratch(root: Path) -> Path:
    """A new folder under `root` for this process alone; what dead processes left there is removed.

    A folder is somebody's as long as its lock file is held. The system lets go of a lock when its process ends, also
    when it is killed; a process id would not do, since another process may have got it by now.
    Errors  WrongSetup when the folder cannot be made.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(root)
        while True:
            folder = root / secrets.token_hex(8)
            if _hold(folder.with_suffix(LOCK_SUFFIX)) is not None:
                folder.mkdir(mode=0o700)
                return folder
    except OSError as error:
        raise WrongSetup(f"the directory {root} for unfinished files cannot be made: {error.strerror}") from error


def _sweep(root: Path) -> None:
    """Remove whatever nobody holds. A lock is there before its folder, so a folder without one is nobody's."""
    for lock in root.glob(f"*{LOCK_SUFFIX}"):
        held = _hold(lock)
        if held is not None:
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
            os.close(held)
    for left in root.iterdir():
        if left.suffix != LOCK_SUFFIX and not left.with_suffix(LOCK_SUFFIX).exists():
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _hold(lock: Path) -> int | None:
    """Take the lock file, made where missing, until the descriptor is closed or this process ends; None if taken."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
        if os.fstat(descriptor).st_ino == lock.stat().st_ino:  # else a sweep removed it between the two calls above
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
