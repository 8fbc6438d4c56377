"""One worker: what becomes of a job it has claimed."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from job_cases import MODEL, asked, eventually, made
from sqlalchemy import create_engine, text
from worker_cases import HeartsClock, beats_of, state_of, working

from rushes.contract.artifact import Artifact
from rushes.contract.events import Cancelled, Keep, Observer, Progress
from rushes.contract.job import Job, JobError, JobState
from rushes.errors import GenerationFailed, InvalidValue, JobNotFound
from rushes.jobs import worker
from rushes.jobs.claims import Lost
from rushes.jobs.heart import Heart
from rushes.jobs.store import JobStore
from rushes.jobs.worker import Perform

BARRED = {
    "sqlite": ["PRAGMA busy_timeout = 10000", "BEGIN IMMEDIATE"],
    "postgresql": ["BEGIN", "LOCK TABLE jobs IN EXCLUSIVE MODE"],
}
"""What keeps every writer out, until it is rolled back."""

PROGRAM = Path(__file__).with_name("worker_program.py")


def outcome(store: JobStore, perform: Perform) -> Job:
    job = store.add("ann", asked())
    with working(store, perform):
        return eventually(state_of(store, job, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED))


def slowly(steps: int, step_s: float, seen: list[int] | None = None) -> Perform:
    pause = threading.Event()

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        for step in range(steps):
            observe(Progress("denoising", step, steps, step / steps))
            if seen is not None:
                seen.append(step)
            pause.wait(step_s)
        return made(f"{job.id}.{job.attempt}.mp4")

    return perform


def test_a_waiting_job_is_performed_and_published(store: JobStore) -> None:
    done = outcome(store, slowly(3, 0.0))
    assert (done.state, done.artifact, done.attempt) == (JobState.SUCCEEDED, made(f"{done.id}.1.mp4"), 1)


def test_jobs_are_performed_one_after_the_other_in_order(store: JobStore) -> None:
    jobs = [store.add("ann", asked(seed=seed)) for seed in range(5)]
    order: list[str] = []

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        order.append(job.id)
        return made(job.id)

    with working(store, perform):
        eventually(state_of(store, jobs[-1], JobState.SUCCEEDED))
    assert order == [job.id for job in jobs]


def test_an_error_of_ours_fails_the_job_with_its_code_and_words(store: JobStore) -> None:
    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        raise InvalidValue(field="width", given=3, allowed="even numbers")

    failed = outcome(store, perform)
    assert failed.state is JobState.FAILED
    assert failed.error == JobError("invalid_value", "width: this value is not allowed; given 3; allowed: even numbers")


def test_any_other_error_fails_the_job_without_its_words_and_is_logged_whole(
    store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        raise ZeroDivisionError("secret detail of a library")

    with caplog.at_level(logging.ERROR):
        failed = outcome(store, perform)
    assert failed.error == JobError("generation_failed", GenerationFailed.summary)
    assert "secret detail of a library" in caplog.text
    assert "Traceback" in caplog.text


def test_a_worker_goes_on_after_a_failure(store: JobStore) -> None:
    first, second = store.add("ann", asked(prompt="bad")), store.add("ann", asked())

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        if job.request.prompt == "bad":
            raise RuntimeError
        return made(job.id)

    with working(store, perform):
        eventually(state_of(store, second, JobState.SUCCEEDED))
    assert store.get(first.id).state is JobState.FAILED


def test_a_running_job_is_cancelled_before_its_next_steps(store: JobStore) -> None:
    seen: list[int] = []
    job = store.add("ann", asked())
    with working(store, slowly(1000, 0.1, seen)):
        eventually(lambda: len(seen) > 2)
        store.cancel(job.id)
        at = len(seen)
        eventually(state_of(store, job, JobState.CANCELLED))
        # Half a second between two looks at the row, and a step of a tenth.
        assert len(seen) <= at + 8


@pytest.mark.parametrize("fault", [None, OSError(errno.EIO, "Input/output error")])
def test_a_deleted_jobs_file_is_discarded_and_the_next_is_made(store: JobStore, fault: OSError | None) -> None:
    job, another = store.add("ann", asked()), store.add("ann", asked())
    reached, go_on = threading.Event(), threading.Event()

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        reached.set()
        go_on.wait(60)
        return made(job.id)

    with working(store, perform, fault=fault) as discarded:
        assert reached.wait(60)
        store.delete(job.id)
        go_on.set()
        eventually(state_of(store, another, JobState.SUCCEEDED))
    assert discarded == [made(job.id)]
    with pytest.raises(JobNotFound):
        store.get(job.id)


def test_a_worker_told_to_stop_gives_its_job_back(store: JobStore) -> None:
    seen: list[int] = []
    job = store.add("ann", asked())
    with working(store, slowly(1000, 0.05, seen)):
        eventually(lambda: seen)
    now = store.get(job.id)
    assert (now.state, now.attempt, now.error) == (JobState.QUEUED, 1, None)
    assert store.events(job.id)[-1].type == "released"


def test_progress_is_written_at_most_twice_a_second_but_each_stage_at_once(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = store.add("ann", asked())
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(worker, "time", clock)

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        for stage in ("encoding", "denoising", "decoding", "storing"):
            for step in range(200):
                observe(Progress(stage, step, 200, 0.5))
                clock.now += 1 / 128
        return made(job.id)

    with working(store, perform):
        eventually(state_of(store, job, JobState.SUCCEEDED))
    written = [(event.data["stage"], event.data["step"]) for event in store.events(job.id) if event.type == "progress"]
    stages = ("encoding", "denoising", "decoding", "storing")
    assert written == [(stage, step) for stage in stages for step in (0, 64, 128, 192)]


def test_a_long_step_keeps_its_claim_by_the_heart_alone(
    store: JobStore, say: Callable[..., None], hearts_clock: HeartsClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step of more than three leases, on the heart's clock and on the database's."""
    job = store.add("ann", asked())
    beats = beats_of(store, monkeypatch)

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        for _ in range(5):
            hearts_clock.now += 20.0
            say("UPDATE jobs SET lease_until = lease_until - 20")
            before = len(beats)
            eventually(lambda before=before: len(beats) >= before + 2)  # the first may have begun earlier
        assert store.rescue() == (), "anybody else finds its lease not over"
        observe(Progress("storing"))
        return made(job.id)

    with working(store, perform, lease_s=30.0):
        done = eventually(state_of(store, job, JobState.SUCCEEDED, JobState.FAILED))
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 1)
    assert set(hearts_clock.asked_s) == {10.0}, "it may miss a beat, and another, and not know itself lost"


