"""What the holder of a claim may write, and the fence before each of these writes.

The fence is inside the update itself: id, token and state. Where that fits no row, the claim is over and the worker
gets `Lost`: it can neither finish nor spoil what its successor does. Each function here is a part of one transaction;
the whole is a method of `store.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from rushes.contract.events import Progress
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.failpoints import failpoint
from rushes.jobs.choose import goes_before
from rushes.jobs.rows import Where, end, job_from, locked, move, requeued
from rushes.jobs.tables import jobs

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
class Setback:
    """An attempt was ended by `error`, which may pass; the next is to wait for `wait_s` seconds."""

    error: JobError
    wait_s: float


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a renewal.

    `cancel`   the job's owner has given it up.
    `preempt`  the job is to go back to the queue: its owner paused it, or one that goes first waits for this model.
    """

    cancel: bool
    preempt: bool = False


def held(claim: Claim) -> Where:
    """The fence: true for the row only while this very claim is the one that holds it."""
    return (jobs.c.id == claim.job.id, jobs.c.token == claim.token, jobs.c.state == JobState.RUNNING)


def renew(
    connection: Connection,
    now: ColumnElement[float],
    claim: Claim,
    max_running_per_owner: int | None,
    progress: Progress | None,
) -> Beat:
    """Hold the claim for another lease; with `progress`, also say where the job stands. Raises `Lost`."""
    if progress is None:
        return _beat(connection, now, claim, max_running_per_owner)
    stand = {"stage": progress.stage, "step": progress.step, "steps": progress.steps, "progress": progress.fraction}
    row = move(connection, now, held(claim), "progress", stand, lease_until=now + claim.lease_s, **stand)
    return _answer(connection, now, _still_ours(row, claim), claim, max_running_per_owner)


def name_checkpoint(
    connection: Connection,
    now: ColumnElement[float],
    claim: Claim,
    max_running_per_owner: int | None,
    checkpoint: Checkpoint,
) -> Beat:
    """Let the row name `checkpoint`, and hold the claim for another lease. Raises `Lost`."""
    return _beat(connection, now, claim, max_running_per_owner, checkpoint=checkpoint.to_json())


def end_claimed(
    connection: Connection,
    now: ColumnElement[float],
    claim: Claim,
    state: JobState,
    data: dict[str, Any],
    **values: Any,
) -> Job:
    """Bring the job to the final `state`; one that is given up never ends as failed. Raises `Lost`."""
    row = _still_ours(locked(connection, held(claim)), claim)
    if state is JobState.FAILED and row.cancel_at is not None:
        return _done(end(connection, now, held(claim), JobState.CANCELLED, "cancelled", data), claim)
    return _done(end(connection, now, held(claim), state, state.value, data, **values), claim)


def release(connection: Connection, now: ColumnElement[float], claim: Claim, setback: Setback | None) -> Job:
    """Give the job back to the queue, to wait there where a `setback` says so. Raises `Lost`."""
    data: dict[str, Any] = {}
    later: dict[str, Any] = {}
    if setback is not None:
        data = {"code": setback.error.code, "message": setback.error.message, "wait_s": setback.wait_s}
        later = {"setbacks": jobs.c.setbacks + 1, "not_before": now + setback.wait_s}
    row = _still_ours(locked(connection, held(claim)), claim)
    if row.cancel_at is not None:
        return _done(end(connection, now, held(claim), JobState.CANCELLED, "cancelled", {}), claim)
    back = requeued(goes_on=row.checkpoint is not None)
    return job_from(_still_ours(move(connection, now, held(claim), "released", data, **back, **later), claim))


def _beat(
    connection: Connection, now: ColumnElement[float], claim: Claim, max_running_per_owner: int | None, **values: Any
) -> Beat:
    renewed = update(jobs).where(*held(claim)).values(lease_until=now + claim.lease_s, **values)
    row = connection.execute(renewed.returning(jobs.c.cancel_at, jobs.c.held)).one_or_none()
    failpoint("beating")
    return _answer(connection, now, _still_ours(row, claim), claim, max_running_per_owner)


def _answer(
    connection: Connection, now: ColumnElement[float], row: Row[Any], claim: Claim, max_running_per_owner: int | None
) -> Beat:
    first = goes_before(claim.job, now, max_running_per_owner)
    return Beat(row.cancel_at is not None, row.held or bool(connection.execute(select(first)).scalar_one()))


def _still_ours(row: Row[Any] | None, claim: Claim) -> Row[Any]:
    if row is None:
        raise Lost(claim.job.id)
    return row


def _done(job: Job | None, claim: Claim) -> Job:
    if job is None:
        raise Lost(claim.job.id)
    return job
