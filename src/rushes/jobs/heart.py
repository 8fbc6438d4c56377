"""The beat that holds a claim while its job is worked on."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from rushes.errors import Unavailable
from rushes.jobs.store import Claim, JobStore, Lost

log = logging.getLogger(__name__)


class Heart:
    """Renews one claim every third of its lease, from a thread of its own, as long as the `with` block runs.

    `cancel`  the owner has given the job up.
    `lost`    the claim is over: the store said so, or no beat got through for so long that it may be by now.
    """

    def __init__(self, store: JobStore, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._beat_s = claim.lease_s / 3
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heart-{claim.job.id}", daemon=True)
        # The lease began no earlier than the claim was sent, so counting from now on would be late by the claim's
        # own duration; the margin of a tenth in `lost` covers it.
        self._last_good = time.monotonic()
        self._told_lost = False
        self.cancel = claim.job.cancel_requested

    @property
    def lost(self) -> bool:
        return self._told_lost or time.monotonic() - self._last_good > self._claim.lease_s * 0.9

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
            sent = time.monotonic()
            try:
                self.cancel = self._store.renew(self._claim).cancel or self.cancel
                self._last_good = sent
            except Lost:
                self._told_lost = True
                return
            except Unavailable as error:
                log.warning("no beat for job %s: %s", self._claim.job.id, error.message)
            except Exception:  # a background loop's edge: a silent end of it would cost the job its lease
                log.exception("no beat for job %s", self._claim.job.id)
