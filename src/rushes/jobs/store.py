"""Every change of a job's state, each as one transaction that also writes one event.

    – → queued           add
    queued → running     claim      a new token, a new lease
    running → running    renew      a beat, or a beat with progress
    running → succeeded | failed | cancelled    finish · fail · cancelled
    running → queued     release    the worker stops; the job keeps its place; no crash
    running → queued | failed | cancelled       rescue, when the worker died (rescue.py)
    queued → cancelled   cancel     a running job is only asked to stop
    any → gone           delete

What a worker writes after `claim` is guarded by id, token and state inside the update itself. Where that fits no row,
the claim is over and the worker gets `Lost`: it can neither finish nor spoil what its successor does.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from rushes.contract.artifact import Artifact
from rushes.contract.events import Progress
from rushes.contract.job import Job, JobError, JobState
from rushes.contract.request import ResolvedRequest
from rushes.errors import JobNotFound
from rushes.jobs.database import PATIENCE_S, Database
from rushes.jobs.deliveries import Deliveries
from rushes.jobs.ids import new_id
from rushes.jobs.keys import Keys
from rushes.jobs.rescue import Rescued, rescue_dead
from rushes.jobs.rows import WAITING_AHEAD, Where, ended, hash_of, job_from, move, requeued, write_event
from rushes.jobs.tables import job_events, jobs

LEASE_S = 30.0


class Lost(Exception):
    """The claim is over: its lease ran out, or the job was deleted. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on `job` until the lease is over; `token` proves it in every write."""

    job: Job
    token: str
    lease_s: float


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a renewal: whether the job's owner has given it up."""

    cancel: bool


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history; `seq` counts 1, 2, 3 … without gaps. `at` is in Unix seconds."""

    seq: int
    attempt: int
    type: str
    data: dict[str, Any]
    at: float


class JobStore:
    """The jobs of one database, its `keys` and the `deliveries` it owes. Safe to use from several threads; one per process.

    Every method raises `Unavailable` where the database stays busy or away for `patience_s`.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S) -> None:
        self._database = Database(url, patience_s=patience_s)
        self.keys = Keys(self._database)
        self.deliveries = Deliveries(self._database)

    def add(self, owner: str, request: ResolvedRequest, *, priority: int = 0) -> Job:
        """Put a job in the queue. It is durable when this returns. Like `nice`, the smaller priority goes first."""
        content = request.to_json()
        now = self._database.now

        def work(connection: Connection) -> Row[Any]:
            row = connection.execute(
                insert(jobs)
                .values(
                    id=new_id(),  # drawn inside the transaction, so that ids are in the order of the commits
                    owner=owner,
                    model=request.made_by,
                    request=content,
                    request_hash=hash_of(content),
                    secret=secrets.token_urlsafe(24),
                    priority=priority,
                    queued_at=now,
                    created_at=now,
                    attempt=0,
                    crashes=0,
                    event_seq=1,
                    **requeued(),
                )
                .returning(jobs)
            ).one()
            write_event(connection, now, row, "queued", {})
            return _found(_row(connection, (jobs.c.id == row.id,)), row.id)

        return job_from(self._database.write(work))

    def get(self, id: str, owner: str | None = None) -> Job:
        """The job as it stands; `owner` None asks for anybody's. Somebody else's job is `JobNotFound` too."""
        return job_from(_found(self._database.read(lambda c: _row(c, _is(id, owner))), id))

    def list(self, owner: str, *, limit: int = 20, after: str | None = None, newest: bool = True) -> tuple[Job, ...]:
        """The owner's jobs from the newest back, or from the oldest on, beginning behind the id `after`."""
        query = select(jobs, WAITING_AHEAD).where(jobs.c.owner == owner).limit(limit)
        query = query.order_by(jobs.c.id.desc() if newest else jobs.c.id.asc())
        if after is not None:
            query = query.where(jobs.c.id < after if newest else jobs.c.id > after)
        return tuple(job_from(row) for row in self._database.read(lambda c: c.execute(query).all()))

    def events(self, id: str, after: int = 0) -> tuple[JobEvent, ...]:
        """The job's history behind the event number `after`."""
        e = job_events.c
        query = select(e.seq, e.attempt, e.type, e.data, e.at).where(e.job == id, e.seq > after).order_by(e.seq)
        return tuple(JobEvent(*row) for row in self._database.read(lambda c: c.execute(query).all()))

    def claim(self, worker: str, models: Iterable[str], lease_s: float = LEASE_S) -> Claim | None:
        """Take the next waiting job that one of `models` can make; None when there is none.

        `worker` names the process, never reused: a parent that saw it die gives back what was held under that name.
        """
        now = self._database.now
        token = secrets.token_hex(16)
        waiting: Select[Any] = (
            select(jobs.c.id)
            .where(jobs.c.state == JobState.QUEUED, jobs.c.model.in_(tuple(models)))
            .order_by(jobs.c.priority, jobs.c.queued_at, jobs.c.id)
            .limit(1)
        )

        def work(connection: Connection) -> Row[Any] | None:
            id = connection.execute(waiting.with_for_update(skip_locked=True)).scalar_one_or_none()
            return move(
                connection,
                now,
                (jobs.c.id == id, jobs.c.state == JobState.QUEUED),
                "running",
                {"worker": worker},
                state=JobState.RUNNING,
                attempt=jobs.c.attempt + 1,
                token=token,
                worker=worker,
                lease_until=now + lease_s,
                stage="loading",
                started_at=func.coalesce(jobs.c.started_at, now),
            )

        # An idle worker asks several times a second; a read leaves the writers alone.
        if self._database.read(lambda c: c.execute(waiting).first()) is None:
            return None
        row = self._database.write(work)
        return None if row is None else Claim(job_from(row), token, lease_s)

    def renew(self, claim: Claim, progress: Progress | None = None) -> Beat:
        """Hold the claim for another lease; with `progress`, also say where the job stands. Raises `Lost`."""
        lease_until = self._database.now + claim.lease_s
        if progress is None:
            beat = update(jobs).where(*_held(claim)).values(lease_until=lease_until).returning(jobs.c.cancel_at)
            row = _still_ours(self._database.write(lambda c: c.execute(beat).one_or_none()), claim)
            return Beat(row.cancel_at is not None)
        stand = {"stage": progress.stage, "step": progress.step, "steps": progress.steps, "progress": progress.fraction}
        return Beat(self._change(claim, "progress", stand, lease_until=lease_until, **stand).cancel_requested)

    def finish(self, claim: Claim, artifact: Artifact) -> Job:
        """Publish the artifact: the job has succeeded. Raises `Lost`."""
        made = artifact.to_json()
        columns = ended(JobState.SUCCEEDED, self._database.now)
        return self._change(claim, "succeeded", made, artifact=made, stage="done", progress=1.0, **columns)

    def fail(self, claim: Claim, error: JobError) -> Job:
        """End the job with an error its owner may read. Raises `Lost`."""
        said = {"code": error.code, "message": error.message}
        return self._change(claim, "failed", said, error=said, **ended(JobState.FAILED, self._database.now))

    def cancelled(self, claim: Claim) -> Job:
        """End the job because its owner asked for it. Raises `Lost`."""
        return self._change(claim, "cancelled", {}, **ended(JobState.CANCELLED, self._database.now))

    def release(self, claim: Claim) -> Job:
        """Give the job back to the queue at its old place, without a crash counted. Raises `Lost`.

        A job whose owner has given it up meanwhile is cancelled instead.
        """
        now = self._database.now
        held = _held(claim)
        given_up = (*held, jobs.c.cancel_at.is_not(None))

        def work(connection: Connection) -> Row[Any] | None:
            return move(connection, now, given_up, "cancelled", {}, **ended(JobState.CANCELLED, now)) or move(
                connection, now, held, "released", {}, **requeued()
            )

        return job_from(_still_ours(self._database.write(work), claim))

    def cancel(self, id: str, owner: str | None = None) -> Job:
        """Give a job up: a waiting one ends now, a running one at its next step, a finished one stays as it is."""
        now = self._database.now
        mine = _is(id, owner)
        waiting = (*mine, jobs.c.state == JobState.QUEUED)
        running = (*mine, jobs.c.state == JobState.RUNNING, jobs.c.cancel_at.is_(None))

        def work(connection: Connection) -> Row[Any] | None:
            return (
                move(connection, now, waiting, "cancelled", {}, cancel_at=now, **ended(JobState.CANCELLED, now))
                or move(connection, now, running, "cancel_requested", {}, cancel_at=now)
                or _row(connection, mine)
            )

        return job_from(_found(self._database.write(work), id))

    def delete(self, id: str, owner: str | None = None) -> Job:
        """Remove the job and its history, text and all; returns it as it last stood. A worker on it is told `Lost`."""
        gone = delete(jobs).where(*_is(id, owner)).returning(jobs)
        return job_from(_found(self._database.write(lambda c: c.execute(gone).one_or_none()), id))

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

    def _change(self, claim: Claim, event: str, data: dict[str, Any], **values: Any) -> Job:
        row = self._database.write(lambda c: move(c, self._database.now, _held(claim), event, data, **values))
        return job_from(_still_ours(row, claim))


def _is(id: str, owner: str | None) -> Where:
    return (jobs.c.id == id,) if owner is None else (jobs.c.id == id, jobs.c.owner == owner)


def _held(claim: Claim) -> Where:
    """The fence: true for the row only while this very claim is the one that holds it."""
    return (jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.state == JobState.RUNNING)


def _row(connection: Connection, where: Where) -> Row[Any] | None:
    return connection.execute(select(jobs, WAITING_AHEAD).where(*where)).one_or_none()


def _found(row: Row[Any] | None, id: str) -> Row[Any]:
    if row is None:
        raise JobNotFound(field="id", given=id)
    return row


def _still_ours(row: Row[Any] | None, claim: Claim) -> Row[Any]:
    if row is None:
        raise Lost(claim.job.id)
    return row
