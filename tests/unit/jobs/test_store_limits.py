"""Whether one more job is taken: limits, and requests that are the same one sent again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from job_cases import MODEL, asked, made

from rushes.contract.job import JobError, JobState
from rushes.errors import IdempotencyMismatch, JobNotFound, StorageUnavailable, TooManyRequests
from rushes.jobs.claims import Claim
from rushes.jobs.limits import Idempotency, QueueLimits
from rushes.jobs.store import JobStore

DAY_S = 86_400.0


def key(body: str = "b1", name: str = "k", window_s: float = DAY_S) -> Idempotency:
    return Idempotency(name, body, window_s)


def claimed(store: JobStore, worker: str = "w1") -> Claim:
    claim = store.claim(worker, [MODEL])
    assert claim is not None
    return claim


def test_the_same_key_and_body_is_the_first_job_in_whatever_state_it_is(store: JobStore) -> None:
    first = store.add("ann", asked(), idempotency=key())
    again = store.add("ann", asked(seed=99), idempotency=key())  # the seed was drawn anew; the body is what counts
    assert (again.id, again.request.seed, again.replayed) == (first.id, first.request.seed, True)
    assert not first.replayed
    store.finish(claimed(store), made())
    assert store.add("ann", asked(), idempotency=key()).state is JobState.SUCCEEDED
    assert len(store.list("ann")) == 1


def test_a_key_used_for_another_body_is_refused_and_makes_nothing(store: JobStore) -> None:
    store.add("ann", asked(), idempotency=key("b1"))
    with pytest.raises(IdempotencyMismatch, match="another body"):
        store.add("ann", asked(), idempotency=key("b2"))
    assert len(store.list("ann")) == 1


def test_another_owners_key_is_another_key(store: JobStore) -> None:
    first = store.add("ann", asked(), idempotency=key())
    assert store.add("bob", asked(), idempotency=key("b2")).id != first.id


def test_a_key_is_forgotten_after_its_window(store: JobStore, say: Callable[..., None]) -> None:
    first = store.add("ann", asked(), idempotency=key("b1"))
    say("UPDATE idempotency SET at = at - :age", age=DAY_S - 60)
    assert store.add("ann", asked(), idempotency=key("b1")).id == first.id
    say("UPDATE idempotency SET at = at - 61")
    fresh = store.add("ann", asked(), idempotency=key("b2"))
    assert fresh.id != first.id
    assert store.add("ann", asked(), idempotency=key("b2")).id == fresh.id  # and counts from then on


def test_a_first_request_is_found_by_the_repeat_that_says_so_and_by_no_other(store: JobStore) -> None:
    first = store.add("ann", asked(), idempotency=key(window_s=0))
    meant = store.add("ann", asked(), idempotency=key(window_s=0))  # the same body, sent on purpose
    assert meant.id != first.id
    assert store.add("ann", asked(), idempotency=key(window_s=60)).id == meant.id


def test_after_the_clock_was_set_back_a_first_request_is_still_one(store: JobStore, say: Callable[..., None]) -> None:
    first = store.add("ann", asked(), idempotency=key(window_s=0))
    say("UPDATE idempotency SET at = at + 86400")
    assert store.add("ann", asked(), idempotency=key(window_s=0)).id != first.id


def test_a_key_outlives_the_program(store: JobStore, url: str) -> None:
    first = store.add("ann", asked(), idempotency=key())
    store.close()
    restarted = JobStore(url)
    assert restarted.add("ann", asked(), idempotency=key()).id == first.id
    restarted.close()


def test_twins_that_arrive_at_once_get_one_job(store: JobStore, url: str) -> None:
    doors = [store, *(JobStore(url) for _ in range(3))]
    with ThreadPoolExecutor(12) as pool:
        ids = list(pool.map(lambda n: doors[n % 4].add("ann", asked(seed=n), idempotency=key()).id, range(24)))
    for door in doors[1:]:
        door.close()
    assert len(set(ids)) == 1
    assert [job.id for job in store.list("ann")] == [ids[0]]


def test_a_key_goes_with_its_deleted_job(store: JobStore) -> None:
    first = store.add("ann", asked(), idempotency=key())
    store.delete(first.id)
    assert store.add("ann", asked(), idempotency=key()).id != first.id


def test_a_refused_request_leaves_its_key_unused(store: JobStore) -> None:
    full = QueueLimits(max_queued=0)
    with pytest.raises(TooManyRequests):
        store.add("ann", asked(), idempotency=key("b1"), limits=full)
    assert store.add("ann", asked(), idempotency=key("b2")).state is JobState.QUEUED
    # A repeat takes no place, so a full queue does not refuse it.
    assert store.add("ann", asked(), idempotency=key("b2"), limits=full).replayed


def test_a_full_queue_refuses_with_the_number_and_when_to_come_back(store: JobStore) -> None:
    limits = QueueLimits(max_queued=2)
    first = store.add("ann", asked(), limits=limits)
    store.add("bob", asked(), limits=limits)
    with pytest.raises(TooManyRequests, match="videos waiting here: 2, allowed: 2") as refused:
        store.add("eve", asked(), limits=limits)
    assert (refused.value.status, refused.value.retryable) == (429, True)
    assert 1 <= refused.value.retry_after_s <= 60
    store.cancel(first.id)
    assert store.add("eve", asked(), limits=limits).state is JobState.QUEUED


def test_an_owners_own_limit_leaves_the_others_alone(store: JobStore) -> None:
    limits = QueueLimits(max_queued_per_owner=1)
    store.add("ann", asked(), limits=limits)
    with pytest.raises(TooManyRequests, match="videos of yours waiting: 1, allowed: 1"):
        store.add("ann", asked(), limits=limits)
    store.add("bob", asked(), limits=limits)
    claimed(store)  # what runs does not wait
    store.add("ann", asked(), limits=limits)


def test_a_limit_holds_for_many_who_ask_at_once(store: JobStore, url: str) -> None:
    doors = [store, *(JobStore(url) for _ in range(3))]

    def ask(n: int) -> bool:
        try:
            doors[n % 4].add(f"owner{n % 3}", asked(), limits=QueueLimits(max_queued=5))
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(ask, range(16)))
    for door in doors[1:]:
        door.close()
    assert taken.count(True) == 5


def test_seconds_of_a_day_are_counted_as_asked(store: JobStore, say: Callable[..., None]) -> None:
    limits = QueueLimits(max_seconds_per_day_per_owner=10.0)
    store.add("ann", asked(seconds=6.0), limits=limits)
    with pytest.raises(TooManyRequests, match=r"6 s of video in the last 24 hours; with 5 s more .* the 10 s") as over:
        store.add("ann", asked(seconds=5.0), limits=limits)
    assert over.value.retry_after_s == 60
    store.add("ann", asked(seconds=4.0), limits=limits)
    store.add("bob", asked(seconds=10.0), limits=limits)
    say("UPDATE usage SET at = at - :age WHERE owner = 'ann'", age=DAY_S - 20)
    with pytest.raises(TooManyRequests) as soon:
        store.add("ann", asked(seconds=1.0), limits=limits)
    assert 10 <= soon.value.retry_after_s <= 20
    say("UPDATE usage SET at = at - :age", age=DAY_S)
    store.add("ann", asked(seconds=10.0), limits=limits)


def test_seconds_are_given_back_where_nothing_was_made_and_only_there(store: JobStore) -> None:
    limits = QueueLimits(max_seconds_per_day_per_owner=1.0)

    def refused() -> bool:
        try:
            store.delete(store.add("ann", asked(seconds=1.0), limits=limits).id)
        except TooManyRequests:
            return True
        return False

    assert not refused()  # and deleting it while it waited gave the second back
    store.cancel(store.add("ann", asked(seconds=1.0), limits=limits).id)
    assert not refused()
    store.add("ann", asked(seconds=1.0), limits=limits)
    store.fail(claimed(store), JobError("generation_failed", "it went wrong"))
    assert not refused()

    job = store.add("ann", asked(seconds=1.0), limits=limits)
    claim = claimed(store)
    store.cancel(job.id)
    store.cancelled(claim)
    assert refused()  # a worker was busy with it
    store.delete(job.id)
    assert refused()


class FullDisk:
    def require_room(self) -> None:
        raise StorageUnavailable("the disk is nearly full")

    def release_reserve(self) -> bool:
        return False


def test_a_disk_without_room_takes_no_job_and_all_else_goes_on(store: JobStore, url: str) -> None:
    job = store.add("ann", asked(), idempotency=key())
    full = JobStore(url, disk=FullDisk())
    with pytest.raises(StorageUnavailable):
        full.add("ann", asked())
    assert full.add("ann", asked(), idempotency=key()).id == job.id
    assert full.get(job.id).state is JobState.QUEUED
    full.cancel(job.id)
    full.delete(job.id)
    with pytest.raises(JobNotFound):
        full.get(job.id)
    full.close()
