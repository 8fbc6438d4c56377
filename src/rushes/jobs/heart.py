"""The beat that holds a claim while its job is worked on, and while that work moves."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType

from rushes.contract.events import Progress
from rushes.errors import Unavailable
from rushes.jobs.claims import Beat, Claim, Lost
from rushes.jobs.stall import Movement, StallLimits
from rushes.jobs.store import JobStore

log = logging.getLogger(__name__)

STALLED = 70
"""The exit status of a worker that ends itself because its work hangs: EX_SOFTWARE of sysexits.h."""


def end_this_process() -> None:
    """Leave at once: what hangs may be a driver, which no exception reaches."""
    os._exit(STALLED)


class Heart:
    """Renews one claim every third of its lease, from a thread of its own, as long as the `with` block runs.

    It beats only while the work moves: past the `limits`, `give_up` is called and no beat follows. Otherwise a hung
    kernel would keep its claim for ever, with a heart in the best of health. It watches on where the claim is lost.

    `cancel`   the owner has given the job up.
    `preempt`  the job is to be given back after its next step, for another that goes first or because it is paused.
    `lost`     the claim is over: the store said so, or no beat got through for so long that it may be by now.
    """

    def __init__(
        self,
        store: JobStore,
        claim: Claim,
        limits: StallLimits = StallLimits(),  # noqa: B008 - frozen: one default may be shared
        give_up: Callable[[], None] = end_this_process,
    ) -> None:
        self._store = store
        self._claim = claim
        self._beat_s = claim.lease_s / 3
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heart-{claim.job.id}", daemon=True)
        # The lease began no earlier than the claim was sent, so counting from now on would be late by the claim's
        # own duration; the margin of a tenth in `lost` covers it.
        self._last_good = time.monotonic()
        self._told_lost = False
        self._movement = Movement(limits)
        self._give_up = give_up
        self.cancel = claim.job.cancel_requested
        self.preempt = False

    @property
    def lost(self) -> bool:
        return self._told_lost or time.monotonic() - self._last_good > self._claim.lease_s * 0.9

    def moved(self, progress: Progress) -> None:
        """The work has come as far as `progress`."""
        self._movement.moved(progress)

    def heard(self, beat: Beat) -> None:
        """The store's answer, to a beat of this heart or to a progress of the work."""
        self.cancel = self.cancel or beat.cancel
        # The job that was to go first may have found another worker meanwhile.
        self.preempt = beat.preempt

    def __enter__(self) -> Heart:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._beat_s):
            if reason := self._movement.stalled():
                log.error("job %s: %s; this worker ends, and its parent takes the job back", self._claim.job.id, reason)
                self._give_up()
                return
            if self._told_lost:
                continue  # nothing to renew; but a step that hangs would keep this worker from the next job for ever
            sent = time.monotonic()
            try:
                self.heard(self._store.renew(self._claim))
                self._last_good = sent
            except Lost:
                self._told_lost = True
            except Unavailable as error:
                log.warning("no beat for job %s: %s", self._claim.job.id, error.message)
            except Exception:  # a background loop's edge: a silent end of it would cost the job its lease
                log.exception("no beat for job %s", self._claim.job.id)
