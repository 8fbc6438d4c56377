"""Every change of a job's state, each as one transaction that also writes one event.

    – → queued           add        within the limits, and once per idempotency key (accept.py, limits.py)
    queued → running     claim      a new token, a new lease; which job, says choose.py
    running → running    renew      a beat, or a beat with progress; this and the next four in claims.py
    running → running    checkpoint where the job can go on from now
    running → succeeded | failed | cancelled    finish · fail · cancelled
    running → queued     release    the worker stops, or what may pass came in between; the job keeps its place and
                                    its checkpoint; no crash
    running → queued | failed | cancelled       rescue, when the worker died (rescue.py)
    queued → cancelled   cancel     a running job is only asked to stop
    queued → queued      pause · resume         a running job is asked to go back to the queue, with its checkpoint
    any → gone           delete · prune         (expiry.py)

What a worker writes after `claim` is fenced by that claim's token (claims.py).
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, select

from rushes.contract.artifact import Artifact
from rushes.contract.events import Progress
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.contract.request import ResolvedRequest
from rushes.errors import JobNotFound
from rushes.failpoints import failpoint
from rushes.jobs.accept import accept
from rushes.jobs.choose import next_waiting
from rushes.jobs.claims import LEASE_S, Beat, Claim, Setback, end_claimed, name_checkpoint, release, renew
from rushes.jobs.database import PATIENCE_S, Database, Disk, in_turn
from rushes.jobs.deliveries import Deliveries
from rushes.jobs.expiry import Expired, expire_jobs, forget_old
from rushes.jobs.history import Finished, Reuse, events_behind, listed, made_before, recent_runs, unnamed
from rushes.jobs.history import JobEvent as JobEvent
from rushes.jobs.keys import Keys
from rushes.jobs.limits import Idempotency, QueueLimits, earlier_use, require_place
from rushes.jobs.line import AHEAD, Line
from rushes.jobs.rescue import Rescued, rescue_dead
from rushes.jobs.rows import RUNNING, Where, end, job_from, locked, move
from rushes.jobs.tables import deliveries, jobs, usage


class JobStore:
    """The jobs of one database, its `keys` and `deliveries`. Safe to use from several threads; one per process.

    `limits`  what is taken from whom, where `add` is not told otherwise, and how many jobs of one owner run at a time.
    `disk`    what the database lies on; a job is refused where it says so, and its reserve is used where it is full.
    Every method raises `Unavailable` where the database stays busy or away for `patience_s`.
    """

    def __init__(
        self,
        url: str,
        *,
        patience_s: float = PATIENCE_S,
        limits: QueueLimits = QueueLimits(),  # noqa: B008 - frozen: one default may be shared
        disk: Disk | None = None,
    ) -> None:
        self._database = Database(url, patience_s=patience_s, disk=disk)
        self._limits = limits
        self._disk = disk
        self._line = Line()
        self.keys = Keys(self._database)
        self.deliveries = Deliveries(self._database)

    def add(
        self,
        owner: str,
        request: ResolvedRequest,
        *,
        priority: int = 0,
        idempotency: Idempotency | None = None,
        limits: QueueLimits | None = None,
        webhook: str | None = None,
        inputs: Collection[str] = (),
        reuse: Reuse | None = None,
    ) -> Job:
        """Put a job in the queue. It is durable when this returns. Like `nice`, the smaller priority goes first.

        Where `idempotency` was used for the same request before, that one's job is returned as `replayed` and none is
        made; of two that arrive at once, one makes the job and both get it.

        `inputs`  keys in the storage of inputs that the request needs; they are kept as long as the job is.
        `reuse`   ends the job at once with that artifact; it takes no place and counts no seconds.
        Raises    `TooManyRequests` over a limit, `IdempotencyMismatch`, `StorageUnavailable` on a full disk.
        """
        now = self._database.now

        def work(connection: Connection) -> Job:
            in_turn(connection, "add")  # what is counted and looked up here must still be so at the commit
            if (earlier := self._earlier(connection, owner, idempotency)) is not None:
                return earlier
            if self._disk is not None:
                self._disk.require_room()
            id = accept(
                connection,
                now,
                owner,
                request,
                limits or self._limits,
                priority=priority,
                idempotency=idempotency,
                webhook=webhook,
                inputs=inputs,
                reuse=reuse,
            )
            failpoint("accepting")
            return self._job(connection, id)

        job = self._database.write_together(work)
        failpoint("accepted")
        return job

    def check_place(self, owner: str, seconds: float) -> None:
        """Raises what `add` would now for a new job of so many seconds that has no place, before anything is put aside.

        Only `add` settles it: another job may come in between.
        """
        if self._disk is not None:
            self._disk.require_room()
        self._database.read(lambda c: require_place(c, self._database.now, owner, seconds, self._limits))

    def earlier(self, owner: str, idempotency: Idempotency | None) -> Job | None:
        """The job, `replayed`, that `idempotency` was used for; None where it is new. Raises `IdempotencyMismatch`."""
        asked = idempotency is not None and idempotency.window_s > 0
        return self._database.read(lambda c: self._earlier(c, owner, idempotency)) if asked else None

    def get(self, id: str, owner: str | None = None) -> Job:
        """The job as it stands; `owner` None asks for anybody's. Somebody else's job is `JobNotFound` too."""
        return self._database.read(lambda c: self._job(c, id, owner))

    def list(
        self,
        owner: str,
        *,
        limit: int = 20,
        after: str | None = None,
        newest: bool = True,
        states: Collection[JobState] | None = None,
        model: str | None = None,
    ) -> tuple[Job, ...]:
        """The owner's jobs from the newest back, or from the oldest on, beginning behind the id `after`.

        `states`  only those in one of them; `model` only those asked by this id, or made by this model.
        """
        query = listed(owner, limit=limit, after=after, newest=newest, states=states, model=model)

        def work(connection: Connection) -> tuple[Job, ...]:
            return tuple(job_from(row, self._line.place(connection, row)) for row in connection.execute(query).all())

        return self._database.read(work)

    def events(self, id: str, after: int = 0) -> tuple[JobEvent, ...]:
        """The job's history behind the event number `after`."""
        return tuple(event for _, event in self.events_since({id: after}))

    def events_since(self, positions: Mapping[str, int]) -> tuple[tuple[str, JobEvent], ...]:
        """The histories of many jobs, each behind its own event number; in order within a job."""
        return self._database.read(lambda c: tuple(events_behind(c, positions)))

    def durations(self, model: str, limit: int = 50) -> tuple[Finished, ...]:
        """The last videos that `model` made in one go, and how long each took; the newest first."""
        return self._database.read(lambda c: recent_runs(c, model, limit))

    def made_before(self, owner: str, request: ResolvedRequest) -> Job | None:
        """The owner's newest finished job whose file is what `request` would make, byte for byte; None without one.

        Equal are all values that were settled, the seed, the model and its revision among them.
        """
        row = self._database.read(lambda c: c.execute(made_before(owner, request)).one_or_none())
        return None if row is None else job_from(row)

    def claim(
        self, worker: str, models: Iterable[str], lease_s: float = LEASE_S, *, loaded: Collection[str] = ()
    ) -> Claim | None:
        """Take the next waiting job that one of `models` can make; None when there is none.

        `worker` names the process, never reused: a parent that saw it die gives back what was held under that name.
        `loaded` are the models that it need not load; they go first while the others have not waited long.
        """
        models = tuple(models)
        if not models:
            return None
        now = self._database.now
        token = secrets.token_hex(16)
        waiting = next_waiting(now, models, loaded, self._limits.max_running_per_owner)

        def work(connection: Connection) -> Row[Any] | None:
            in_turn(connection, "claim")  # who has the fewest running, and whether one more may, is said by all claims
            id = connection.execute(waiting).scalar_one_or_none()
            row = move(
                connection,
                now,
                (jobs.c.id == id, jobs.c.state == JobState.QUEUED, jobs.c.held.is_(False)),
                "running",
                {"worker": worker},
                state=JobState.RUNNING,
                attempt=jobs.c.attempt + 1,
                token=token,
                worker=worker,
                lease_until=now + lease_s,
                stage="loading",
                started_at=func.coalesce(jobs.c.started_at, now),
                claimed_at=now,
                resumed=jobs.c.checkpoint.is_not(None),
            )
            failpoint("claiming")
            return row

        # An idle worker asks several times a second; a read leaves the writers alone.
        if self._database.read(lambda c: c.execute(waiting).first()) is None:
            return None
        row = self._database.write(work)
        return None if row is None else Claim(job_from(row), token, lease_s)

    def renew(self, claim: Claim, progress: Progress | None = None) -> Beat:
        """Hold the claim for another lease; with `progress`, also say where the job stands. Raises `Lost`."""
        most = self._limits.max_running_per_owner
        return self._database.write(lambda c: renew(c, self._database.now, claim, most, progress))

    def checkpoint(self, claim: Claim, checkpoint: Checkpoint) -> Beat:
        """Let the job go on from `checkpoint`, whose object is in storage, if it has to; renews too. Raises `Lost`.

        The one before it is named no longer.
        """
        most = self._limits.max_running_per_owner
        return self._database.write(lambda c: name_checkpoint(c, self._database.now, claim, most, checkpoint))

    def finish(self, claim: Claim, artifact: Artifact) -> Job:
        """Publish the artifact: the job has succeeded. Raises `Lost`."""
        made = artifact.to_json()
        return self._end(claim, JobState.SUCCEEDED, made, artifact=made, stage="done", progress=1.0)

    def fail(self, claim: Claim, error: JobError) -> Job:
        """End the job with an error its owner may read; as cancelled, if its owner has given it up. Raises `Lost`."""
        said = {"code": error.code, "message": error.message}
        return self._end(claim, JobState.FAILED, said, error=said)

    def cancelled(self, claim: Claim) -> Job:
        """End the job because its owner asked for it. Raises `Lost`."""
        return self._end(claim, JobState.CANCELLED, {})

    def release(self, claim: Claim, setback: Setback | None = None) -> Job:
        """Give the job back to the queue at its old place, without a crash counted. Raises `Lost`.

        Its checkpoint stays. With a `setback`, that is counted, and the job not claimed before its wait is over. A job
        whose owner has given it up meanwhile is cancelled instead.
        """
        return self._database.write(lambda c: release(c, self._database.now, claim, setback))

    def cancel(self, id: str, owner: str | None = None) -> Job:
        """Give a job up: a waiting one ends now, a running one at its next step, a finished one stays as it is."""
        now = self._database.now
        this = (jobs.c.id == id,)

        def work(connection: Connection) -> Job:
            row = _found(locked(connection, _is(id, owner)), id)
            if row.state == JobState.QUEUED:
                ended = end(connection, now, this, JobState.CANCELLED, "cancelled", {}, cancel_at=now)
                if ended is not None:
                    return ended
            if row.state == JobState.RUNNING and row.cancel_at is None:
                move(connection, now, this, "cancel_requested", {}, cancel_at=now)
            return self._job(connection, id)

        return self._database.write(work)

    def pause(self, id: str, owner: str | None = None) -> Job:
        """Let a job wait without being taken, until `resume`. A running one is given back at its next step, with its
        checkpoint; one that has ended stays as it is.
        """
        return self._hold(id, owner, True, {JobState.QUEUED: "paused", JobState.RUNNING: "pause_requested"})

    def resume(self, id: str, owner: str | None = None) -> Job:
        """Let a paused job go on, at its old place."""
        return self._hold(id, owner, False, {JobState.QUEUED: "resumed", JobState.RUNNING: "resumed"})

    def delete(self, id: str, owner: str | None = None) -> Job:
        """Remove the job and its history. A worker on it gets `Lost` at its next write. Returns it as it last stood."""

        def work(connection: Connection) -> Row[Any]:
            row = _found(connection.execute(delete(jobs).where(*_is(id, owner)).returning(jobs)).one_or_none(), id)
            connection.execute(delete(deliveries).where(deliveries.c.job == id))  # of what is deleted, nothing is told
            if row.started_at is None:
                connection.execute(delete(usage).where(usage.c.job == id))  # nothing was made of it
            return row

        return job_from(self._database.write(work))

    def prune(self, older_than_s: float, limit: int = 100) -> tuple[Expired, ...]:
        """Remove up to `limit` jobs that ended longer ago than that; their files are the caller's to remove.

        A caller that is interrupted leaves files that no row names, for `unknown_keys` to find.
        """
        return self._database.write(lambda c: expire_jobs(c, self._database.now, older_than_s, limit))

    def forget_old(self) -> None:
        """Remove what is only remembered for a while: keys that were used, seconds of video, the log of deliveries."""
        self._database.write(lambda c: forget_old(c, self._database.now))

    def unknown_keys(self, keys: Collection[str]) -> frozenset[str]:
        """Those of `keys`, of any storage, that no row names: no artifact, no checkpoint still needed, no input."""
        return self._database.read(lambda c: unnamed(c, keys))

    def num_running(self) -> int:
        """How many jobs are in the making. While others wait, it is how many workers there are."""
        query = select(func.count()).select_from(jobs).where(jobs.c.state == RUNNING)
        return int(self._database.read(lambda c: c.execute(query).scalar_one()))

    def rescue(self, worker: str | None = None) -> tuple[Rescued, ...]:
        """Take back the jobs whose lease is over, or all that `worker` held, which its parent saw end."""
        return self._database.write(lambda c: rescue_dead(c, self._database.now, worker))

    def overdue_workers(self) -> frozenset[str]:
        """Names of the workers that hold a job past its lease.

        Only reads: a worker that is stuck inside a write of its own cannot keep its parent from finding it.
        """
        query = select(jobs.c.worker).where(jobs.c.state == JobState.RUNNING, jobs.c.lease_until < self._database.now)
        return frozenset(self._database.read(lambda c: c.execute(query).scalars().all()))

    def close(self) -> None:
        self._database.close()

    def _end(self, claim: Claim, state: JobState, data: dict[str, Any], **values: Any) -> Job:
        return self._database.write(lambda c: end_claimed(c, self._database.now, claim, state, data, **values))

    def _hold(self, id: str, owner: str | None, hold: bool, events: Mapping[JobState, str]) -> Job:
        now = self._database.now
        this = (jobs.c.id == id,)

        def work(connection: Connection) -> Job:
            row = _found(locked(connection, _is(id, owner)), id)
            event = events.get(JobState(row.state))
            if event is not None and row.held != hold:
                move(connection, now, this, event, {}, held=hold)
            return self._job(connection, id)

        return self._database.write(work)

    def _earlier(self, connection: Connection, owner: str, idempotency: Idempotency | None) -> Job | None:
        id = None if idempotency is None else earlier_use(connection, self._database.now, owner, idempotency)
        return None if id is None else replace(self._job(connection, id), replayed=True)

    def _job(self, connection: Connection, id: str, owner: str | None = None) -> Job:
        """The job as it stands; see `get`."""
        query, given = (_ANYBODYS, {"id": id}) if owner is None else (_OWN, {"id": id, "owner": owner})
        row = _found(connection.execute(query, given).one_or_none(), id)
        return job_from(row, self._line.place(connection, row))


def _is(id: str, owner: str | None) -> Where:
    return (jobs.c.id == id,) if owner is None else (jobs.c.id == id, jobs.c.owner == owner)


# What every request asks is built once: to build a statement and to find it compiled costs more than to run it.
_ANYBODYS = select(jobs, AHEAD).where(jobs.c.id == bindparam("id"))
_OWN = _ANYBODYS.where(jobs.c.owner == bindparam("owner"))


def _found(row: Row[Any] | None, id: str) -> Row[Any]:
    if row is None:
        raise JobNotFound(field="id", given=id)
    return row
