"""A job that is given back half made, and what another attempt at it goes on from."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from job_cases import MODEL, asked, eventually, made
from worker_cases import Counting, state_of, working

from rushes.contract.artifact import Artifact
from rushes.contract.events import Keep, Observer, Progress
from rushes.contract.job import Checkpoint, Job, JobError, JobState
from rushes.errors import GenerationFailed, Unavailable
from rushes.jobs import worker
from rushes.jobs.claims import Claim, Lost
from rushes.jobs.kept import Kept
from rushes.jobs.store import JobStore


def types(store: JobStore, job: Job) -> list[str]:
    return [event.type for event in store.events(job.id) if event.type != "progress"]


def test_a_job_gives_way_to_one_that_goes_first_and_goes_on_after_it(store: JobStore) -> None:
    model = Counting(steps=25, waits_at=4)
    patient = store.add("ann", asked())
    with working(store, model.perform, forget=model.objects.discard):
        eventually(lambda: len(model.taken) > 3)
        urgent = store.add("ben", asked(), priority=-1)
        model.go_on.set()
        done = eventually(state_of(store, patient, JobState.SUCCEEDED))
    assert types(store, patient) == ["queued", "running", "released", "running", "succeeded"]
    assert model.taken.index((urgent.id, 1, 24)) < model.taken.index((patient.id, 2, 24))
    first, second = model.steps_of(patient, 1), model.steps_of(patient, 2)
    assert first + second == list(range(25)), "no step is taken twice"
    assert (done.attempt, done.crashes) == (2, 0)
    assert model.objects == set()


@pytest.mark.parametrize("priority", [0, 1])
def test_a_job_does_not_give_way_to_its_equals(store: JobStore, priority: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PROGRESS_EVERY_S", 0.0)  # it asks at each step whether it is to
    model = Counting(waits_at=2)
    first = store.add("ann", asked())
    with working(store, model.perform):
        eventually(lambda: model.taken)
        second = store.add("ben", asked(), priority=priority)
        model.go_on.set()
        eventually(state_of(store, second, JobState.SUCCEEDED))
    assert types(store, first) == ["queued", "running", "succeeded"]


@pytest.mark.parametrize("stage", ["decoding", "storing"])
def test_a_job_whose_steps_are_done_is_finished_rather(
    store: JobStore, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "PROGRESS_EVERY_S", 0.0)  # it asks at each word whether it is to give way

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        if job.priority < 0:
            return Counting(1).perform(job, observe, keep)
        observe(Progress(stage))
        nonlocal urgent
        urgent = store.add("ben", asked(), priority=-1)
        beat = Counting().pause
        for _ in range(20):
            observe(Progress(stage))
            beat.wait(0.05)
        return made(job.id)

    urgent: Job | None = None
    first = store.add("ann", asked())
    with working(store, perform):
        eventually(state_of(store, first, JobState.SUCCEEDED))
        assert urgent is not None
        eventually(state_of(store, urgent, JobState.SUCCEEDED))
    assert types(store, first) == ["queued", "running", "succeeded"]


def test_a_paused_job_stops_at_its_next_step_and_goes_on_when_it_is_resumed(store: JobStore) -> None:
    model = Counting(steps=30, waits_at=4)
    paused, other = store.add("ann", asked()), store.add("ann", asked())
    with working(store, model.perform, forget=model.objects.discard):
        eventually(lambda: len(model.taken) > 3)
        store.pause(paused.id)
        model.go_on.set()
        waits = eventually(state_of(store, paused, JobState.QUEUED))
        assert (waits.held, waits.step) == (True, len(model.steps_of(paused, 1)))
        assert waits.progress == pytest.approx(waits.step / 30), "it stands where it stopped"
        eventually(state_of(store, other, JobState.SUCCEEDED))
        assert store.get(paused.id).state is JobState.QUEUED
        eventually(lambda: len(model.objects) == 1)  # the other's goes a moment after its end
        store.resume(paused.id)
        eventually(state_of(store, paused, JobState.SUCCEEDED))
    assert model.steps_of(paused, 1) + model.steps_of(paused, 2) == list(range(30))
    assert model.objects == set()


def test_a_worker_of_another_name_goes_on_where_one_that_stops_was(store: JobStore) -> None:
    model = Counting(steps=20, waits_at=6)
    job = store.add("ann", asked())
    with working(store, model.perform, name="here", forget=model.objects.discard, stop=model.go_on):
        eventually(lambda: len(model.taken) > 5)
    assert store.get(job.id).state is JobState.QUEUED
    with working(store, model.perform, name="there", forget=model.objects.discard):
        eventually(state_of(store, job, JobState.SUCCEEDED))
    assert model.steps_of(job, 1) + model.steps_of(job, 2) == list(range(20))
    assert [event.data["worker"] for event in store.events(job.id) if event.type == "running"] == ["here", "there"]


def test_the_bar_never_falls_back_when_a_job_goes_on(store: JobStore) -> None:
    model = Counting(steps=30, step_s=0.2)
    job = store.add("ann", asked())
    with working(store, model.perform):
        eventually(lambda: store.get(job.id).step >= 3)
        store.rescue(worker="w1")  # as if it had died: what it told last is ahead of what it left
        model.step_s = 0.0
        eventually(state_of(store, job, JobState.SUCCEEDED))
    told = [event.data for event in store.events(job.id) if event.type == "progress"]
    assert [data["progress"] for data in told] == sorted(data["progress"] for data in told)
    assert store.get(job.id).attempt == 2


def test_no_checkpoint_stays_behind_a_job_that_fails(store: JobStore) -> None:
    model = Counting(steps=5, step_s=0.0)

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        model.perform(job, observe, keep)
        raise GenerationFailed

    job = store.add("ann", asked())
    with working(store, perform, forget=model.objects.discard):
        failed = eventually(state_of(store, job, JobState.FAILED))
        eventually(lambda: not model.objects)
    assert failed.checkpoint is None


def claimed(store: JobStore, worker: str = "w1") -> Claim:
    claim = store.claim(worker, [MODEL])
    assert claim is not None
    return claim


def checkpoint(key: str, step: int = 3) -> Checkpoint:
    return Checkpoint(key, step, "f", "00")


@pytest.fixture
def gone() -> list[str]:
    return []


def test_only_the_newest_checkpoint_stays(store: JobStore, gone: list[str]) -> None:
    job = store.add("ann", asked())
    kept = Kept(store, claimed(store), gone.append)
    for key in ("a", "b", "c"):
        kept.keep(checkpoint(key))
    assert gone == ["a", "b"]
    assert store.get(job.id).checkpoint == checkpoint("c")


def test_an_attempt_also_removes_what_it_went_on_from(store: JobStore, gone: list[str]) -> None:
    store.add("ann", asked())
    first = claimed(store)
    Kept(store, first, gone.append).keep(checkpoint("a"))
    store.release(first)
    kept = Kept(store, claimed(store, "w2"), gone.append)
    kept.keep(checkpoint("b"))
    assert gone == ["a"]


def fail(store: JobStore, claim: Claim) -> None:
    store.fail(claim, JobError("x", "y"))


@pytest.mark.parametrize("end", [fail, JobStore.cancelled, lambda store, claim: store.delete(claim.job.id)])
def test_an_ended_job_leaves_none(store: JobStore, gone: list[str], end: Callable[[JobStore, Claim], object]) -> None:
    store.add("ann", asked())
    claim = claimed(store)
    kept = Kept(store, claim, gone.append)
    kept.keep(checkpoint("a"))
    end(store, claim)
    kept.tidy()
    assert gone == ["a"]


def test_a_released_job_keeps_its_own(store: JobStore, gone: list[str]) -> None:
    store.add("ann", asked())
    claim = claimed(store)
    kept = Kept(store, claim, gone.append)
    kept.keep(checkpoint("a"))
    store.release(claim)
    kept.tidy()
    assert gone == []


def test_an_attempt_that_lost_its_claim_removes_its_own_and_not_its_successors(
    store: JobStore, gone: list[str]
) -> None:
    job = store.add("ann", asked())
    old = Kept(store, claimed(store), gone.append)
    old.keep(checkpoint("old"))
    store.rescue(worker="w1")
    new = Kept(store, claimed(store, "w2"), gone.append)
    with pytest.raises(Lost):
        old.keep(checkpoint("late"))
    old.tidy()
    assert gone == ["late"], "the successor may be reading the other"
    new.keep(checkpoint("new"))
    old.tidy()
    assert set(gone) == {"late", "old"}
    assert store.get(job.id).checkpoint == checkpoint("new")


def test_what_may_or_may_not_be_named_stays_until_it_is_known(
    store: JobStore, gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = store.add("ann", asked())
    kept = Kept(store, claimed(store), gone.append)
    kept.keep(checkpoint("a"))

    def answer_lost(claim: Claim, checkpoint: Checkpoint) -> None:
        JobStore.checkpoint(store, claim, checkpoint)
        raise Unavailable("the connection broke")

    with monkeypatch.context() as broken:
        broken.setattr(store, "checkpoint", answer_lost)
        with pytest.raises(Unavailable):
            kept.keep(checkpoint("b"))
    assert gone == []
    kept.tidy()
    assert gone == ["a"]
    assert store.get(job.id).checkpoint == checkpoint("b")


def test_an_object_that_cannot_be_removed_does_not_end_the_job(store: JobStore) -> None:
    def stuck(key: str) -> None:
        raise PermissionError(13, "not allowed")

    store.add("ann", asked())
    kept = Kept(store, claimed(store), stuck)
    kept.keep(checkpoint("a"))
    kept.keep(checkpoint("b"))
    kept.tidy()
