"""What the store remembers of checkpoints, histories, earlier files and durations, and what time takes away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from job_cases import MODEL, asked, made

from rushes.contract.events import Progress
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.contract.request import Note
from rushes.errors import JobNotFound
from rushes.jobs.claims import Claim
from rushes.jobs.store import JobStore

Expire = Callable[[], None]
Say = Callable[..., None]


def claimed(store: JobStore, *models: str) -> Claim:
    claim = store.claim("w1", models or [MODEL])
    assert claim is not None
    return claim


def saved(step: int) -> Checkpoint:
    return Checkpoint(f"job/{step}", step, "format", "ab" * 32)


def finished(store: JobStore, key: str = "clip.mp4", owner: str = "ann", **changes: object) -> Job:
    job = store.add(owner, asked(**changes))
    store.finish(claimed(store, job.request.made_by), made(key))
    return store.get(job.id)


def test_a_released_job_keeps_its_checkpoint_and_where_it_stood(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    store.renew(claim, Progress("denoising", 5, 10, 0.4))
    assert not store.checkpoint(claim, saved(3)).cancel
    store.checkpoint(claim, saved(5))
    released = store.release(claim)
    assert (released.checkpoint, released.step, released.progress) == (saved(5), 5, 0.4)
    assert claimed(store).job.checkpoint == saved(5)
    assert store.get(job.id).checkpoint == saved(5)


def test_a_checkpoint_renews_the_lease_and_brings_the_beat_s_news(store: JobStore, let_leases_run_out: Expire) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    let_leases_run_out()
    store.cancel(job.id)
    assert store.checkpoint(claim, saved(1)).cancel
    assert store.rescue() == ()


def test_a_first_crash_goes_on_from_the_checkpoint_and_a_second_begins_anew(
    store: JobStore, let_leases_run_out: Expire
) -> None:
    job = store.add("ann", asked())
    store.checkpoint(claimed(store), saved(4))
    let_leases_run_out()
    store.rescue()
    assert (store.get(job.id).crashes, store.get(job.id).checkpoint) == (1, saved(4))
    claim = claimed(store)
    store.checkpoint(claim, saved(6))
    let_leases_run_out()
    store.rescue()
    again = store.get(job.id)
    assert (again.crashes, again.checkpoint, again.step, again.progress) == (2, None, 0, 0.0)


ENDS: dict[str, Callable[[JobStore, Claim], Job]] = {
    "finish": lambda store, claim: store.finish(claim, made()),
    "fail": lambda store, claim: store.fail(claim, JobError("c", "m")),
    "cancelled": lambda store, claim: store.cancelled(claim),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_ended_job_names_no_checkpoint_and_tells_which_one_it_left(store: JobStore, end: str) -> None:
    store.add("ann", asked())
    claim = claimed(store)
    store.checkpoint(claim, saved(4))
    assert ENDS[end](store, claim).checkpoint == saved(4)
    assert store.get(claim.job.id).checkpoint is None


def test_cancelling_a_waiting_job_tells_which_checkpoint_it_left(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    store.checkpoint(claim, saved(4))
    store.release(claim)
    assert store.cancel(job.id).checkpoint == saved(4)
    assert store.get(job.id).checkpoint is None


def test_a_job_that_was_given_up_ends_as_cancelled_and_never_as_failed(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = claimed(store)
    store.cancel(job.id)
    assert store.fail(claim, JobError("generation_failed", "it broke while it stopped")).state is JobState.CANCELLED
    assert store.get(job.id).error is None


def test_histories_of_many_jobs_are_read_at_once_each_behind_its_number(store: JobStore) -> None:
    jobs = [store.add("ann", asked()) for _ in range(3)]
    claims = [claimed(store) for _ in jobs]
    store.finish(claims[0], made())
    read = store.events_since({jobs[0].id: 1, jobs[1].id: 2, jobs[2].id: 0})
    assert [(id, event.seq, event.type) for id, event in read] == [
        (jobs[0].id, 2, "running"),
        (jobs[0].id, 3, "succeeded"),
        (jobs[2].id, 1, "queued"),
        (jobs[2].id, 2, "running"),
    ]
    assert store.events_since({}) == ()
    assert len(store.events_since({job.id: 0 for job in jobs} | {f"no-job-{n}": 0 for n in range(1500)})) == 7


def test_a_list_can_be_of_some_states_or_of_one_model_as_asked_or_as_made(store: JobStore) -> None:
    hosted = store.add("ann", asked(model="hosted/id"))
    done = finished(store, model="hosted/id", made_by="big/model")
    plain, bobs = store.add("ann", asked()), store.add("bob", asked())

    def ids(**given: object) -> list[str]:
        return [job.id for job in store.list("ann", **given)]  # type: ignore[arg-type]

    assert ids(states=(JobState.QUEUED,)) == [plain.id, hosted.id]
    assert ids(states=(JobState.SUCCEEDED, JobState.FAILED)) == [done.id]
    assert ids(states=()) == []
    assert ids(model="hosted/id") == [done.id, hosted.id]
    assert ids(model="big/model") == [done.id]
    assert ids(model=MODEL) == [plain.id, hosted.id]
    assert ids(model=MODEL, states=(JobState.QUEUED,), after=plain.id) == [hosted.id]
    assert ids(model=MODEL, limit=1, newest=False) == [hosted.id]
    assert bobs.id not in ids()


def test_an_equal_request_finds_the_newest_file_of_its_owner(store: JobStore) -> None:
    finished(store, "first.mp4")
    newest = finished(store, "second.mp4", model="hosted/id", metadata={"order": 7}, notes=(Note("advice", "a", "b"),))
    found = store.made_before("ann", asked())
    assert found is not None
    assert (found.id, found.artifact) == (newest.id, made("second.mp4"))
    assert store.made_before("bob", asked()) is None
    for other in ({"seed": 8}, {"revision": "2"}, {"made_by": "b/c"}, {"prompt": "a blue ball"}, {"output_quality": 9}):
        assert store.made_before("ann", asked(**other)) is None
    store.delete(newest.id)
    assert store.made_before("ann", asked()) is not None


def test_a_request_whose_video_failed_or_still_waits_finds_nothing(store: JobStore) -> None:
    store.add("ann", asked())
    store.fail(claimed(store), JobError("c", "m"))
    store.add("ann", asked())
    assert store.made_before("ann", asked()) is None


def test_durations_are_of_videos_made_in_one_go(store: JobStore, say: Say) -> None:
    whole, _other = finished(store, seed=1), finished(store, made_by="b/c")
    job = store.add("ann", asked(seed=2))
    claim = claimed(store)
    store.checkpoint(claim, saved(5))
    store.release(claim)
    store.finish(claimed(store), made())
    again = store.add("ann", asked(seed=3))
    store.release(claimed(store))  # without a checkpoint, so the second attempt is a whole one
    say("UPDATE jobs SET started_at = started_at - 500")
    store.finish(claimed(store), made())

    runs = store.durations(MODEL)
    assert [run.request.seed for run in runs] == [again.request.seed, whole.request.seed]
    assert all(0 <= run.run_s < 60 for run in runs)
    assert len(store.durations(MODEL, limit=1)) == 1
    assert store.get(job.id).state is JobState.SUCCEEDED


def test_durations_say_when_the_last_step_was_taken(store: JobStore, say: Say) -> None:
    store.add("ann", asked())
    claim = claimed(store)
    for stage in ("denoising", "decoding", "decoding"):
        store.renew(claim, Progress(stage, 1, 10, 0.5))
    store.finish(claim, made())
    say("UPDATE jobs SET claimed_at = 1000, finished_at = 1040")
    say("UPDATE job_events SET at = 1000 + seq")  # queued, running, and the three
    finished(store, seed=1)
    nobody_told, told = store.durations(MODEL)
    assert (told.run_s, told.denoised_s) == (40.0, 4.0)
    assert nobody_told.denoised_s is None


def test_old_ended_jobs_are_removed_oldest_first_with_the_keys_of_their_files(store: JobStore, say: Say) -> None:
    old, older, fresh = finished(store, "old.mp4"), finished(store, "older.mp4"), finished(store, "fresh.mp4")
    waiting = store.add("ann", asked())
    say("UPDATE jobs SET finished_at = finished_at - 100 WHERE id = :id", id=old.id)
    say("UPDATE jobs SET finished_at = finished_at - 200, created_at = 1 WHERE id = :id", id=older.id)
    say("UPDATE jobs SET created_at = 1, queued_at = 1 WHERE id = :id", id=waiting.id)
    assert [(gone.id, gone.artifact) for gone in store.prune(50, limit=1)] == [(older.id, "older.mp4")]
    assert [gone.id for gone in store.prune(50)] == [old.id]
    assert store.prune(50) == ()
    assert {job.id for job in store.list("ann")} == {fresh.id, waiting.id}
    assert store.events(old.id) == ()
    with pytest.raises(JobNotFound):
        store.get(old.id)


def test_keys_that_a_row_needs_are_known_and_no_others(store: JobStore) -> None:
    finished(store, "done.mp4")
    ended = store.add("ann", asked(), inputs=["in/a", "in/b", "in/a"])
    claim = claimed(store)
    store.checkpoint(claim, Checkpoint("left", 1, "f", "0"))
    store.fail(claim, JobError("c", "m"))
    store.add("bob", asked(), inputs=["in/b"])
    live = claimed(store)
    store.checkpoint(live, Checkpoint("needed", 1, "f", "0"))
    keys = {"done.mp4", "orphan.mp4", "left", "needed", "in/a", "in/b", "in/c"}
    assert store.unknown_keys(keys) == {"orphan.mp4", "left", "in/c"}
    store.delete(ended.id)
    assert store.unknown_keys(keys) == {"orphan.mp4", "left", "in/c", "in/a"}
    assert store.unknown_keys(()) == frozenset()


def test_used_keys_and_counted_seconds_are_forgotten_after_two_days(store: JobStore, say: Say) -> None:
    store.add("ann", asked())
    say("INSERT INTO idempotency SELECT 'ann', 'k', id, 'h', created_at - 172700 FROM jobs")
    say("INSERT INTO idempotency SELECT 'bob', 'k', id, 'h', created_at - 172900 FROM jobs")
    say("INSERT INTO usage SELECT 'gone', 'ann', 1, created_at - 172900 FROM jobs")
    store.forget_old()
    with store._database._engine.connect() as connection:
        keys = connection.exec_driver_sql("SELECT owner FROM idempotency").scalars().all()
        used = connection.exec_driver_sql("SELECT count(*) FROM usage").scalar_one()
    assert (keys, used) == (["ann"], 1)
