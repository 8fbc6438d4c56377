"""How a video is asked for: create · get · list · cancel · delete, and the file when it is done.

A request becomes a settled request, a settled request becomes a row, and only then is there an id to give out.
How the video is made is `perform.py`'s story; the two meet in the job's row and nowhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.remarks import remarked
from rushes.catalogue.resolve import random_seed, resolve
from rushes.contract.artifact import Artifact
from rushes.contract.job import Job
from rushes.contract.request import VideoRequest
from rushes.errors import JobNotFound
from rushes.jobs.store import JobStore
from rushes.storage.base import Storage


class Videos:
    """The videos of this server. An owner sees their own; another's is `JobNotFound`, as if it were not there.

    `catalogue` says what can be asked for.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: JobStore,
        storage: Storage,
        draw_seed: Callable[[], int] = random_seed,
    ) -> None:
        self.catalogue = catalogue
        self._store = store
        self._storage = storage
        self._draw_seed = draw_seed

    def create(self, owner: str, request: VideoRequest) -> Job:
        """Accept the request, or refuse it with field, given and allowed. The job is durable when this returns."""
        offer = self.catalogue.find(request.model)
        resolved = remarked(resolve(request, offer, self._draw_seed), offer.card)
        return self._store.add(owner, resolved)

    def get(self, owner: str, id: str) -> Job:
        """The job as it stands now."""
        return self._store.get(id, owner)

    def list(self, owner: str, *, limit: int = 20, after: str | None = None, newest: bool = True) -> tuple[Job, ...]:
        """The owner's jobs, from the newest back or from the oldest on, beginning behind the id `after`."""
        return self._store.list(owner, limit=limit, after=after, newest=newest)

    def cancel(self, owner: str, id: str) -> Job:
        """End a waiting job now, a running one at its next step. A job that has ended stays as it is."""
        return self._store.cancel(id, owner)

    def delete(self, owner: str, id: str) -> Job:
        """Remove the job, its prompt and its file for good; a worker on it stops. Returns the job as it last stood."""
        # The file first: if we are interrupted here, the row still says what is left to delete.
        self._remove_file(self._store.get(id, owner))
        gone = self._store.delete(id, owner)
        self._remove_file(gone)  # it may have been finished in between
        return gone

    def artifact(self, id: str, secret: str) -> tuple[Artifact, Path]:
        """The finished file of a job, for whoever knows its secret. Only the row says which file that is."""
        job = self._store.get(id)
        known = hmac.compare_digest(job.secret.encode(), secret.encode())
        if not known or job.artifact is None:
            raise JobNotFound(field="id", given=id)
        try:
            return job.artifact, self._storage.path(job.artifact.key)
        except FileNotFoundError:
            raise JobNotFound(field="id", given=id) from None

    def _remove_file(self, job: Job) -> None:
        if job.artifact is not None:
            self._storage.delete(job.artifact.key)
