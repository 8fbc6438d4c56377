"""What time takes away: jobs past their keeping, and what is only remembered for a while."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select

from rushes.jobs.tables import deliveries, idempotency, jobs, usage

REMEMBERED_S = 2 * 86_400.0
"""How long uses of keys and seconds of video are remembered: twice the day that is ever asked for."""

DELIVERIES_S = 14 * 86_400.0
"""How long the log of what webhooks were told is kept."""


@dataclass(frozen=True, slots=True)
class Expired:
    """A job that is gone, and the keys of the files that it leaves."""

    id: str
    artifact: str | None
    checkpoint: str | None


def expire_jobs(
    connection: Connection, now: ColumnElement[float], older_than_s: float, limit: int
) -> tuple[Expired, ...]:
    """Remove up to `limit` jobs that ended longer ago than that, the oldest first, with their history."""
    old = (
        select(jobs.c.id, jobs.c.artifact, jobs.c.checkpoint)
        .where(jobs.c.finished_at < now - older_than_s)
        .order_by(jobs.c.finished_at)
        .limit(limit)
    )
    rows = connection.execute(old.with_for_update(skip_locked=True)).all()
    connection.execute(delete(jobs).where(jobs.c.id.in_([row.id for row in rows])))
    return tuple(Expired(row.id, (row.artifact or {}).get("key"), (row.checkpoint or {}).get("key")) for row in rows)


def forget_old(connection: Connection, now: ColumnElement[float]) -> None:
    """Remove what nobody asks for any more of keys that were used, of seconds and of deliveries."""
    connection.execute(delete(idempotency).where(idempotency.c.at < now - REMEMBERED_S))
    connection.execute(delete(usage).where(usage.c.at < now - REMEMBERED_S))
    connection.execute(delete(deliveries).where(deliveries.c.finished_at < now - DELIVERIES_S))
