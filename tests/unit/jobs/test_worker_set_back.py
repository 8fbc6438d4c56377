"""Attempts that are ended by what may pass: tried again, later each time, and failed with the reason in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from job_cases import MODEL, asked, eventually, made
from worker_cases import Counting, state_of, working

from rushes.contract.artifact import Artifact
from rushes.contract.events import Keep, Observer
from rushes.contract.job import Job, JobError, JobState
from rushes.errors import Busy, Incomplete, StorageUnavailable, Unavailable
from rushes.jobs import worker
from rushes.jobs.claims import Claim, Setback
from rushes.jobs.store import JobStore

FULL = JobError("storage_unavailable", "no room")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SETBACK_WAITS_S", (0.1, 0.2, 0.3))
    monkeypatch.setattr(worker, "SETBACK_PAUSE_S", (0.05, 0.05))


def take(store: JobStore, name: str = "w1") -> Claim:
    claim = store.claim(name, [MODEL])
    assert claim is not None
    return claim


def types(store: JobStore, job: Job) -> list[str]:
    return [event.type for event in store.events(job.id) if event.type != "progress"]


@pytest.mark.parametrize("error", [StorageUnavailable("no room"), Unavailable("no weights"), Busy()])
def test_a_job_that_what_may_pass_came_in_between_is_made_by_a_later_attempt(
    store: JobStore, error: Unavailable | Busy
) -> None:
    model = Counting(steps=4, step_s=0.0)

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        artifact = model.perform(job, observe, keep)
        if job.attempt <= 2:
            raise error
        return artifact

    job = store.add("ann", asked())
    with working(store, perform, forget=model.objects.discard):
        done = eventually(state_of(store, job, JobState.SUCCEEDED, JobState.FAILED))
    assert (done.state, done.attempt, done.crashes, done.setbacks) == (JobState.SUCCEEDED, 3, 0, 2)
    assert types(store, job) == ["queued", "running", "released", "running", "released", "running", "succeeded"]
    said = [event.data for event in store.events(job.id) if event.type == "released"]
    assert said == [{"code": error.code, "message": error.message, "wait_s": wait_s} for wait_s in (0.1, 0.2)]
    assert model.steps_of(job, 2) == [3], "it goes on from its checkpoint"
    assert model.objects == set()


def test_what_no_waiting_mends_fails_the_job_at_once_with_the_reason(store: JobStore) -> None:
    lacking = Incomplete("this installation lacks the weights")

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        raise lacking

    job = store.add("ann", asked())
    with working(store, perform):
        failed = eventually(state_of(store, job, JobState.SUCCEEDED, JobState.FAILED))
    assert (failed.state, failed.attempt, failed.setbacks) == (JobState.FAILED, 1, 0)
    assert failed.error == JobError("installation_incomplete", lacking.message)


def test_one_that_never_passes_fails_the_job_with_the_reason(store: JobStore) -> None:
    began: list[float] = []

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        began.append(time.monotonic())
        raise StorageUnavailable("no room")

    job = store.add("ann", asked())
    with working(store, perform):
        failed = eventually(state_of(store, job, JobState.SUCCEEDED, JobState.FAILED))
    assert (failed.state, failed.attempt, failed.error) == (JobState.FAILED, 4, FULL)
    assert types(store, job)[-2:] == ["running", "failed"]
    for (earlier, later), least_s in zip(pairwise(began), (0.1, 0.2, 0.3), strict=True):
        assert later - earlier >= least_s * 0.9, "the database's clock and ours may differ by a little"


def test_a_worker_that_fails_job_after_job_so_leaves_the_queue_alone_for_longer_and_longer(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SETBACK_PAUSE_S", (0.1, 0.4))
    monkeypatch.setattr(worker, "SETBACK_WAITS_S", (3600.0,))
    began: list[float] = []

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        began.append(time.monotonic())
        if len(began) != 5:
            raise StorageUnavailable("no room")
        return made(job.id)

    jobs = [store.add("ann", asked(seed=seed)) for seed in range(7)]
    with working(store, perform):
        eventually(lambda: len(began) == 7)
    assert store.get(jobs[4].id).state is JobState.SUCCEEDED
    gaps_s = [later - earlier for earlier, later in pairwise(began)]
    for gap_s, least_s in zip(gaps_s, (0.1, 0.2, 0.4, 0.4, 0.0, 0.1), strict=True):
        assert gap_s >= least_s, gaps_s


def test_a_job_that_was_set_back_is_not_taken_before_its_time_and_the_others_are(store: JobStore) -> None:
    urgent, other = store.add("ann", asked(), priority=-1), store.add("ann", asked())
    claim = take(store)
    released = store.release(claim, Setback(FULL, 3600.0))
    assert (released.state, released.setbacks, released.priority) == (JobState.QUEUED, 1, -1)
    running = take(store)
    assert running.job.id == other.id
    assert not store.renew(running).preempt, "it would be given back, and taken again at once, and so on"
    assert store.claim("w2", [MODEL]) is None
    assert store.cancel(urgent.id).state is JobState.CANCELLED


def test_when_its_time_has_come_it_is_taken_at_its_old_place(store: JobStore) -> None:
    first, _ = store.add("ann", asked()), store.add("ann", asked())
    store.release(take(store), Setback(FULL, 0.0))
    assert take(store).job.id == first.id
    assert store.get(first.id).setbacks == 1


def test_a_clock_that_is_set_back_does_not_put_it_off_for_as_long(store: JobStore, say: Callable[..., None]) -> None:
    job = store.add("ann", asked())
    store.release(take(store), Setback(FULL, 300.0))
    assert store.claim("w2", [MODEL]) is None
    say("UPDATE jobs SET not_before = not_before + 86400 WHERE id = :id", id=job.id)
    assert take(store).job.id == job.id


def test_a_job_that_was_given_up_is_cancelled_rather_than_set_back(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = take(store)
    store.cancel(job.id)
    assert store.release(claim, Setback(FULL, 1.0)).state is JobState.CANCELLED
