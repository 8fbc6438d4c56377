"""A folder for unfinished files that belongs to one process, and goes with it, however it ends."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from rushes.errors import WrongSetup

LOCK_SUFFIX = ".lock"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def own_scratch(root: Path, owner: str = "", ended: Callable[[str], object] | None = None) -> Path:
    """A new folder under `root` for this process alone; what dead processes left there is removed.

    A folder is somebody's as long as its lock file is held. The system lets go of a lock when its process ends, also
    when it is killed; a process id would not do, since another process may have got it by now.

    `owner`  who this process is, for others' `ended`.
    `ended`  is told of each owner that is dead for certain: the one kernel that knows both of us let its lock go. Not
             of one under another kernel (a machine that shares this folder, this machine before it was started again):
             whether a lock reaches from one to the other is up to the file system. Where it raises, that folder stays
             for the next who looks, and nothing is made.
    Errors   WrongSetup when the folder cannot be made.
    """
    boot = _boot()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(root, boot, ended)
        while True:
            folder = root / secrets.token_hex(8)
            held = _hold(folder.with_suffix(LOCK_SUFFIX))
            if held is not None:
                os.write(held, json.dumps({"owner": owner, "boot": boot}).encode())
                folder.mkdir(mode=0o700)
                return folder
    except OSError as error:
        raise WrongSetup(f"the directory {root} for unfinished files cannot be made: {error.strerror}") from error


def _sweep(root: Path, boot: str, ended: Callable[[str], object] | None) -> None:
    """Remove whatever nobody holds. A lock is there before its folder, so a folder without one is nobody's."""
    for lock in root.glob(f"*{LOCK_SUFFIX}"):
        held = _hold(lock)
        if held is None:
            continue
        try:
            owner = _owner(held, boot)
            if owner and ended is not None:
                ended(owner)
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)
        finally:
            os.close(held)
    for left in root.iterdir():
        if left.suffix != LOCK_SUFFIX and not left.with_suffix(LOCK_SUFFIX).exists():
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)


def _boot() -> str:
    """What this start of this machine is called, the same in all its containers; "" where the system has no name."""
    with suppress(OSError):
        return BOOT_ID.read_text("ascii").strip()
    return ""


def _owner(held: int, boot: str) -> str:
    """Who had the lock file that is now ours, under this very `boot`; "" where that is not known."""
    try:
        said = json.loads(os.read(held, 4096))
        return str(said["owner"]) if boot and said["boot"] == boot else ""
    except (ValueError, KeyError, TypeError):  # killed before it was written, or by an older version
        return ""


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
