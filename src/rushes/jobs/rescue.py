"""What happens to the jobs of workers that died or fell silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from rushes.contract.job import JobState
from rushes.jobs.rows import end, move, requeued
from rushes.jobs.tables import jobs

TRUSTED_CRASHES = 1
"""After more crashes than this, the checkpoint may be what kills the workers: the job begins at its first step."""

MAX_CRASHES = 3
"""A job that took this many workers with it is the likely cause; it does not get another one."""

LONGEST_LEASE_S = 3600.0
"""The longest that settings allow. A lease that is over later than that was taken before the clock was set back, and
might not be over for years."""

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
    """Take back every running job whose lease is over by the database's clock, or further away than any can be.

    With `worker`, take back what that worker holds instead, lease or not: only for its parent, which saw it end.
    A job whose owner gave it up is cancelled, one that crashed `MAX_CRASHES` times fails, any other waits again: it
    goes on from its checkpoint after a first crash, and from its first step after a second.
    """
    over = or_(jobs.c.lease_until < now, jobs.c.lease_until > now + LONGEST_LEASE_S)
    theirs = over if worker is None else jobs.c.worker == worker
    held = select(jobs).where(jobs.c.state == JobState.RUNNING, theirs).with_for_update(skip_locked=True)
    return tuple(_take_back(connection, now, row) for row in connection.execute(held).all())


def _take_back(connection: Connection, now: ColumnElement[float], row: Row[Any]) -> Rescued:
    crashes = row.crashes + 1
    this = (jobs.c.id == row.id,)
    data = {"worker": row.worker, "crashes": crashes}
    if row.cancel_at is not None:
        state = JobState.CANCELLED
        end(connection, now, this, state, "cancelled", data, crashes=crashes)
    elif crashes >= MAX_CRASHES:
        state = JobState.FAILED
        end(connection, now, this, state, "failed", data, crashes=crashes, error=WORKER_LOST)
    else:
        state = JobState.QUEUED
        goes_on = row.checkpoint is not None and crashes <= TRUSTED_CRASHES
        move(connection, now, this, "rescued", data, crashes=crashes, **requeued(goes_on=goes_on))
    return Rescued(row.id, row.worker, state)
