"""What happens to the jobs of workers that died or fell silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from rushes.contract.job import JobState
from rushes.jobs.rows import ended, move, requeued
from rushes.jobs.tables import jobs

MAX_CRASHES = 3
"""A job that took this many workers with it is the likely cause; it does not get another one."""

WORKER_LOST = {
    "code": "worker_lost",
    "message": "the worker stopped without an answer each time this video was tried; it is not tried again",
}


@dataclass(frozen=True, slots=True)
class Rescued:
    """A job taken back from `worker`, and the state it went to."""

    id: str
    worker: str
    state: JobState


def rescue_dead(connection: Connection, now: ColumnElement[float], worker: str | None) -> tuple[Rescued, ...]:
    """Take back every running job whose lease is over by the database's clock.

    With `worker`, take back what that worker holds instead, lease or not: only for its parent, which saw it end.
    A job whose owner gave it up is cancelled, one that crashed `MAX_CRASHES` times fails, any other waits again.
    """
    theirs = jobs.c.lease_until < now if worker is None else jobs.c.worker == worker
    held = select(jobs).where(jobs.c.state == JobState.RUNNING, theirs).with_for_update(skip_locked=True)
    return tuple(_take_back(connection, now, row) for row in connection.execute(held).all())


def _take_back(connection: Connection, now: ColumnElement[float], row: Row[Any]) -> Rescued:
    crashes = row.crashes + 1
    values: dict[str, Any]
    if row.cancel_at is not None:
        state, event, values = JobState.CANCELLED, "cancelled", ended(JobState.CANCELLED, now)
    elif crashes >= MAX_CRASHES:
        state, event = JobState.FAILED, "failed"
        values = {**ended(JobState.FAILED, now), "error": WORKER_LOST}
    else:
        state, event, values = JobState.QUEUED, "rescued", requeued()
    data = {"worker": row.worker, "crashes": crashes}
    move(connection, now, (jobs.c.id == row.id,), event, data, crashes=crashes, **values)
    return Rescued(row.id, row.worker, state)