def test_a_heart_that_cannot_beat_lets_the_claim_go_before_the_lease_is_over(store: JobStore) -> None:
    store.add("ann", asked())
    claim = store.claim("w1", [MODEL], lease_s=1.0)
    assert claim is not None
    with Heart(store, claim) as heart:
        assert not heart.lost
        store.delete(claim.job.id)
        eventually(lambda: heart.lost)


def test_a_lost_claim_ends_the_work_at_its_next_step(store: JobStore) -> None:
    job = store.add("ann", asked())
    ended_by: list[BaseException] = []
    pause = threading.Event()

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        try:
            for step in range(100):
                observe(Progress("denoising", step, 100))
                if step == 3 and job.attempt == 1:
                    store.rescue(worker="w1")
                pause.wait(0.02)
        except BaseException as error:
            ended_by.append(error)
            raise
        return made(f"{job.attempt}.mp4")

    with working(store, perform):
        done = eventually(state_of(store, job, JobState.SUCCEEDED))
    assert [type(error) for error in ended_by] == [Lost]
    assert (done.attempt, done.artifact) == (2, made("2.mp4"))


def test_an_engine_may_end_a_job_as_cancelled_by_itself(store: JobStore) -> None:
    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        raise Cancelled

    assert outcome(store, perform).state is JobState.CANCELLED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_program_asked_to_end_releases_its_job_and_exits_0(
    store: JobStore, url: str, number: signal.Signals
) -> None:
    job = store.add("ann", asked())
    child = subprocess.Popen([sys.executable, str(PROGRAM), url, "30", "1000", "0.05"])
    eventually(lambda: store.get(job.id).step > 0)
    child.send_signal(number)
    assert child.wait(60) == 0
    assert store.get(job.id).state is JobState.QUEUED


def test_a_worker_program_ends_when_its_parent_is_gone(store: JobStore, url: str) -> None:
    job = store.add("ann", asked())
    environment = {**os.environ, "RUSHES_WITH_PARENT": "1"}
    argv = [sys.executable, str(PROGRAM), url, "30", "1000", "0.05"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment)
    eventually(lambda: store.get(job.id).step > 0)
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) == 0
    assert store.get(job.id).state is JobState.QUEUED


def test_an_orphan_that_comes_to_no_step_is_ended_by_force(store: JobStore, url: str) -> None:
    job = store.add("ann", asked())
    environment = {**os.environ, "RUSHES_WITH_PARENT": "1"}
    environment["GRACE_S"] = "2"
    argv = [sys.executable, str(PROGRAM), url, "30", "2", "600"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment)
    eventually(lambda: store.get(job.id).stage == "denoising")
    assert child.stdin is not None
    child.stdin.close()
    assert child.wait(60) == 70
    assert store.get(job.id).state is JobState.RUNNING  # until its lease is over


def test_a_worker_cut_off_from_the_database_stops_before_its_lease_is_over_and_comes_back(
    url: str,
    hearts_clock: HeartsClock,
    let_leases_run_out: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "RESCUE_EVERY_S", 0.2)
    store = JobStore(url, patience_s=0.3)
    job = store.add("ann", asked())
    steps: list[int] = []
    ended: list[type[BaseException]] = []
    pause = threading.Event()

    def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
        try:
            for step in range(10_000 if job.attempt == 1 else 2):
                observe(Progress("denoising", step, 10_000))
                steps.append(step)
                pause.wait(0.05)
        except BaseException as error:
            ended.append(type(error))
            raise
        return made(f"{job.attempt}.mp4")

    with working(store, perform, lease_s=30.0):
        eventually(lambda: steps)
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        with engine.connect() as other:
            for statement in BARRED[engine.dialect.name]:
                other.execute(text(statement))
            hearts_clock.now += 26.0
            at = len(steps)
            eventually(lambda: len(steps) > at + 2)
            assert ended == [], "no beat gets through, and one still may"
            hearts_clock.now += 3.0
            eventually(lambda: ended)
            other.execute(text("ROLLBACK"))
        engine.dispose()
        eventually(lambda: not any(thread.name.startswith("heart-") for thread in threading.enumerate()))
        let_leases_run_out()
        done = eventually(state_of(store, job, JobState.SUCCEEDED))
    store.close()
    assert ended == [Lost]
    assert (done.attempt, done.artifact) == (2, made("2.mp4"))
