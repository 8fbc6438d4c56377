"""Questions about what has been: events, earlier files, how long things took, and which files are still named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select, union_all

from rushes.contract.artifact import Artifact
from rushes.contract.job import JobState
from rushes.contract.request import ResolvedRequest
from rushes.jobs.line import AHEAD
from rushes.jobs.rows import QUEUED, RUNNING, SUCCEEDED, hash_of, in_state, owned
from rushes.jobs.tables import job_events, job_inputs, jobs

JOBS_PER_QUERY = 200  # each is a term of one condition, and SQLite nests them no deeper than 1000


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One line of a job's history; `seq` counts 1, 2, 3 … without gaps. `at` is in Unix seconds."""

    seq: int
    attempt: int
    type: str
    data: dict[str, Any]
    at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A video that was made in one go, from its first step to its file, in `run_s` seconds of a worker.

    `denoised_s`  when its last step was taken, counted from the same moment; None where nobody was told.
    """

    request: ResolvedRequest
    run_s: float
    denoised_s: float | None = None


@dataclass(frozen=True, slots=True)
class Reuse:
    """A job that needs no worker: it gets `artifact`, a copy of what the job `of` made from the same request."""

    of: str
    artifact: Artifact


def events_behind(connection: Connection, positions: Mapping[str, int]) -> Iterator[tuple[str, JobEvent]]:
    """The events of each job behind the number given for it, in order within a job."""
    e = job_events.c
    known = list(positions.items())
    for start in range(0, len(known), JOBS_PER_QUERY):
        behind = (and_(e.job == id, e.seq > seq) for id, seq in known[start : start + JOBS_PER_QUERY])
        query = select(e.job, e.seq, e.attempt, e.type, e.data, e.at).where(or_(*behind)).order_by(e.job, e.seq)
        for job, *event in connection.execute(query):
            yield job, JobEvent(*event)


def made_before(owner: str, request: ResolvedRequest) -> Select[Any]:
    """A query for the owner's newest row whose file is what `request` would make again, byte for byte."""
    return (
        select(jobs)
        .where(jobs.c.state == SUCCEEDED, jobs.c.request_hash == hash_of(request.to_json()), owned(owner))
        .order_by(jobs.c.id.desc())
        .limit(1)
    )


def recent_runs(connection: Connection, model: str, limit: int) -> tuple[Finished, ...]:
    """What `model` made lately, newest first; without what was gone on with from a checkpoint."""
    e = job_events.c
    # CASE, because nothing else says in which order conditions are looked at: other events hold strings of all kinds.
    stage = case((e.type == "progress", e.data["stage"].as_string()))
    denoised_at = select(func.min(e.at)).where(e.job == jobs.c.id, stage == "decoding").scalar_subquery()
    query = (
        select(jobs.c.request, jobs.c.finished_at - jobs.c.claimed_at, denoised_at - jobs.c.claimed_at)
        .where(jobs.c.state == SUCCEEDED, jobs.c.model == model, jobs.c.claimed_at.is_not(None), ~jobs.c.resumed)
        .order_by(jobs.c.finished_at.desc())
        .limit(limit)
    )
    return tuple(Finished(ResolvedRequest.from_json(row[0]), *row[1:]) for row in connection.execute(query))


def named_keys(connection: Connection) -> Iterator[str]:
    """Every key that a row names: of an artifact, of a checkpoint that is still needed, of an input."""
    for query in (
        select(jobs.c.artifact["key"].as_string()).where(jobs.c.artifact.is_not(None)),
        select(jobs.c.checkpoint["key"].as_string()).where(
            or_(jobs.c.state == QUEUED, jobs.c.state == RUNNING), jobs.c.checkpoint.is_not(None)
        ),
        select(job_inputs.c.key).distinct(),
    ):
        yield from connection.execute(query).scalars()


def unnamed(connection: Connection, keys: Collection[str]) -> frozenset[str]:
    """Those of `keys` that no row names."""
    left = set(keys)
    if left:
        left.difference_update(named_keys(connection))
    return frozenset(left)


def listed(
    owner: str, *, limit: int, after: str | None, newest: bool, states: Collection[str] | None, model: str | None
) -> Select[Any]:
    """A query for a page of the owner's rows, beginning behind the id `after`; see `JobStore.list`.

    Where some are picked, their ids are found by one walk for each state, in the index of that state: few that failed
    are not looked for among a hundred thousand that did not.
    """

    def page(query: Select[Any]) -> Select[Any]:
        if after is not None:
            query = query.where(jobs.c.id < after if newest else jobs.c.id > after)
        return query.order_by(jobs.c.id.desc() if newest else jobs.c.id.asc()).limit(limit)

    if states is None and model is None:
        return page(select(jobs, AHEAD).where(jobs.c.owner == owner))
    picked = [] if model is None else [or_(_is_spelled(jobs.c.model, model), _is_spelled(jobs.c.asked_model, model))]
    walks = [
        select(page(select(jobs.c.id).where(jobs.c.owner == owner, in_state(state), *picked)).subquery().c.id)
        for state in (JobState if states is None else states)
    ]
    return page(select(jobs, AHEAD).where(jobs.c.id.in_(union_all(*walks) if walks else ())))


def _is_spelled(id: ColumnElement[str], model: str) -> ColumnElement[bool]:
    """Whether `id` is `model` in any letter case, as models are asked for; SQLite knows the cases of ASCII alone."""
    return or_(id == model, func.lower(id) == model.lower())
