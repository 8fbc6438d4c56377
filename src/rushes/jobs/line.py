"""How many waiting jobs go before one: counted as far as `NEAR`, and behind that as the line stood a moment ago.

To count those before a job is to walk along them all. With eight thousand in line that was most of what a look cost,
and whoever is so far back does not mind whether 6,204 or 6,198 go first.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from typing import Any

from sqlalchemy import Connection, Row, and_, case, func, select, tuple_

from rushes.jobs.rows import QUEUED
from rushes.jobs.tables import jobs

NEAR = 200
"""Places before this one are as they are at the moment of the question."""

RENEW_S = 1.0
SHARE = 0.02
"""Of a process's time, what looking along the whole line may take: a very long one is looked at less often."""

_other = jobs.alias("other")
_before = (
    select(_other.c.id)
    .where(
        _other.c.state == QUEUED,
        _other.c.held.is_(False),
        tuple_(_other.c.priority, _other.c.queued_at, _other.c.id)
        < tuple_(jobs.c.priority, jobs.c.queued_at, jobs.c.id),
    )
    .limit(NEAR)
    .correlate(jobs)
    .subquery()
)
AHEAD = case(
    (and_(jobs.c.state == QUEUED, jobs.c.held.is_(False)), select(func.count()).select_from(_before).scalar_subquery())
).label("ahead")
"""A column for queries of `jobs`, from which `Line.place` makes a place: how many waiting jobs are before this one by
priority and time, `NEAR` for that many or more; NULL where it does not wait.

It is what people mean by their place in the queue. `claim` may take a later one first, of an owner who has had less.
"""

_WHOLE = (
    select(jobs.c.priority, jobs.c.queued_at)
    .where(jobs.c.state == QUEUED, jobs.c.held.is_(False))
    .order_by(jobs.c.priority, jobs.c.queued_at)
)


class Line:
    """The waiting jobs by priority and time, as they stood lately. For several threads."""

    def __init__(self) -> None:
        self._times: dict[int, array[float]] = {}
        self._old_at = 0.0
        self._looking = threading.Lock()

    def place(self, connection: Connection, row: Row[Any]) -> int | None:
        """How many go before the job of `row`, which has the column `AHEAD`; None where it does not wait."""
        if row.ahead is None:
            return None
        if row.ahead < NEAR:
            return int(row.ahead)
        with self._looking:
            if time.monotonic() >= self._old_at:
                self._look(connection)
            urgent = sum(len(times) for priority, times in self._times.items() if priority < row.priority)
            return max(NEAR, urgent + bisect_left(self._times.get(row.priority, ()), row.queued_at))

    def _look(self, connection: Connection) -> None:
        began = time.monotonic()
        found: dict[int, array[float]] = {}
        for priority, queued_at in connection.execute(_WHOLE):
            found.setdefault(priority, array("d")).append(queued_at)
        self._times = found
        now = time.monotonic()
        self._old_at = now + max(RENEW_S, (now - began) / SHARE)
