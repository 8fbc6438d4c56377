"""Whether one more job is taken: how much an owner may ask for, and which requests are the same one sent again."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Text, and_, bindparam, delete, func, select

from rushes.errors import IdempotencyMismatch, TooManyRequests
from rushes.jobs.rows import QUEUED, dated, owned
from rushes.jobs.tables import idempotency, jobs, usage

DAY_S = 86_400.0
QUEUE_RETRY_S = 15.0  # a place gets free when a video is done, and nobody here knows when that is


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a request the same one sent again: the owner's `key`, for `window_s` from its first use.

    `body_hash` tells whether it says the same. A window of 0 never meets an earlier use, and is remembered for later
    ones: so a first request can be found by a repeat that only then says that it is one.
    """

    key: str
    body_hash: str
    window_s: float


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much is taken; None sets no limit. The seconds are of video, as asked for, within the last 24 hours."""

    max_queued: int | None = None
    max_queued_per_owner: int | None = None
    max_running_per_owner: int | None = None
    max_seconds_per_day_per_owner: float | None = None


def earlier_use(connection: Connection, now: ColumnElement[float], owner: str, given: Idempotency) -> str | None:
    """The id of the job that this key stands for; None where it is new, or where none is looked for.

    Raises `IdempotencyMismatch` where the key stands for a request that said something else.
    """
    if given.window_s == 0:
        return None  # said, since a use from before the clock was set back lies in the future
    known = select(idempotency).where(_OF_KEY, idempotency.c.at > now - given.window_s)
    row = connection.execute(known, {"of": owner, "as": given.key}).one_or_none()
    if row is None:
        return None
    if row.body_hash != given.body_hash:
        raise IdempotencyMismatch(
            "this idempotency key was used for a request with another body. "
            "Hint: send the body unchanged to get that request's video, or take a new key"
        )
    return str(row.job)


def remember_use(connection: Connection, now: ColumnElement[float], owner: str, given: Idempotency, job: str) -> None:
    connection.execute(_FORGETTING, {"of": owner, "as": given.key})
    use = {"owner": owner, "key": given.key, "job": job, "body_hash": given.body_hash}
    connection.execute(dated(idempotency, now), use)


def require_place(
    connection: Connection, now: ColumnElement[float], owner: str, seconds: float, limits: QueueLimits
) -> None:
    """Raises `TooManyRequests` where one more job of `owner`, of so many seconds, would be over a limit."""
    for allowed, query, given, whose in (
        (limits.max_queued_per_owner, _THEIRS, {"of": owner}, "of yours waiting"),
        (limits.max_queued, _WAITING, {}, "waiting here"),
    ):
        if allowed is not None and (found := connection.execute(query, given).scalar_one()) >= allowed:
            raise TooManyRequests(
                f"videos {whose}: {found}, allowed: {allowed}. Hint: ask again when one is done, or cancel one",
                retry_after_s=QUEUE_RETRY_S,
            )
    allowed_s = limits.max_seconds_per_day_per_owner
    if allowed_s is not None:
        since = now - DAY_S
        within = (usage.c.owner == owner, usage.c.at > since)
        used = select(func.coalesce(func.sum(usage.c.seconds), 0.0), func.min(usage.c.at) - since).where(*within)
        used_s, frees_in_s = connection.execute(used).one()
        if used_s + seconds > allowed_s:
            raise TooManyRequests(
                f"you asked for {used_s:g} s of video in the last 24 hours; with {seconds:g} s more it would be over "
                f"the {allowed_s:g} s that one key may. Hint: a shorter video, or later",
                retry_after_s=60.0 if frees_in_s is None else frees_in_s,
            )


def count_use(connection: Connection, now: ColumnElement[float], owner: str, job: str, seconds: float) -> None:
    connection.execute(dated(usage, now), {"job": job, "owner": owner, "seconds": seconds})


# Asked with each new job, and built once: see `store._ANYBODYS`.
_OF_KEY = and_(idempotency.c.owner == bindparam("of"), idempotency.c.key == bindparam("as"))
_FORGETTING = delete(idempotency).where(_OF_KEY)
_WAITING = select(func.count()).select_from(jobs).where(jobs.c.state == QUEUED)
_THEIRS = _WAITING.where(owned(bindparam("of", type_=Text)))
