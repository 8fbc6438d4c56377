"""A worker: claim, perform, finish, one job at a time, until it is told to stop."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from types import FrameType

from rushes.contract.artifact import Artifact
from rushes.contract.events import Cancelled, Observer, Progress
from rushes.contract.job import Job, JobError
from rushes.errors import GenerationFailed, JobNotFound, RushesError, Unavailable
from rushes.jobs.heart import Heart
from rushes.jobs.store import LEASE_S, Claim, JobStore, Lost

log = logging.getLogger(__name__)

POLL_S = (0.25, 0.5)
RESCUE_EVERY_S = 5.0
PROGRESS_EVERY_S = 0.5  # each write is an fsync and a line of history; people do not read faster

Perform = Callable[[Job, Observer], Artifact]


class Stopping(Exception):
    """The worker was told to stop; the job goes back to the queue."""


class Worker:
    """Performs the jobs of `store` that one of `models` makes.

    `perform`  makes one job and returns the artifact, already in storage. It calls the observer between steps; the
               observer may raise, and what it raises must come through.
    `discard`  removes an artifact that could not be published, because the claim was lost or the job deleted.
    `name`     of this process, never reused by another.
    """

    def __init__(
        self,
        store: JobStore,
        perform: Perform,
        *,
        name: str,
        models: Iterable[str],
        discard: Callable[[Artifact], None],
        lease_s: float = LEASE_S,
    ) -> None:
        self._store = store
        self._perform = perform
        self._name = name
        self._models = tuple(models)
        self._discard = discard
        self._lease_s = lease_s

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a job in hand then goes back to the queue before its next step."""
        next_rescue = time.monotonic()
        while not stop.is_set():
            worked = False
            try:
                if time.monotonic() >= next_rescue:
                    self._rescue()
                    next_rescue = time.monotonic() + RESCUE_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311
                claim = self._store.claim(self._name, self._models, self._lease_s)
                if claim is not None:
                    self._work(claim, stop)
                    worked = True
            except Unavailable as error:
                log.warning("waiting: %s", error.message)
            if not worked:
                stop.wait(random.uniform(*POLL_S))  # noqa: S311 - jitter keeps many workers from asking in step

    def _rescue(self) -> None:
        for job in self._store.rescue():
            log.warning("job %s taken back from %s: %s", job.id, job.worker, job.state)

    def _work(self, claim: Claim, stop: threading.Event) -> None:
        job = claim.job
        log.info("job %s: attempt %d", job.id, job.attempt)
        with Heart(self._store, claim) as heart:
            outcome = self._outcome(claim, heart, stop)
            try:
                _insist(outcome, heart)
            except Lost:
                log.warning("job %s: the claim was lost; nothing is published", job.id)

    def _outcome(self, claim: Claim, heart: Heart, stop: threading.Event) -> Callable[[], object]:
        """Perform the job; return the one write that is left to do."""
        job, store = claim.job, self._store
        try:
            artifact = self._perform(job, _observer(store, claim, heart, stop))
        except Cancelled:
            return lambda: store.cancelled(claim)
        except Stopping:
            log.info("job %s: back to the queue, this worker stops", job.id)
            return lambda: store.release(claim)
        except Lost:
            return lambda: None
        except RushesError as error:
            log.info("job %s: %s", job.id, error.code)
            failure = JobError(error.code, error.message)
        except Exception:  # the worker's edge: whatever a model or a codec throws ends this job, not the worker
            log.exception("job %s: %s", job.id, GenerationFailed.summary)
            failure = JobError(GenerationFailed.code, GenerationFailed.summary)
        else:
            return lambda: self._publish(claim, artifact)
        return lambda: store.fail(claim, failure)

    def _publish(self, claim: Claim, artifact: Artifact) -> None:
        try:
            self._store.finish(claim, artifact)
        except Lost:
            if self._published(claim.job.id, artifact):
                return  # an earlier try of this write got through, and only its answer was lost
            self._discard(artifact)  # another attempt's file has another key: this is nobody else's
            raise

    def _published(self, id: str, artifact: Artifact) -> bool:
        try:
            return self._store.get(id).artifact == artifact
        except JobNotFound:
            return False


def _insist(write: Callable[[], object], heart: Heart) -> None:
    """Try the write for as long as the claim is surely ours."""
    while True:
        try:
            write()
        except Unavailable as error:
            if heart.lost:
                raise Lost from error
            log.warning("not written yet: %s", error.message)
            threading.Event().wait(0.5)
        else:
            return


def _observer(store: JobStore, claim: Claim, heart: Heart, stop: threading.Event) -> Observer:
    """Passes progress on to the store, not too often, and ends the job where the store, the owner or we say so."""
    last = claim.job.stage
    due = 0.0

    def observe(progress: Progress) -> None:
        nonlocal last, due
        if heart.lost:
            raise Lost(claim.job.id)
        if heart.cancel:
            raise Cancelled
        if stop.is_set():
            raise Stopping
        if progress.stage == last and time.monotonic() < due:
            return
        try:
            beat = store.renew(claim, progress)
        except Unavailable:
            return  # where a job stands is a courtesy; whether the claim still holds is the heart's to say
        last, due = progress.stage, time.monotonic() + PROGRESS_EVERY_S
        if beat.cancel:
            raise Cancelled

    return observe


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and Ctrl-C set `stop` and do nothing else. From the main thread only."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def stop_with_parent(stop: threading.Event, grace_s: float) -> None:
    """Set `stop` when standard input ends, which is when the parent that holds its other end is gone.

    Works on every platform, unlike PR_SET_PDEATHSIG. A job that does not come to its next step within `grace_s` is
    left to its lease: an orphan must not hold the accelerator.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        stop.set()
        threading.Event().wait(grace_s)
        log.warning("the parent is gone and the job did not come to a step in %g s; leaving it to its lease", grace_s)
        os._exit(70)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
