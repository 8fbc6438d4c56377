"""The checkpoints that one attempt answers for: which of them the row names, and that no other stays."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rushes.contract.job import Checkpoint
from rushes.errors import JobNotFound, Unavailable
from rushes.failpoints import failpoint
from rushes.jobs.claims import Claim
from rushes.jobs.store import JobStore

log = logging.getLogger(__name__)

Forget = Callable[[str], None]
"""Removes a checkpoint's object by its key; nothing happens where it is gone already."""


class Kept:
    """Names checkpoints under `claim`, and removes what is named no longer.

    A key is never used twice and only ever named by the attempt that wrote it. So what this attempt knows of and the
    row does not name will not be named again, whatever became of the claim.
    """

    def __init__(self, store: JobStore, claim: Claim, forget: Forget) -> None:
        self._store = store
        self._claim = claim
        self._forget = forget
        self._keys = set() if claim.job.checkpoint is None else {claim.job.checkpoint.key}

    def keep(self, checkpoint: Checkpoint) -> None:
        """Let the row name `checkpoint`. Raises `Lost`, and `Unavailable` where nobody knows which one it names."""
        self._keys.add(checkpoint.key)
        self._store.checkpoint(self._claim, checkpoint)
        failpoint("checkpoint named")
        self._forget_all_but(checkpoint.key)

    def tidy(self) -> None:
        """After the attempt: remove what its row does not name."""
        if not self._keys:
            return
        try:
            named = self._store.get(self._claim.job.id).checkpoint
        except JobNotFound:
            named = None
        except Unavailable as error:  # they are swept some time later
            log.warning("job %s: its checkpoints stay for now: %s", self._claim.job.id, error.message)
            return
        self._forget_all_but(None if named is None else named.key)

    def _forget_all_but(self, named: str | None) -> None:
        for key in sorted(self._keys - {named}):  # in one order, so that a simulated history can be replayed
            try:
                self._forget(key)
            except OSError as error:
                log.warning("checkpoint %s could not be removed: %s", key, error.strerror)
        self._keys &= {named}
