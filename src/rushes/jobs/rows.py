"""Rows and their meaning: how one becomes a `Job`, and how one changes together with its history."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Text, case, func, insert, literal_column, select, tuple_, update

from rushes.contract.artifact import Artifact
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.contract.request import ResolvedRequest
from rushes.jobs.tables import job_events, jobs

Where = tuple[ColumnElement[bool], ...]

_other = jobs.alias("other")
_queued = literal_column(f"'{JobState.QUEUED}'", Text)  # no parameter: the waiting rows' partial index is seen to fit

WAITING_AHEAD = case(
    (
        jobs.c.state == _queued,
        select(func.count())
        .select_from(_other)
        .where(
            _other.c.state == _queued,
            tuple_(_other.c.priority, _other.c.queued_at, _other.c.id)
            < tuple_(jobs.c.priority, jobs.c.queued_at, jobs.c.id),
        )
        .correlate(jobs)
        .scalar_subquery(),
    )
).label("waiting_ahead")
"""A column for queries that select from `jobs`: a waiting job's place in the order in which `claim` takes them.

It walks the partial index of the waiting rows: about 1 ms where two thousand wait.
"""


def job_from(row: Row[Any]) -> Job:
    """The job a whole row of `jobs` stands for, with `WAITING_AHEAD` or without."""
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
        waiting_ahead=getattr(row, WAITING_AHEAD.name, None),  # a row that a change gave back has no such column
        priority=row.priority,
        held=row.held,
        crashes=row.crashes,
        checkpoint=None if row.checkpoint is None else Checkpoint.from_json(row.checkpoint),
        webhook=row.webhook,
    )


def hash_of(request: dict[str, Any]) -> str:
    """SHA-256 of the request's canonical JSON: equal requests have equal hashes."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
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
    return row


def write_event(
    connection: Connection, now: ColumnElement[float], row: Row[Any], event: str, data: dict[str, Any]
) -> None:
    connection.execute(
        insert(job_events).values(job=row.id, seq=row.event_seq, attempt=row.attempt, type=event, data=data, at=now)
    )


def ended(state: JobState, now: ColumnElement[float]) -> dict[str, Any]:
    """The columns of a job that has reached a final state: no claim fits it any more."""
    return {"state": state, "finished_at": now, "token": None, "lease_until": None}


def requeued() -> dict[str, Any]:
    """The columns of a job back in the queue: `queued_at` stays, so that it keeps its place.

    It starts again from its first step, and its progress says so.
    """
    return {
        "state": JobState.QUEUED,
        "token": None,
        "worker": None,
        "lease_until": None,
        "stage": "queued",
        "step": 0,
        "steps": 0,
        "progress": 0.0,
    }
