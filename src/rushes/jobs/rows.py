"""Rows and their meaning: how one becomes a `Job`, and how one changes together with its history."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Row,
    Table,
    Text,
    delete,
    insert,
    literal_column,
    select,
    update,
)

from rushes.contract.artifact import Artifact
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.contract.request import ResolvedRequest
from rushes.jobs.outbox import enqueue
from rushes.jobs.tables import job_events, jobs, usage

Where = tuple[ColumnElement[bool], ...]

# No parameters: only so is it seen that a partial index fits.
QUEUED = literal_column(f"'{JobState.QUEUED}'", Text)
RUNNING = literal_column(f"'{JobState.RUNNING}'", Text)
SUCCEEDED = literal_column(f"'{JobState.SUCCEEDED}'", Text)


def in_state(state: str) -> ColumnElement[bool]:
    """Whether a row is in `state`, so that its partial index is seen to fit."""
    return jobs.c.state == literal_column(f"'{JobState(state)}'", Text)


def owned(by: str | ColumnElement[str], table: FromClause = jobs) -> ColumnElement[bool]:
    """Whose a row is, where a partial index is to be used: for a plain comparison SQLite takes the index of all that
    the owner ever asked for, and reads it whole.
    """
    return (table.c.owner + "") == by


def locked(connection: Connection, where: Where) -> Row[Any] | None:
    """The row, which nobody else can change before this transaction ends."""
    return connection.execute(select(jobs).where(*where).with_for_update()).one_or_none()


def job_from(row: Row[Any], waiting_ahead: int | None = None) -> Job:
    """The job that a whole row of `jobs` stands for, at this place in the queue."""
    return Job(
        id=row.id,
        owner=row.owner,
        request=ResolvedRequest.from_json(row.request),
        state=JobState(row.state),
        secret=row.secret,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        attempt=row.attempt,
        stage=row.stage,
        step=row.step,
        steps=row.steps,
        progress=row.progress,
        cancel_requested=row.cancel_at is not None,
        artifact=None if row.artifact is None else Artifact.from_json(row.artifact),
        error=None if row.error is None else JobError(**row.error),
        waiting_ahead=waiting_ahead,
        priority=row.priority,
        held=row.held,
        crashes=row.crashes,
        setbacks=row.setbacks,
        checkpoint=None if row.checkpoint is None else Checkpoint.from_json(row.checkpoint),
        webhook=row.webhook,
        reuse_of=row.reuse_of,
    )


SAID_ONLY = frozenset({"model", "metadata", "notes"})
"""What a request carries along without changing a pixel: the id it was asked by, its owner's remarks and ours."""


def hash_of(request: dict[str, Any]) -> str:
    """SHA-256 of what decides the file's bytes, the model and its revision among it."""
    deciding = {name: value for name, value in request.items() if name not in SAID_ONLY}
    canonical = json.dumps(deciding, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def move(
    connection: Connection, now: ColumnElement[float], where: Where, event: str, data: dict[str, Any], **values: Any
) -> Row[Any] | None:
    """Change the one job that `where` fits and write the event of it; None when it fits none.

    The event's number comes from the same update, so a job's numbers have no gaps and no twins.
    """
    changed = update(jobs).where(*where).values(event_seq=jobs.c.event_seq + 1, **values).returning(jobs)
    row = connection.execute(changed).one_or_none()
    if row is not None:
        write_event(connection, now, row, event, data)
        if JobState(row.state).final:
            enqueue(connection, now, row)
    return row


def write_event(
    connection: Connection, now: ColumnElement[float], row: Row[Any], event: str, data: dict[str, Any]
) -> None:
    values = {"job": row.id, "seq": row.event_seq, "attempt": row.attempt, "type": event, "data": data}
    connection.execute(dated(job_events, now), values)


@lru_cache(maxsize=8)
def dated(table: Table, now: ColumnElement[float]) -> Insert:
    """A new row of `table`, which says when it came. Built once: see `store._ANYBODYS`."""
    return insert(table).values(at=now)


def end(
    connection: Connection,
    now: ColumnElement[float],
    where: Where,
    state: JobState,
    event: str,
    data: dict[str, Any],
    **values: Any,
) -> Job | None:
    """Bring the one job that `where` fits to a final state; None when it fits none.

    The row forgets its checkpoint. The job that is returned still names it, so that whoever asked can remove it.
    """
    before = connection.execute(select(jobs.c.checkpoint, jobs.c.started_at).where(*where).with_for_update()).first()
    if before is None:
        return None
    final = {"state": state, "finished_at": now, "token": None, "lease_until": None, "held": False, "checkpoint": None}
    row = move(connection, now, where, event, data, **{**final, **values})
    if row is None:
        return None
    if state is JobState.FAILED or (state is JobState.CANCELLED and before.started_at is None):
        connection.execute(delete(usage).where(usage.c.job == row.id))  # nothing was made, and not for their doing
    left = before.checkpoint
    return replace(job_from(row), checkpoint=None if left is None else Checkpoint.from_json(left))


def requeued(*, goes_on: bool = False) -> dict[str, Any]:
    """The columns of a job back in the queue: `queued_at` stays, so that it keeps its place.

    Without a checkpoint to go on from, it starts again from its first step, and its progress says so.
    """
    back = {"state": JobState.QUEUED, "token": None, "worker": None, "lease_until": None, "stage": "queued"}
    return back if goes_on else {**back, "step": 0, "steps": 0, "progress": 0.0, "checkpoint": None}
