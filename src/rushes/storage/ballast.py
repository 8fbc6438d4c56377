"""Room on a disk: a mark below which no more work is taken, and a file that is given up when all is full.

A full disk stops even deleting: the database has to write down what it deletes. The ballast is what it writes on then,
so that people can still cancel and delete, which is how a disk gets empty again.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from rushes.errors import StorageUnavailable

log = logging.getLogger(__name__)

BALLAST_BYTES = 64 * 2**20
RETRY_AFTER_S = 60  # somebody has to make room
LONGEST_FILL_S = 600.0  # what is older and still no ballast was left by a process that was killed
_NAME = "ballast"
_BLOCK = bytes(2**20)


class Ballast:
    """Watches over the disks of some folders, and keeps `size_bytes` in a file in `folder`, that of the database.

    `besides`          folders of other disks that the work needs room on
    `low_water_bytes`  what has to be free on each for another job
    Safe to use from several processes and threads at once.
    """

    def __init__(self, folder: Path, *besides: Path, low_water_bytes: int, size_bytes: int = BALLAST_BYTES) -> None:
        self._folder = folder
        self._besides = besides
        self._file = folder / _NAME
        self._low_water_bytes = low_water_bytes
        self._size_bytes = size_bytes

    def require_room(self) -> None:
        """Raises `StorageUnavailable` where less is free than the mark."""
        free_bytes = min(_free_bytes(folder) for folder in (self._folder, *self._besides))
        if free_bytes < self._low_water_bytes:
            error = StorageUnavailable(
                f"the disk of this server is nearly full: {free_bytes // 2**20} MB are free, and new videos are taken "
                f"from {self._low_water_bytes // 2**20} MB on. Hint: delete videos that are not needed"
            )
            error.retry_after_s = RETRY_AFTER_S
            raise error

    def release_reserve(self) -> bool:
        """Give the ballast up, if the disk is as good as full; False where there is none, or no need."""
        if _free_bytes(self._folder) >= self._size_bytes:
            return False  # what failed, failed for another reason
        try:
            self._file.unlink()
        except OSError:
            return False
        log.warning("the disk of %s is full; %d MB of ballast were given up", self._folder, self._size_bytes // 2**20)
        return True

    def restore(self) -> None:
        """Make the ballast where it is missing and so much is free that it takes nothing from the work."""
        self._sweep()
        if self._file.exists() or _free_bytes(self._folder) < self._low_water_bytes + 2 * self._size_bytes:
            return
        beside = self._folder / f".{_NAME}-{os.getpid()}.part"
        try:
            with beside.open("wb") as file:
                self._fill(file.fileno())
            beside.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            log.warning("no ballast on the disk of %s: %s", self._folder, error.strerror)

    def _sweep(self) -> None:
        for left in self._folder.glob(f".{_NAME}-*.part"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > LONGEST_FILL_S:
                    left.unlink()

    def _fill(self, descriptor: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, self._size_bytes)  # blocks that are ours, in a moment
            return
        for start in range(0, self._size_bytes, len(_BLOCK)):
            os.write(descriptor, _BLOCK[: self._size_bytes - start])


def _free_bytes(folder: Path) -> int:
    """What an ordinary user may still write there. A folder that is still to be made will be on its parent's disk."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0
