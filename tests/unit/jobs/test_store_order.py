"""Who is served next: priority, loaded models, owners in turn, first come first served; and who has to make way."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from job_cases import MODEL, asked, made

from rushes.contract.events import Progress
from rushes.contract.job import JobState
from rushes.jobs.claims import Claim
from rushes.jobs.limits import QueueLimits
from rushes.jobs.store import JobStore

OTHER = "other/model"


def take(store: JobStore, *loaded: str, models: tuple[str, ...] = (MODEL, OTHER)) -> Claim:
    claim = store.claim("w1", models, loaded=loaded)
    assert claim is not None
    return claim


def served(store: JobStore, count: int) -> list[str]:
    """Who is served when one worker makes one video after the other."""
    owners = []
    for _ in range(count):
        claim = take(store)
        owners.append(claim.job.owner)
        store.finish(claim, made())
    return owners


def test_of_equal_jobs_the_owner_with_the_fewest_running_is_served(store: JobStore) -> None:
    for owner in ("ann", "ann", "ann", "bob", "eve"):
        store.add(owner, asked())
    assert [take(store).job.owner for _ in range(5)] == ["ann", "bob", "eve", "ann", "ann"]


def test_one_worker_serves_owners_in_turn_however_much_each_of_them_has_waiting(store: JobStore) -> None:
    for owner in ("ann", "ann", "ann", "ann", "bob", "bob"):
        store.add(owner, asked())
    assert served(store, 6) == ["ann", "bob", "ann", "bob", "ann", "ann"]


def test_priority_goes_before_fairness(store: JobStore) -> None:
    store.add("bob", asked())
    for _ in range(2):
        store.add("ann", asked(), priority=-5)
    assert [take(store).job.owner for _ in range(3)] == ["ann", "ann", "bob"]


def test_inside_of_one_owner_it_is_priority_and_then_time(store: JobStore) -> None:
    first, second = store.add("ann", asked()), store.add("ann", asked())
    late, urgent = store.add("ann", asked(), priority=1), store.add("ann", asked(), priority=-1)
    assert [take(store).job.id for _ in range(4)] == [urgent.id, first.id, second.id, late.id]


def test_a_loaded_model_goes_first_while_the_others_have_not_waited_long(
    store: JobStore, say: Callable[..., None]
) -> None:
    other = store.add("ann", asked(model=OTHER, made_by=OTHER))
    loaded = [store.add("ann", asked()) for _ in range(2)]
    assert take(store, MODEL).job.id == loaded[0].id
    say("UPDATE jobs SET queued_at = queued_at - 6 WHERE id = :id", id=other.id)
    assert take(store, MODEL).job.id == other.id
    assert take(store, MODEL).job.id == loaded[1].id


def test_a_loaded_model_does_not_go_before_priority(store: JobStore) -> None:
    store.add("ann", asked())
    urgent = store.add("ann", asked(model=OTHER, made_by=OTHER), priority=-1)
    assert take(store, MODEL).job.id == urgent.id


def test_an_owner_at_the_limit_waits_and_the_next_is_served(url: str) -> None:
    store = JobStore(url, limits=QueueLimits(max_running_per_owner=1))
    first, second = store.add("ann", asked()), store.add("ann", asked(), priority=-9)
    theirs = store.add("bob", asked(), priority=5)
    running = take(store)
    assert running.job.id == second.id
    assert take(store).job.id == theirs.id
    assert store.claim("w1", [MODEL]) is None
    store.finish(running, made())
    assert take(store).job.id == first.id
    store.close()


def test_the_limit_on_running_holds_for_many_who_claim_at_once(url: str) -> None:
    limits = QueueLimits(max_running_per_owner=2)
    stores = [JobStore(url, limits=limits) for _ in range(4)]
    for _ in range(10):
        stores[0].add("ann", asked())
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda n: stores[n % 4].claim(f"w{n}", [MODEL]), range(12)))
    for store in stores:
        store.close()
    assert sum(claim is not None for claim in claims) == 2


def test_a_running_job_is_told_of_one_that_goes_before_it(store: JobStore) -> None:
    store.add("ann", asked())
    claim = take(store)
    store.add("bob", asked())
    store.add("bob", asked(model=OTHER, made_by=OTHER), priority=-1)  # another model may have another worker
    assert not store.renew(claim).preempt
    urgent = store.add("bob", asked(), priority=-1)
    assert store.renew(claim).preempt
    assert store.renew(claim, Progress("denoising", 1, 10, 0.1)).preempt
    store.pause(urgent.id)
    assert not store.renew(claim).preempt
    store.resume(urgent.id)
    store.release(claim)
    assert take(store, models=(MODEL,)).job.id == urgent.id


def test_nobody_makes_way_for_an_owner_who_may_not_have_another_running(url: str) -> None:
    store = JobStore(url, limits=QueueLimits(max_running_per_owner=1))
    for owner in ("ann", "bob"):
        store.add(owner, asked())
    anns, bobs = take(store), take(store)
    store.add("bob", asked(), priority=-1)
    assert not store.renew(anns).preempt  # or it would be taken again at once, and so on for ever
    assert store.renew(bobs).preempt  # it is their own that makes way
    store.close()


def test_a_paused_job_waits_until_it_is_resumed_and_keeps_its_place(store: JobStore) -> None:
    first, second = store.add("ann", asked()), store.add("ann", asked())
    paused = store.pause(first.id, "ann")
    assert (paused.state, paused.held, paused.waiting_ahead) == (JobState.QUEUED, True, None)
    assert store.get(second.id).waiting_ahead == 0
    assert take(store).job.id == second.id
    assert store.claim("w1", [MODEL]) is None
    assert not store.resume(first.id).held
    assert take(store).job.id == first.id
    assert [e.type for e in store.events(first.id)] == ["queued", "paused", "resumed", "running"]


def test_pausing_a_running_job_gives_it_back_and_holds_it(store: JobStore) -> None:
    job = store.add("ann", asked())
    claim = take(store)
    assert store.pause(job.id).state is JobState.RUNNING
    assert store.pause(job.id).held  # said twice, written once
    assert store.renew(claim).preempt
    assert store.release(claim).held
    assert store.claim("w2", [MODEL]) is None
    store.resume(job.id)
    assert take(store).job.attempt == 2
    assert [e.type for e in store.events(job.id)] == [
        "queued",
        "running",
        "pause_requested",
        "released",
        "resumed",
        "running",
    ]


def test_a_paused_job_can_be_cancelled_and_a_finished_one_not_paused(store: JobStore) -> None:
    job = store.add("ann", asked())
    store.pause(job.id)
    ended = store.cancel(job.id)
    assert (ended.state, ended.held) == (JobState.CANCELLED, False)
    assert not store.pause(job.id).held
    assert store.resume(job.id).state is JobState.CANCELLED
