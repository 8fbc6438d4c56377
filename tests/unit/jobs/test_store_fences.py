"""Each guard of a claim alone, with the others made to fit: token, state, lease. And that a missing one is noticed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from job_cases import MODEL, asked, made

from rushes.contract.events import Progress
from rushes.contract.job import Checkpoint, JobError, JobState
from rushes.jobs import claims
from rushes.jobs import rescue as rescuing
from rushes.jobs import store as storing
from rushes.jobs.claims import Claim, Lost
from rushes.jobs.store import JobStore
from rushes.jobs.tables import jobs

Say = Callable[..., None]

WRITES: dict[str, Callable[[JobStore, Claim], object]] = {
    "beat": lambda store, claim: store.renew(claim),
    "progress": lambda store, claim: store.renew(claim, Progress("decoding", 1, 2, 0.9)),
    "checkpoint": lambda store, claim: store.checkpoint(claim, Checkpoint("late", 9, "f", "0" * 64)),
    "finish": lambda store, claim: store.finish(claim, made("late.mp4")),
    "fail": lambda store, claim: store.fail(claim, JobError("late", "late")),
    "cancelled": lambda store, claim: store.cancelled(claim),
    "release": lambda store, claim: store.release(claim),
}

# What takes the claim away, one thing at a time. No transition leaves a row like the last two: they are there to see
# that each guard holds by itself, and is not covered by another.
TAKEN = {
    "another token": "UPDATE jobs SET token = 'another'",
    "no token": "UPDATE jobs SET token = NULL",
    "waiting, with the token": "UPDATE jobs SET state = 'queued'",
    "succeeded, with the token": "UPDATE jobs SET state = 'succeeded'",
}


def running(store: JobStore) -> Claim:
    store.add("ann", asked())
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    return claim


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("write", WRITES)
def test_each_guard_alone_stops_each_write(store: JobStore, say: Say, write: str, taken: str) -> None:
    check_guard(store, say, write, taken)


def check_guard(store: JobStore, say: Say, write: str, taken: str) -> None:
    claim = running(store)
    say(TAKEN[taken])
    before, events = store.get(claim.job.id), store.events(claim.job.id)
    with pytest.raises(Lost):
        WRITES[write](store, claim)
    assert (store.get(claim.job.id), store.events(claim.job.id)) == (before, events)


@pytest.mark.parametrize("write", WRITES)
def test_a_claim_says_nothing_about_another_job(store: JobStore, say: Say, write: str) -> None:
    claim = running(store)
    other = running(store)
    say("UPDATE jobs SET token = :token", token=claim.token)
    WRITES[write](store, claim)
    now = store.get(other.job.id)
    assert (now.state, now.progress, now.checkpoint, now.artifact) == (JobState.RUNNING, 0.0, None, None)


@pytest.mark.parametrize("write", ["finish", "fail", "cancelled", "release"])
def test_what_ends_a_claim_takes_its_token_and_lease_from_the_row(store: JobStore, write: str) -> None:
    claim = running(store)
    WRITES[write](store, claim)
    with store._database._engine.connect() as connection:
        row = connection.execute(jobs.select()).one()
    assert (row.token, row.lease_until) == (None, None)


def test_rescue_takes_back_only_what_is_past_its_lease(store: JobStore, say: Say) -> None:
    check_rescue(store, say)


def check_rescue(store: JobStore, say: Say) -> None:
    overdue, alive = running(store), running(store)
    say("UPDATE jobs SET lease_until = 1 WHERE id = :id", id=overdue.job.id)
    assert [rescued.id for rescued in store.rescue()] == [overdue.job.id]
    store.renew(alive)


@pytest.mark.parametrize(("ahead_s", "taken"), [(3500.0, False), (86_400.0, True)])
def test_rescue_takes_back_what_was_leased_before_the_clock_was_set_back(
    store: JobStore, say: Say, ahead_s: float, taken: bool
) -> None:
    claim = running(store)
    say("UPDATE jobs SET lease_until = lease_until + :ahead_s", ahead_s=ahead_s)
    assert [rescued.id for rescued in store.rescue()] == ([claim.job.id] if taken else [])


def without_token(claim: Claim) -> tuple[object, ...]:
    return (jobs.c.id == claim.job.id, jobs.c.state == JobState.RUNNING)


def without_state(claim: Claim) -> tuple[object, ...]:
    return (jobs.c.id == claim.job.id, jobs.c.token == claim.token)


def without_both(claim: Claim) -> tuple[object, ...]:
    return (jobs.c.id == claim.job.id,)


@pytest.mark.parametrize(
    ("mutant", "taken"),
    [
        (without_token, "another token"),
        (without_state, "waiting, with the token"),
        (without_state, "succeeded, with the token"),
        (without_both, "another token"),
    ],
)
@pytest.mark.parametrize("write", ["beat", "checkpoint", "finish"])
def test_a_fence_with_a_hole_is_noticed_at_each_write(
    store: JobStore,
    say: Say,
    monkeypatch: pytest.MonkeyPatch,
    write: str,
    taken: str,
    mutant: Callable[[Claim], tuple[object, ...]],
) -> None:
    monkeypatch.setattr(claims, "held", mutant)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_guard(store, say, write, taken)


def test_a_rescue_that_does_not_look_at_the_lease_is_noticed(
    store: JobStore, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rescuing.rescue_dead
    # Read by a clock that is far ahead, every lease is over.
    monkeypatch.setattr(storing, "rescue_dead", lambda c, now, worker: real(c, now + 1e6, worker))
    with pytest.raises(AssertionError):
        check_rescue(store, say)
