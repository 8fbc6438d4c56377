"""How a video is asked for: create · get · list · cancel · delete, and the file when it is done.

A request becomes a settled request, a settled request becomes a row, and only then is there an id to give out.
How the video is made is `perform.py`'s story; the two meet in the job's row and nowhere else.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.remarks import remarked
from rushes.catalogue.resolve import random_seed, resolve
from rushes.contract.artifact import Artifact
from rushes.contract.job import Job, JobState
from rushes.contract.request import Note, ResolvedRequest, VideoRequest
from rushes.egress.policy import EgressPolicy
from rushes.egress.target import check_url
from rushes.errors import JobNotFound, NoPreview, RushesError, StorageUnavailable
from rushes.events.progress import History, left_s
from rushes.intake.copy import copied_in
from rushes.jobs.history import JobEvent, Reuse
from rushes.jobs.limits import Idempotency
from rushes.jobs.store import JobStore
from rushes.storage.base import Storage, preview_key

log = logging.getLogger(__name__)

REUSE_NEEDS_SEED = Note(
    "warning", "reuse", "reuse: without a seed every request is another video; this one is made anew", "send a seed"
)

COUNTED_S = 1.0
"""For so long the number of workers is believed: a list of twenty would count them twenty times."""


class Videos:
    """The videos of this server. An owner sees their own; another's is `JobNotFound`, as if it were not there.

    `catalogue` says what can be asked for; `storage` has the finished files, and `inputs` what requests brought along.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        store: JobStore,
        storage: Storage,
        draw_seed: Callable[[], int] = random_seed,
        inputs: Storage | None = None,
        egress: EgressPolicy = EgressPolicy(),  # noqa: B008 - frozen: one default may be shared
        previews: Storage | None = None,
    ) -> None:
        self.catalogue = catalogue
        self._store = store
        self._storage = storage
        self._inputs = inputs or storage
        self._draw_seed = draw_seed
        self._egress = egress
        self._previews = previews
        self._history = History(store.durations)
        self._at_work = 0, 0.0

    def create(self, owner: str, request: VideoRequest, idempotency: Idempotency | None = None) -> Job:
        """Accept the request, or refuse it with field, given and allowed. The job is durable when this returns.

        Where `idempotency` names an earlier request, its job comes back as `replayed` and nothing is made.
        """
        # Before anything is looked at: its model may be gone since, and the disk be full.
        if (earlier := self._store.earlier(owner, idempotency)) is not None:
            return earlier
        if request.webhook_url is not None:
            check_url(request.webhook_url, self._egress, "webhook_url")
        offer = self.catalogue.find(request.model)
        resolved = remarked(resolve(request, offer, self._draw_seed), offer.card)
        held = _Held()
        resolved, inputs = copied_in(resolved, offer.card, held, self._egress)

        def add(resolved: ResolvedRequest, reuse: Reuse | None = None) -> Job:
            for key, content in held.contents.items():
                self._inputs.put(key, content)
            return self._store.add(
                owner, resolved, idempotency=idempotency, inputs=inputs, webhook=request.webhook_url, reuse=reuse
            )

        if request.reuse and request.seed is None:
            resolved = replace(resolved, notes=(*resolved.notes, REUSE_NEEDS_SEED))
        elif request.reuse and (job := self._reused(owner, resolved, add)) is not None:
            return job
        if held.contents:  # a request that is refused leaves nothing, or whoever has a key could fill the disk
            self._store.check_place(owner, resolved.seconds)
        return add(resolved)

    def _reused(self, owner: str, request: ResolvedRequest, add: Callable[[ResolvedRequest, Reuse], Job]) -> Job | None:
        """A finished job, by `add`, with a copy of what the same request made before; None where it has to be made.

        What is fetched from an address has another key each time, and is never the same.
        """
        earlier = self._store.made_before(owner, request)
        if earlier is None or earlier.artifact is None:
            return None
        key = f"reused.{secrets.token_hex(12)}.{request.output_format.lower()}"
        try:
            self._storage.copy(earlier.artifact.key, key)
        except FileNotFoundError:
            return None  # deleted at this moment
        reuse = Reuse(earlier.id, replace(earlier.artifact, key=key))
        try:
            job = add(request, reuse)
        except RushesError:
            self._storage.delete(key)
            raise
        if job.replayed:
            self._storage.delete(key)
        return job

    def get(self, owner: str, id: str) -> Job:
        """The job as it stands now."""
        return self._store.get(id, owner)

    def list(
        self,
        owner: str,
        *,
        limit: int = 20,
        after: str | None = None,
        newest: bool = True,
        states: tuple[JobState, ...] | None = None,
        model: str | None = None,
    ) -> tuple[Job, ...]:
        """The owner's jobs, from the newest back or from the oldest on, beginning behind the id `after`.

        `states` and `model` pick among them.
        """
        return self._store.list(owner, limit=limit, after=after, newest=newest, states=states, model=model)

    def events(self, owner: str, id: str, after: int = 0) -> tuple[JobEvent, ...]:
        """The job's history behind the event number `after`."""
        self._store.get(id, owner)
        return self._store.events(id, after)

    def events_since(self, positions: Mapping[str, int]) -> tuple[tuple[str, JobEvent], ...]:
        """The news of several jobs, each behind its number; whose they are was asked before."""
        return self._store.events_since(positions)

    def time_left_s(self, job: Job) -> float | None:
        """Seconds until `job` is done, learned from what its model made here lately; None where nobody can know."""
        waits = job.state is JobState.QUEUED and job.waiting_ahead is not None
        if not waits and job.state is not JobState.RUNNING:
            return None
        known = self._history.of(job.request.made_by)
        run_s = None if known is None else known.run_s(job.request)
        if known is None or run_s is None:
            return None
        behind = known.behind(job.request, job.progress)
        if waits:
            return self._wait_s(job.waiting_ahead or 0, known.typical_s, run_s * (1 - behind))
        in_one_go = job.attempt == 1 and job.started_at is not None
        elapsed_s = time.time() - job.started_at if in_one_go and job.started_at is not None else None
        return left_s(run_s, behind, elapsed_s)

    def _wait_s(self, num_ahead: int, typical_s: float, own_s: float) -> float | None:
        """Until a waiting job is done: half a video until some worker is free, those ahead, and the job itself."""
        num_workers, until = self._at_work
        if num_workers == 0 or time.monotonic() >= until:
            num_workers = self._store.num_running()  # all there are, or this job would not wait
            self._at_work = num_workers, time.monotonic() + COUNTED_S
        return None if num_workers == 0 else typical_s * (0.5 + num_ahead / num_workers) + own_s

    def cancel(self, owner: str, id: str) -> Job:
        """End a waiting job now, a running one at its next step. A job that has ended stays as it is."""
        return self._store.cancel(id, owner)

    def pause(self, owner: str, id: str) -> Job:
        """Let a job wait until it is resumed; one in the making is put aside at its next step, as far as it is."""
        return self._store.pause(id, owner)

    def resume(self, owner: str, id: str) -> Job:
        """Let a paused job go on, at its old place in the queue."""
        return self._store.resume(id, owner)

    def delete(self, owner: str, id: str) -> Job:
        """Remove the job, its prompt and its file for good; a worker on it stops. Returns the job as it last stood."""
        # The file first: if we are interrupted here, the row still says what is left to delete.
        try:
            self._remove_file(self._store.get(id, owner))
        except OSError as error:
            raise StorageUnavailable(f"the file could not be removed: {error.strerror}") from error
        gone = self._store.delete(id, owner)
        try:
            if self._previews is not None:
                self._previews.delete(preview_key(id))
            self._remove_file(gone)  # it may have been finished in between
        except OSError as error:  # no row names them any more: they are swept some time later
            log.warning("video %s is deleted, and left a file: %s", id, error.strerror)
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

    def preview(self, owner: str, id: str) -> bytes:
        """The newest look at an unfinished clip, a WebP. Raises `NoPreview` where there is none, or none any more."""
        job = self._store.get(id, owner)
        if self._previews is None or job.state.final:
            raise NoPreview()
        try:
            return self._previews.path(preview_key(id)).read_bytes()
        except FileNotFoundError:
            raise NoPreview() from None

    def _remove_file(self, job: Job) -> None:
        if job.artifact is not None:
            self._storage.delete(job.artifact.key)


class _Held:
    """What a request brought along, by its key, until it is sure to be taken."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def put(self, key: str, content: bytes) -> None:
        self.contents[key] = content
