"""A worker whose work hangs, while its heart could beat on for ever."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from job_cases import MODEL, asked, eventually
from worker_cases import HeartsClock, beats_of

from rushes.contract.events import Progress
from rushes.contract.job import JobState
from rushes.jobs import stall
from rushes.jobs.heart import Heart
from rushes.jobs.host import Host
from rushes.jobs.stall import Movement, StallLimits
from rushes.jobs.store import JobStore

PROGRAM = Path(__file__).with_name("worker_program.py")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(stall, "time", clock)
    return clock


def steps(clock: Clock, movement: Movement, took_s: float, count: int) -> None:
    for step in range(count + 1):
        movement.moved(Progress("denoising", step, count))
        clock.now += took_s if step < count else 0.0


@pytest.mark.parametrize(
    ("stage", "limit_s"),
    [("loading", 600), ("encoding", 120), ("decoding", 300), ("storing", 300), ("a stage of later days", 300)],
)
def test_each_stage_has_a_limit(clock: Clock, stage: str, limit_s: float) -> None:
    movement = Movement(StallLimits())
    movement.moved(Progress(stage))
    clock.now += limit_s
    assert movement.stalled() is None
    clock.now += 1
    assert movement.stalled() == f"nothing heard for {limit_s + 1} s of {stage} (step 0), allowed are {limit_s} s"


def test_a_job_of_which_nothing_was_heard_yet_is_loading(clock: Clock) -> None:
    movement = Movement(StallLimits(loading_s=5))
    clock.now += 6
    assert "of loading" in (movement.stalled() or "")


def test_any_word_begins_the_count_again(clock: Clock) -> None:
    movement = Movement(StallLimits(decoding_s=10))
    for _ in range(20):
        movement.moved(Progress("decoding", 7, 100))
        clock.now += 9
    assert movement.stalled() is None


def test_quick_steps_may_take_a_minute(clock: Clock) -> None:
    movement = Movement(StallLimits())
    steps(clock, movement, 0.5, 10)
    clock.now += 60
    assert movement.stalled() is None
    clock.now += 1
    assert movement.stalled() is not None


def test_slow_steps_may_take_ten_times_as_long_as_they_did(clock: Clock) -> None:
    movement = Movement(StallLimits())
    steps(clock, movement, 30.0, 10)
    clock.now += 300
    assert movement.stalled() is None
    clock.now += 1
    assert movement.stalled() is not None


def test_one_slow_step_does_not_count_for_the_others(clock: Clock) -> None:
    movement = Movement(StallLimits())
    steps(clock, movement, 500.0, 1)  # kernels were compiled
    for step in range(2, 8):
        clock.now += 1.0
        movement.moved(Progress("denoising", step, 10))
    clock.now += 61
    assert movement.stalled() is not None


def test_a_first_step_may_take_as_long_as_loading(clock: Clock) -> None:
    movement = Movement(StallLimits(loading_s=600, step_s=60))
    movement.moved(Progress("denoising", 0, 10))
    clock.now += 600
    assert movement.stalled() is None
    clock.now += 1
    assert movement.stalled() is not None


def test_a_heart_does_not_beat_for_work_that_hangs(store: JobStore, caplog: pytest.LogCaptureFixture) -> None:
    job = store.add("ann", asked())
    claim = store.claim("w1", [MODEL], lease_s=1.0)
    assert claim is not None
    given_up: list[bool] = []
    with (
        caplog.at_level(logging.ERROR),
        Heart(store, claim, StallLimits(loading_s=0.1), give_up=lambda: given_up.append(True)) as heart,
    ):
        eventually(lambda: given_up)
        eventually(lambda: heart.lost)
        eventually(lambda: store.rescue())
    assert f"job {job.id}: nothing heard for" in caplog.text
    assert store.get(job.id).state is JobState.QUEUED


def test_a_heart_that_has_lost_its_claim_still_sees_its_work_hang(store: JobStore, clock: Clock) -> None:
    job = store.add("ann", asked())
    claim = store.claim("w1", [MODEL], lease_s=0.6)
    assert claim is not None
    store.delete(job.id)
    given_up: list[bool] = []
    with Heart(store, claim, StallLimits(loading_s=0.5), give_up=lambda: given_up.append(True)) as heart:
        eventually(lambda: heart._told_lost)
        assert given_up == []
        clock.now += 1.0
        eventually(lambda: given_up)


def test_a_heart_beats_on_for_work_that_moves(
    store: JobStore, clock: Clock, hearts_clock: HeartsClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("ann", asked())
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    beats = beats_of(store, monkeypatch)
    given_up: list[bool] = []
    with Heart(store, claim, StallLimits(step_s=60.0), give_up=lambda: given_up.append(True)) as heart:
        for step in range(10):
            heart.moved(Progress("denoising", step, 10))
            clock.now += 50.0
            hearts_clock.now += 20.0
            before = len(beats)
            eventually(lambda before=before: len(beats) >= before + 2 or given_up)
        assert not heart.lost
    assert given_up == []


def test_a_worker_that_hangs_ends_with_70(store: JobStore, url: str) -> None:
    job = store.add("ann", asked(prompt="hang"))
    argv = [sys.executable, str(PROGRAM), url, "6", "10", "0.05"]
    child = subprocess.run(argv, env=os.environ | {"STALL_S": "3"}, timeout=600, capture_output=True, text=True)
    assert child.returncode == 70, child.stderr
    assert re.search(r"of denoising \(step 2\), allowed are [\d.]+ s; this worker ends", child.stderr)
    assert store.get(job.id).state is JobState.RUNNING, "whoever started it takes the job back"


def test_a_hung_workers_job_goes_on_in_the_next_at_once(store: JobStore, url: str) -> None:
    job = store.add("ann", asked(prompt="hang"))
    argv = [sys.executable, str(PROGRAM), url, "6", "10", "0.05"]
    host = Host(store, argv, environment=os.environ | {"STALL_S": "3"}, grace_s=5.0, tick_s=60.0)
    host.start()
    try:
        done = eventually(lambda: store.get(job.id).artifact and store.get(job.id))
    finally:
        host.stop()
    assert (done.attempt, done.crashes) == (2, 1)
    told = [event for event in store.events(job.id) if event.type == "progress" and event.attempt == 2]
    assert told[0].data["step"] == 2, "it went on from the step at which the first one hung"
