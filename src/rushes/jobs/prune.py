"""What is left lying is cleared away: the files of jobs past their keeping, and files that no row names.

A worker or a door that is killed at a bad moment leaves an object that nobody will ask for. It is known by its age and
by the table: no row names it, and whoever put it has had long enough to say so.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from rushes.errors import Unavailable
from rushes.jobs.store import JobStore

log = logging.getLogger(__name__)

TICK_S = 60.0
SWEEP_EVERY_S = 900.0  # reads every row's keys and lists every file: half a second for a hundred thousand

GRACE_S = 3600.0
"""How old a file must be to count as left behind.

Longer than anybody who puts one needs until the row that names it is written: a lease for an artifact, a request for an
input.
"""

BATCH = 100


class Files(Protocol):
    """A storage, as far as it is cleared."""

    def keys(self, older_than_s: float) -> Iterable[str]:
        """Keys of the files last written longer ago than that."""
        ...

    def delete(self, key: str) -> None: ...


class Pruner:
    """Clears away from a thread of its own while it is started. Any number may run beside each other.

    `artifacts`, `checkpoints` and `others` are what the store's keys are of; `others` are storages whose files are only
    ever swept. A file's age is told by the storage's own clock.
    `keep_s`    how long a job is kept after its end; None keeps it until it is deleted.
    `besides`   is done at each tick, too.
    """

    def __init__(
        self,
        store: JobStore,
        *,
        artifacts: Files,
        checkpoints: Files,
        others: Collection[Files] = (),
        keep_s: float | None = None,
        grace_s: float = GRACE_S,
        tick_s: float = TICK_S,
        sweep_every_s: float = SWEEP_EVERY_S,
        besides: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._artifacts = artifacts
        self._checkpoints = checkpoints
        self._swept = (artifacts, checkpoints, *others)
        self._keep_s = keep_s
        self._grace_s = grace_s
        self._tick_s = tick_s
        self._sweep_every_s = sweep_every_s
        self._besides = besides
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pruner", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def expire(self) -> int:
        """Remove the jobs past their keeping, and then their files; returns how many."""
        count = 0
        while self._keep_s is not None:
            gone = self._store.prune(self._keep_s, BATCH)
            for job in gone:
                if job.artifact is not None:
                    _removed(self._artifacts, job.artifact)
                if job.checkpoint is not None:
                    _removed(self._checkpoints, job.checkpoint)
            count += len(gone)
            if len(gone) < BATCH:
                break
        return count

    def sweep(self) -> int:
        """Remove old files that no row names; returns how many."""
        count = 0
        for files in self._swept:
            # Listed before the rows are read: what is named by then is kept, however long its row took.
            old = frozenset(files.keys(self._grace_s))
            for key in sorted(self._store.unknown_keys(old)):
                if _removed(files, key):
                    log.info("swept %s, which no job names", key)
                    count += 1
        return count

    def _run(self) -> None:
        next_sweep = time.monotonic()
        while True:
            try:
                self._besides()
                if count := self.expire():
                    log.info("removed %d videos past their keeping", count)
                if time.monotonic() >= next_sweep:
                    self._store.forget_old()
                    self.sweep()
                    next_sweep = time.monotonic() + self._sweep_every_s
            except Unavailable as error:
                log.warning("nothing is cleared away now: %s", error.message)
            except Exception:  # a background loop's edge: the next tick must come
                log.exception("nothing is cleared away now")
            if self._stop.wait(self._tick_s * random.uniform(0.8, 1.2)):  # noqa: S311 - jitter
                return


def _removed(files: Files, key: str) -> bool:
    """Whether it is gone. One that stays is left to a later sweep: it must not keep all behind it."""
    try:
        files.delete(key)
    except OSError as error:
        log.warning("%s could not be removed: %s", key, error.strerror)
        return False
    return True
