"""What makes a job: its row, and beside it what it counts, which key stands for it and what it brought along.

A part of one transaction, in which its caller has looked for an earlier use of the key; the whole is `JobStore.add`.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, insert
from sqlalchemy.sql.dml import ReturningInsert

from rushes.contract.job import JobState
from rushes.contract.request import ResolvedRequest
from rushes.jobs.history import Reuse
from rushes.jobs.ids import new_id
from rushes.jobs.limits import Idempotency, QueueLimits, count_use, remember_use, require_place
from rushes.jobs.rows import end, hash_of, requeued, write_event
from rushes.jobs.tables import job_inputs, jobs


def accept(
    connection: Connection,
    now: ColumnElement[float],
    owner: str,
    request: ResolvedRequest,
    limits: QueueLimits,
    *,
    priority: int,
    idempotency: Idempotency | None,
    webhook: str | None,
    inputs: Collection[str],
    reuse: Reuse | None,
) -> str:
    """Write a new job down; returns its id. With a `reuse` it has ended already, took no place and counts no seconds.

    Raises `TooManyRequests` where it would be over a limit.
    """
    if reuse is None:
        require_place(connection, now, owner, request.seconds, limits)
    content = request.to_json()
    values = {
        "id": new_id(),  # drawn inside the transaction, so that ids are in the order of the commits
        "owner": owner,
        "model": request.made_by,
        "asked_model": None if request.model == request.made_by else request.model,
        "request": content,
        "request_hash": hash_of(content),
        "secret": secrets.token_urlsafe(24),
        "priority": priority,
        "attempt": 0,
        "crashes": 0,
        "event_seq": 1,
        "webhook": webhook,
        **requeued(),
    }
    row = connection.execute(_adding(now), values).one()
    write_event(connection, now, row, "queued", {})
    if reuse is None:
        count_use(connection, now, owner, row.id, request.seconds)
    if idempotency is not None:
        remember_use(connection, now, owner, idempotency, row.id)
    for key in sorted(set(inputs)):
        connection.execute(insert(job_inputs).values(job=row.id, key=key))
    if reuse is not None:
        _end_with(connection, now, row, reuse)
    return str(row.id)


def _end_with(connection: Connection, now: ColumnElement[float], row: Row[Any], reuse: Reuse) -> None:
    made, steps = reuse.artifact.to_json(), row.request["steps"]
    values = {"artifact": made, "stage": "done", "progress": 1.0, "step": steps, "steps": steps, "reuse_of": reuse.of}
    end(connection, now, (jobs.c.id == row.id,), JobState.SUCCEEDED, "succeeded", made, **values)


@lru_cache(maxsize=4)
def _adding(now: ColumnElement[float]) -> ReturningInsert[Any]:  # built once: see `store._ANYBODYS`
    return insert(jobs).values(queued_at=now, created_at=now).returning(jobs)
