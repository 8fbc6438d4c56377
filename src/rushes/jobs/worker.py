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
from dataclasses import replace
from types import FrameType

from rushes.contract.artifact import Artifact
from rushes.contract.events import Cancelled, Interrupted, Keep, Observer, Progress
from rushes.contract.job import Job, JobError
from rushes.errors import GenerationFailed, JobNotFound, RushesError, Unavailable
from rushes.failpoints import failpoint
from rushes.jobs.claims import LEASE_S, Claim, Lost, Setback
from rushes.jobs.heart import STALLED, Heart
from rushes.jobs.kept import Forget, Kept
from rushes.jobs.stall import StallLimits
from rushes.jobs.store import JobStore

log = logging.getLogger(__name__)

POLL_S = (0.25, 0.5)
RESCUE_EVERY_S = 5.0
PROGRESS_EVERY_S = 0.5  # each write is an fsync and a line of history; people do not read faster

SETBACK_WAITS_S = (5.0, 15.0, 60.0, 300.0)
"""How long a job waits after each attempt that was ended by what may pass, such as a full disk. One more, and it fails:
by then somebody should have been told, and the others in the queue are kept waiting for it."""

SETBACK_PAUSE_S = (1.0, 30.0)
"""How long a worker leaves the queue alone after such an attempt: twice as long for each in a row. What ails this
machine would otherwise set back every job that waits, one after the other."""

FINISHED_RATHER = ("decoding", "storing")
"""Stages that are not left for another job: what is left of them is short, and would be done again from their start."""

Perform = Callable[[Job, Observer, Keep], Artifact]


class Worker:
    """Performs the jobs of `store` that one of `models` makes.

    `perform`  makes one job and returns the artifact, already in storage. It calls the observer between steps; the
               observer may raise, and what it raises must come through. It goes on from the job's checkpoint, where
               there is one, and names those that it makes by its third argument.
    `discard`  removes an artifact that could not be published, because the claim was lost or the job deleted.
    `forget`   removes a checkpoint's object that no row names any more.
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
        forget: Forget,
        lease_s: float = LEASE_S,
        stalls: StallLimits = StallLimits(),  # noqa: B008 - frozen: one default may be shared
    ) -> None:
        self._store = store
        self._perform = perform
        self._name = name
        self._models = tuple(models)
        self._loaded: set[str] = set()  # what `perform` has made a job with stays in memory
        self._discard = discard
        self._forget = forget
        self._lease_s = lease_s
        self._stalls = stalls
        self._setbacks_in_a_row = 0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; a job in hand then goes back to the queue before its next step."""
        next_rescue = time.monotonic()
        while not stop.is_set():
            pause_s: float | None = None
            try:
                if time.monotonic() >= next_rescue:
                    self._rescue()
                    next_rescue = time.monotonic() + RESCUE_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311
                claim = self._store.claim(self._name, self._models, self._lease_s, loaded=self._loaded)
                if claim is not None:
                    self._work(claim, stop)
                    pause_s = self._setback_pause_s()
            except Unavailable as error:
                log.warning("waiting: %s", error.message)
            if pause_s is None:
                pause_s = random.uniform(*POLL_S)  # noqa: S311 - jitter keeps many workers from asking in step
            if pause_s:
                stop.wait(pause_s)

    def _setback_pause_s(self) -> float:
        first_s, longest_s = SETBACK_PAUSE_S
        return min(longest_s, first_s * 2 ** (self._setbacks_in_a_row - 1)) if self._setbacks_in_a_row else 0.0

    def _rescue(self) -> None:
        for job in self._store.rescue():
            log.warning("job %s taken back from %s: %s", job.id, job.worker, job.state)

    def _work(self, claim: Claim, stop: threading.Event) -> None:
        job = claim.job
        log.info("job %s: attempt %d", job.id, job.attempt)
        failpoint("claimed")
        self._loaded.add(job.request.made_by)
        kept = Kept(self._store, claim, self._forget)
        with Heart(self._store, claim, self._stalls) as heart:
            outcome = self._outcome(claim, heart, kept, stop)
            try:
                _insist(outcome, heart)
            except Lost:
                log.warning("job %s: the claim was lost; nothing is published", job.id)
        kept.tidy()

    def _outcome(self, claim: Claim, heart: Heart, kept: Kept, stop: threading.Event) -> Callable[[], object]:
        """Perform the job; return the one write that is left to do."""
        job, store = claim.job, self._store
        in_a_row, self._setbacks_in_a_row = self._setbacks_in_a_row, 0
        try:
            artifact = self._perform(job, _observer(store, claim, heart, stop), kept.keep)
        except Cancelled:
            return lambda: store.cancelled(claim)
        except Interrupted as reason:
            log.info("job %s: back to the queue, %s", job.id, reason)
            return lambda: self._release(claim)
        except Lost:
            return lambda: None
        except RushesError as error:
            failure = JobError(error.code, error.message)
            if error.retryable:
                self._setbacks_in_a_row = in_a_row + 1
                if job.setbacks < len(SETBACK_WAITS_S):
                    setback = Setback(failure, SETBACK_WAITS_S[job.setbacks])
                    log.warning("job %s: %s; tried again in %g s", job.id, error.message, setback.wait_s)
                    return lambda: self._release(claim, setback)
            log.info("job %s: %s", job.id, error.code)
        except Exception:  # the worker's edge: whatever a model or a codec throws ends this job, not the worker
            log.exception("job %s: %s", job.id, GenerationFailed.summary)
            failure = JobError(GenerationFailed.code, GenerationFailed.summary)
        else:
            return lambda: self._publish(claim, artifact)
        return lambda: store.fail(claim, failure)

    def _release(self, claim: Claim, setback: Setback | None = None) -> None:
        self._store.release(claim, setback)
        failpoint("released")

    def _publish(self, claim: Claim, artifact: Artifact) -> None:
        failpoint("before commit")
        try:
            self._store.finish(claim, artifact)
            failpoint("after commit")
        except Lost:
            if self._published(claim.job.id, artifact):
                return  # an earlier try of this write got through, and only its answer was lost
            try:
                self._discard(artifact)  # another attempt's file has another key: this is nobody else's
            except OSError as error:  # it is swept some time later
                log.warning("job %s: its file could not be removed: %s", claim.job.id, error.strerror)
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
    job = claim.job
    last = job.stage
    due = 0.0
    # A job that goes on where another attempt left it does not fall back in the eyes of whoever watches it.
    least = job.progress if job.checkpoint is not None else 0.0

    def observe(progress: Progress) -> None:
        nonlocal last, due
        heart.moved(progress)
        _end_where_told(progress, heart, stop)
        if progress.stage == last and time.monotonic() < due:
            return
        try:
            heart.heard(store.renew(claim, replace(progress, fraction=max(progress.fraction, least))))
        except Unavailable:
            return  # where a job stands is a courtesy; whether the claim still holds is the heart's to say
        last, due = progress.stage, time.monotonic() + PROGRESS_EVERY_S
        _end_where_told(progress, heart, stop)

    return observe


def _end_where_told(progress: Progress, heart: Heart, stop: threading.Event) -> None:
    if heart.lost:
        raise Lost
    if heart.cancel:
        raise Cancelled
    if stop.is_set() and progress.stage != "storing":
        raise Interrupted("this worker stops")
    if heart.preempt and progress.stage not in FINISHED_RATHER:
        raise Interrupted("another goes first, or it is paused")


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
        os._exit(STALLED)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
