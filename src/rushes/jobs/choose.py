"""Which waiting job a worker takes next, and whether one waits that should go before the one in hand.

The order: priority; then models that the worker has loaded, while the others have not waited long; then the owner who
has the fewest jobs running, and among those the one who was served longest ago; then first come, first served.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, case, exists, func, or_, select, true, union_all

from rushes.contract.job import Job
from rushes.jobs.rows import QUEUED, RUNNING, owned
from rushes.jobs.tables import jobs

AFFINITY_GRACE_S = 5.0
"""How long a job may be passed over for one whose model is loaded already."""

LONGEST_SETBACK_S = 3600.0
"""No setback makes a job wait for longer."""


def next_waiting(
    now: ColumnElement[float], models: Collection[str], loaded: Collection[str], max_running_per_owner: int | None
) -> Select[Any]:
    """A query for the id of the job to take; no row where there is none.

    It looks at the head of each owner's queue for each model and at nothing behind, a step down an index for each: what
    it costs grows with the owners who wait, not with the jobs.
    """
    waiting = jobs.alias("waiting")
    first = (
        select(func.min(waiting.c.owner).label("name")).where(waiting.c.state == QUEUED).cte("owners", recursive=True)
    )
    beyond = select(func.min(waiting.c.owner)).where(waiting.c.state == QUEUED, waiting.c.owner > first.c.name)
    owners = first.union_all(select(beyond.scalar_subquery()).where(first.c.name.is_not(None)))

    head = jobs.alias("head")
    heads = union_all(
        *(
            select(
                select(head.c.id)
                .where(
                    head.c.state == QUEUED,
                    head.c.owner == owners.c.name,
                    head.c.model == model,
                    head.c.held.is_(False),
                    _due(head, now),
                )
                .order_by(head.c.priority, head.c.queued_at, head.c.id)
                .limit(1)
                .scalar_subquery()
                .label("id")
            ).where(owners.c.name.is_not(None))
            for model in models
        )
    ).subquery("heads")

    served = jobs.alias("served")
    running = _running_of(jobs.c.owner)
    was_served = (served.c.owner == jobs.c.owner, served.c.claimed_at.is_not(None))
    last_served = select(func.max(served.c.claimed_at)).where(*was_served).scalar_subquery()
    order: list[ColumnElement[Any]] = [jobs.c.priority]
    if loaded:
        order.append(case((jobs.c.model.in_(loaded), 0), (jobs.c.queued_at < now - AFFINITY_GRACE_S, 0), else_=1))
    order += [running, func.coalesce(last_served, 0.0), jobs.c.queued_at, jobs.c.id]
    return (
        select(jobs.c.id)
        .join(heads, heads.c.id == jobs.c.id)
        .where(true() if max_running_per_owner is None else running < max_running_per_owner)
        .order_by(*order)
        .limit(1)
    )


def goes_before(job: Job, now: ColumnElement[float], max_running_per_owner: int | None) -> ColumnElement[bool]:
    """Whether a job waits that the same model makes, and that goes before the running `job` by its priority.

    One that is not due, or whose owner may not have another job running, does not count: it would not be taken.
    """
    waiting = jobs.alias("waiting")
    conditions = [
        waiting.c.state == QUEUED,
        waiting.c.held.is_(False),
        _due(waiting, now),
        waiting.c.model == job.request.made_by,
        waiting.c.priority < job.priority,
    ]
    if max_running_per_owner is not None:
        others = _running_of(waiting.c.owner, without=job.id)
        conditions.append(others < max_running_per_owner)
    return exists(select(waiting.c.id).where(*conditions))


def _due(table: FromClause, now: ColumnElement[float]) -> ColumnElement[bool]:
    # Further away than any setback puts it, it was put there before the clock was set back.
    not_before = table.c.not_before
    return or_(not_before.is_(None), not_before <= now, not_before > now + LONGEST_SETBACK_S)


def _running_of(owner: ColumnElement[str], without: str | None = None) -> ColumnElement[int]:
    """How many jobs of `owner` run."""
    running = jobs.alias("running")
    count = select(func.count()).select_from(running).where(running.c.state == RUNNING, owned(owner, running))
    return (count if without is None else count.where(running.c.id != without)).scalar_subquery()
