"""What the store promises, on every kind of database it runs on."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from job_cases import MODEL, asked, made

from rushes.contract.events import Progress
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import Note
from rushes.errors import JobNotFound
from rushes.jobs.claims import Claim, Lost
from rushes.jobs.store import JobStore

Expire = Callable[[], None]


def claimed(store: JobStore, worker: str = "w1") -> Claim:
    claim = store.claim(worker, [MODEL])
    assert claim is not None
    return claim


def history(store: JobStore, job: Job) -> list[str]:
    return [event.type for event in store.events(job.id)]


def test_a_job_is_waiting_and_complete_when_add_returns(store: JobStore, url: str) -> None:
    request = asked(
        prompt="snow ☃ \ud800",
        media=Media(frame_images=(FrameImage("https://example.org/a.png", "first"),)),
        metadata={"order": 7},
        notes=(Note("advice", "steps", "few", "20"),),
    )
    job = store.add("ann", request)
    assert (job.state, job.stage, job.attempt, job.progress) == (JobState.QUEUED, "queued", 0, 0.0)
    assert job.request == request
    another = JobStore(url)
    assert another.get(job.id, "ann") == job
    another.close()


def test_ids_are_version_seven_and_in_order_of_creation(store: JobStore) -> None:
    ids = [store.add("ann", asked()).id for _ in range(20)]
    assert ids == sorted(ids)
    assert {uuid.UUID(id).version for id in ids} == {7}
    assert len({store.get(id).secret for id in ids}) == 20


def test_an_owner_sees_their_own_jobs_newest_first_page_by_page(store: JobStore) -> None:
    mine = [store.add("ann", asked()) for _ in range(5)]
    store.add("bob", asked())
    first = store.list("ann", limit=3)
    assert [job.id for job in first] == [job.id for job in reversed(mine[2:])]
    assert [job.id for job in store.list("ann", limit=3, after=first[-1].id)] == [mine[1].id, mine[0].id]
    assert [job.id for job in store.list("ann", after=mine[2].id, newest=False)] == [mine[3].id, mine[4].id]


def test_another_owners_job_is_not_found(store: JobStore) -> None:
    job = store.add("ann", asked())
    for refused in (store.get, store.cancel, store.delete):
        with pytest.raises(JobNotFound):
            refused(job.id, "bob")
    assert store.get(job.id, "ann") == job


def test_the_oldest_waiting_job_goes_first_and_a_smaller_priority_before_it(store: JobStore) -> None:
    first, second = store.add("ann", asked()), store.add("ann", asked())
    urgent = store.add("ann", asked(), priority=-1)
    assert [claimed(store).job.id for _ in range(3)] == [urgent.id, first.id, second.id]
    assert store.claim("w1", [MODEL]) is None


def test_a_waiting_job_knows_how_many_go_before_it(store: JobStore) -> None:
    first, second, third = (store.add(owner, asked()) for owner in ("ann", "bob", "ann"))
    assert [job.waiting_ahead for job in (first, second, third)] == [0, 1, 2]
    urgent = store.add("eve", asked(), priority=-1)
    assert urgent.waiting_ahead == 0
    assert [job.waiting_ahead for job in store.list("ann")] == [3, 1]

    assert claimed(store).job.waiting_ahead is None  # the urgent one: nobody waits for what is being made
    assert store.get(urgent.id).waiting_ahead is None
    store.cancel(second.id)
    assert [store.get(job.id).waiting_ahead for job in (first, second, third)] == [0, None, 1]


def test_a_worker_gets_only_what_its_models_can_make(store: JobStore) -> None:
    job = store.add("ann", asked(model="hosted/id", made_by="big/model"))
    assert store.claim("w1", [MODEL]) is None
    assert store.claim("w1", []) is None
    claim = store.claim("w1", [MODEL, "big/model"])
    assert claim is not None
    assert claim.job.id == job.id


def test_many_claimers_of_many_jobs_get_each_job_once(store: JobStore, url: str) -> None:
    jobs = {store.add("ann", asked()).id for _ in range(12)}
    others = [JobStore(url) for _ in range(3)]

    def take_all(number: int) -> list[str]:
        mine = []
        while claim := others[number % 3].claim(f"w{number}", [MODEL]):
            mine.append(claim.job.id)
        return mine

    with ThreadPoolExecutor(6) as pool:
        taken = [id for ids in pool.map(take_all, range(6)) for id in ids]
    for other in others:
        other.close()
    assert sorted(taken) == sorted(jobs)
    assert all(store.get(id).attempt == 1 for id in jobs)


def test_progress_is_seen_and_leaves_a_line_of_history(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    assert not store.renew(claim).cancel
    assert not store.renew(claim, Progress("denoising", 3, 10, 0.25)).cancel
    now = store.get(job.id)
    assert (now.state, now.stage, now.step, now.steps, now.progress) == (JobState.RUNNING, "denoising", 3, 10, 0.25)
    assert now.started_at is not None
    assert history(store, job) == ["queued", "running", "progress"]


def test_a_finished_job_names_its_artifact_and_is_final(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    store.renew(claim, Progress("denoising", 10, 10, 0.8))
    store.finish(claim, made())
    done = store.get(job.id)
    assert (done.state, done.stage, done.progress, done.artifact) == (JobState.SUCCEEDED, "done", 1.0, made())
    assert done.finished_at is not None
    assert done.created_at <= (done.started_at or 0) <= done.finished_at
    assert store.cancel(job.id) == done
    assert store.claim("w2", [MODEL]) is None


def test_a_failed_job_says_why(store: JobStore) -> None:
    job = store.add("ann", asked())
    store.fail(claimed(store), JobError("generation_failed", "the video could not be made"))
    failed = store.get(job.id)
    assert (failed.state, failed.error) == (
        JobState.FAILED,
        JobError("generation_failed", "the video could not be made"),
    )
    assert failed.finished_at is not None


def test_cancel_ends_a_waiting_job_at_once(store: JobStore) -> None:
    job = store.add("ann", asked())
    cancelled = store.cancel(job.id, "ann")
    assert (cancelled.state, cancelled.cancel_requested) == (JobState.CANCELLED, True)
    assert cancelled.finished_at is not None
    assert store.claim("w1", [MODEL]) is None
    assert history(store, job) == ["queued", "cancelled"]


def test_cancel_asks_a_running_job_to_stop_and_its_next_beat_says_so(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    assert store.cancel(job.id).state is JobState.RUNNING
    assert store.cancel(job.id).cancel_requested
    assert store.renew(claim).cancel
    assert store.renew(claim, Progress("denoising", 1, 10, 0.1)).cancel
    store.cancelled(claim)
    assert store.get(job.id).state is JobState.CANCELLED
    assert history(store, job) == ["queued", "running", "cancel_requested", "progress", "cancelled"]


def test_a_released_job_keeps_its_place_and_starts_anew(store: JobStore) -> None:
    first, _second = store.add("ann", asked()), store.add("ann", asked())
    claim = claimed(store)
    store.renew(claim, Progress("denoising", 5, 10, 0.4))
    released = store.release(claim)
    assert (released.state, released.stage, released.step, released.progress) == (JobState.QUEUED, "queued", 0, 0.0)
    again = claimed(store, "w2")
    assert (again.job.id, again.job.attempt) == (first.id, 2)
    assert again.job.started_at == claim.job.started_at


def test_a_job_given_up_and_then_released_is_cancelled(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    store.cancel(job.id)
    assert store.release(claim).state is JobState.CANCELLED


def test_deleting_removes_row_and_history_and_stops_the_worker(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    assert store.delete(job.id, "ann").id == job.id
    with pytest.raises(JobNotFound):
        store.get(job.id)
    assert store.events(job.id) == ()
    with pytest.raises(Lost):
        store.renew(claim)


WRITES: dict[str, Callable[[JobStore, Claim], object]] = {
    "beat": lambda store, claim: store.renew(claim),
    "progress": lambda store, claim: store.renew(claim, Progress("decoding", 1, 2, 0.9)),
    "checkpoint": lambda store, claim: store.checkpoint(claim, Checkpoint("late", 9, "f", "0" * 64)),
    "finish": lambda store, claim: store.finish(claim, made("late.mp4")),
    "fail": lambda store, claim: store.fail(claim, JobError("late", "late")),
    "cancelled": lambda store, claim: store.cancelled(claim),
    "release": lambda store, claim: store.release(claim),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_lost_claim_cannot_write_while_its_successor_works(
    store: JobStore, let_leases_run_out: Expire, write: str
) -> None:
    job = store.add("ann", asked())
    lost = claimed(store, "sleepy")
    let_leases_run_out()
    store.rescue()
    heir = claimed(store, "w2")
    before, events = store.get(job.id), store.events(job.id)
    with pytest.raises(Lost):
        WRITES[write](store, lost)
    assert (store.get(job.id), store.events(job.id)) == (before, events)
    store.finish(heir, made())
    with pytest.raises(Lost):
        WRITES[write](store, lost)
    assert store.get(job.id).artifact == made()


@pytest.mark.parametrize("write", WRITES)
def test_a_claim_cannot_write_after_its_own_end(store: JobStore, write: str) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    store.finish(claim, made())
    with pytest.raises(Lost):
        WRITES[write](store, claim)
    assert store.get(job.id).artifact == made()


@pytest.mark.parametrize("write", WRITES)
def test_a_claim_whose_job_waits_again_cannot_write(store: JobStore, let_leases_run_out: Expire, write: str) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    let_leases_run_out()
    store.rescue()
    with pytest.raises(Lost):
        WRITES[write](store, claim)
    assert store.get(job.id).state is JobState.QUEUED


def test_rescue_leaves_a_job_whose_lease_holds(store: JobStore) -> None:
    store.add("ann", asked())
    claim = claimed(store)
    assert store.rescue() == ()
    assert store.overdue_workers() == frozenset()
    store.renew(claim)


def test_a_renewed_lease_is_a_whole_lease(store: JobStore, let_leases_run_out: Expire) -> None:
    store.add("ann", asked())
    claim = claimed(store)
    let_leases_run_out()
    assert store.overdue_workers() == {"w1"}
    store.renew(claim)
    assert store.overdue_workers() == frozenset()
    assert store.rescue() == ()


def test_rescue_returns_a_job_whose_lease_is_over_to_its_place(store: JobStore, let_leases_run_out: Expire) -> None:
    job, _later = store.add("ann", asked()), store.add("ann", asked())
    claimed(store)
    let_leases_run_out()
    (rescued,) = store.rescue()
    assert (rescued.id, rescued.worker, rescued.state) == (job.id, "w1", JobState.QUEUED)
    assert claimed(store, "w2").job.id == job.id
    assert history(store, job) == ["queued", "running", "rescued", "running"]


def test_a_job_that_took_three_workers_with_it_fails_as_worker_lost(
    store: JobStore, let_leases_run_out: Expire
) -> None:
    job = store.add("ann", asked())
    for _ in range(3):
        claimed(store)
        let_leases_run_out()
        store.rescue()
    failed = store.get(job.id)
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert failed.error.code == "worker_lost"
    assert failed.attempt == 3


def test_a_release_is_not_counted_as_a_crash(store: JobStore, let_leases_run_out: Expire) -> None:
    job = store.add("ann", asked())
    for _ in range(5):
        store.release(claimed(store))
    claimed(store)
    let_leases_run_out()
    store.rescue()
    assert store.get(job.id).state is JobState.QUEUED


def test_rescue_cancels_a_job_that_was_given_up(store: JobStore, let_leases_run_out: Expire) -> None:
    job = store.add("ann", asked())
    claimed(store)
    store.cancel(job.id)
    let_leases_run_out()
    store.rescue()
    assert store.get(job.id).state is JobState.CANCELLED


def test_a_parent_gives_back_what_its_dead_child_held_and_nothing_else(store: JobStore) -> None:
    first, second = store.add("ann", asked()), store.add("ann", asked())
    claimed(store, "dead")
    alive = claimed(store, "alive")
    assert [rescued.id for rescued in store.rescue(worker="dead")] == [first.id]
    assert store.get(first.id).state is JobState.QUEUED
    store.finish(alive, made())
    assert store.get(second.id).state is JobState.SUCCEEDED


def test_history_is_numbered_without_gaps_and_can_be_followed(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    for step in range(4):
        store.renew(claim, Progress("denoising", step, 4, step / 5))
    store.finish(claim, made())
    events = store.events(job.id)
    assert [event.seq for event in events] == list(range(1, 8))
    assert store.events(job.id, after=5) == events[5:]
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_keys_are_known_by_digest_and_the_first_is_made_once(store: JobStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = list(pool.map(lambda n: store.keys.add_first(f"digest{n}", "ann"), range(4)))
    assert told.count(True) == 1
    first = f"digest{told.index(True)}"
    assert store.keys.owner_of(first) == "ann"
    assert store.keys.owner_of("other") is None
    store.keys.add("digest9", "bob")
    store.keys.remove(first)
    assert (store.keys.owner_of(first), store.keys.owner_of("digest9")) == (None, "bob")
