"""What is owed to a webhook, written in the very transaction that ends its job: both happen or neither does."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Connection, Row, insert, select

from rushes.contract.job import JobState
from rushes.contract.media import Media
from rushes.jobs.tables import deliveries, jobs

EVENTS = {
    JobState.SUCCEEDED: "video.completed",
    JobState.FAILED: "video.failed",
    JobState.CANCELLED: "video.cancelled",
}

WITHOUT_WORDS = {"prompt": "", "negative_prompt": "", "media": asdict(Media())}
"""What a message never carries: it is kept until it arrives, which may be after its job was swept."""


def enqueue(connection: Connection, now: ColumnElement[float], row: Row[Any]) -> None:
    """Owe a message that the job of `row`, which has just ended, has ended; nothing where it names no address.

    An address that answered "gone" after the job was accepted is not called again. One that is named anew is.
    """
    if row.webhook is None:
        return
    d = deliveries.c
    gone = select(d.id).where(
        d.owner == row.owner, d.url == row.webhook, d.state == "disabled", d.finished_at >= row.created_at
    )
    told = connection.execute(gone.limit(1)).first() is None
    connection.execute(
        insert(deliveries).values(
            id=f"msg_{row.id.replace('-', '')}",  # a job ends once, so its message has one name
            job=row.id,
            owner=row.owner,
            url=row.webhook,
            endpoint=urlsplit(row.webhook).netloc.lower(),
            event=EVENTS[JobState(row.state)],
            body=_as_it_ended(row) if told else {},
            attempt=0,
            next_at=now,
            state="pending" if told else "disabled",
            created_at=now,
            finished_at=None if told else now,
        )
    )


def _as_it_ended(row: Row[Any]) -> dict[str, Any]:
    whole = {column.name: getattr(row, column.name) for column in jobs.columns}
    return {**whole, "request": {**row.request, **WITHOUT_WORDS}}
