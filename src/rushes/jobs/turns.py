"""Courtesy between the processes that write one SQLite file: who could go on at once lets those who wait go first."""

from __future__ import annotations

import fcntl
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE_S = 0.03
"""How long a writer leaves the file to those who wait: twice the longest time between two of their looks."""

_never = threading.Event()


class Turns:
    """Whether somebody waits, said by a lock on a file of its own beside `database`.

    SQLite has no queue. Who waits looks again every few milliseconds, and a writer that begins anew right after each
    commit leaves less than that in between: others got through after seconds, by luck. A waiting process holds a shared
    lock here, which the system takes back should it die, and a writer that sees it pauses first. Nothing depends on it:
    where the file cannot be had, all is as before. For one thread at a time.
    """

    def __init__(self, database: Path) -> None:
        self._file: int | None = None
        try:
            self._file = os.open(database.with_name(f"{database.name}-turn"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return

    def give_way(self) -> None:
        """Pause, if another process waits."""
        if not self._locked(fcntl.LOCK_EX):
            _never.wait(PAUSE_S * random.uniform(0.8, 1.2))  # noqa: S311 - jitter
        self._unlock()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let others see that this process waits, until the block ends."""
        self._locked(fcntl.LOCK_SH)
        try:
            yield
        finally:
            self._unlock()

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _locked(self, kind: int) -> bool:
        """Take the lock, if that can be had at once; True also where there is none."""
        try:
            if self._file is not None:
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(self) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
