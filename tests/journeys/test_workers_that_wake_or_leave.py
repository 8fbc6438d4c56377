"""Workers that are stopped and wake when another has their job, that are told to leave, and that find damage."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from attended import STEPS, Attended
from test_restart import eventually

from rushes.contract.job import JobState


@pytest.mark.parametrize(
    ("place", "other"),
    [
        ("step:4", "is at it"),
        ("checkpoint stored:4", "is at it"),
        ("checkpoint stored:4", "is done"),
        ("put half:7", "is at it"),
        ("stored:1", "is done"),
        ("before commit:1", "is at it"),
        ("before commit:1", "is done"),
    ],
)
def test_a_worker_that_wakes_past_its_lease_changes_nothing_and_clears_up_behind_itself(
    attended: Attended, undisturbed: str, tmp_path: Path, place: str, other: str
) -> None:
    asleep, at_it = tmp_path / "asleep", tmp_path / "at it"
    job = attended.ask()
    with attended.alone("sleeper", f"{place}:stop:{asleep}") as sleeper:
        eventually(lambda: attended.stands(asleep))
        attended.let_leases_run_out()
        with attended.alone("successor", f"decoding:1:stop:{at_it}") as successor:
            eventually(lambda: attended.stands(at_it))
            if other == "is done":
                successor.send_signal(signal.SIGCONT)
                attended.ended(job)
            sleeper.send_signal(signal.SIGCONT)
            # It is through with the job when it takes the next one.
            following = attended.ask()
            if other == "is at it":
                eventually(lambda: attended.store.get(following.id).state is not JobState.QUEUED)
                successor.send_signal(signal.SIGCONT)
            attended.ended(job)
            attended.ended(following)
    done = attended.insist_on_one_outcome(job, undisturbed)
    assert (done.attempt, done.crashes) == (2, 1)
    attended.insist_on_one_outcome(following, undisturbed)
    attended.insist_on_no_leftovers()


def test_a_frozen_worker_is_killed_by_its_host_and_its_job_goes_on(
    attended: Attended, undisturbed: str, tmp_path: Path
) -> None:
    asleep = tmp_path / "asleep"
    job = attended.ask()
    with attended.hosted(f"step:4:stop:{asleep}", RUSHES_LEASE_S="3600") as host:
        eventually(lambda: attended.stands(asleep))
        (frozen,) = host.pids()
        attended.let_leases_run_out()
        attended.ended(job)
        assert frozen not in host.pids()
    assert attended.first_steps(job)[2] == 3, "three steps were kept, the fourth was not yet"
    done = attended.insist_on_one_outcome(job, undisturbed)
    assert (done.attempt, done.crashes) == (2, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_leave_keeps_every_step_and_another_goes_on(
    attended: Attended, undisturbed: str, tmp_path: Path, number: signal.Signals
) -> None:
    here = tmp_path / "here"
    job = attended.ask()
    seldom = {"RUSHES_CHECKPOINT_EVERY_S": "3600"}
    with attended.alone("leaves", f"step:4:stop:{here}", **seldom) as worker:
        eventually(lambda: attended.stands(here))
        assert attended.files("checkpoints") == []
        worker.send_signal(number)
        worker.send_signal(signal.SIGCONT)
        assert worker.wait(60) == 0
    left = attended.store.get(job.id)
    assert (left.state, left.crashes) == (JobState.QUEUED, 0)
    assert left.checkpoint is not None
    assert attended.files("checkpoints") == [left.checkpoint.key]
    with attended.alone("comes", **seldom):
        attended.ended(job)
    assert attended.types(job) == ["queued", "running", "released", "running", "succeeded"]
    # It was told at step 4. Woken on another core, it may have taken one more before its ear had heard it.
    assert attended.first_steps(job)[2] == left.checkpoint.step >= 4, "no step is taken twice"
    attended.insist_on_one_outcome(job, undisturbed)
    attended.insist_on_no_leftovers()


@pytest.mark.parametrize("damage", ["a bit", "its end", "all of it"])
def test_a_checkpoint_that_was_damaged_while_nobody_worked_is_not_gone_on_from(
    attended: Attended, undisturbed: str, tmp_path: Path, damage: str
) -> None:
    job = attended.ask()
    with attended.alone("dies", f"step:{STEPS}:kill") as worker:
        assert worker.wait(60) == -signal.SIGKILL
    attended.store.rescue(worker="dies")
    (name,) = attended.files("checkpoints")
    path = attended.data / "checkpoints" / name
    content = bytearray(path.read_bytes())
    if damage == "a bit":
        content[len(content) // 2] ^= 1
    path.write_bytes(b"" if damage == "all of it" else content[: -1 if damage == "its end" else None])
    with attended.alone("comes"):
        attended.ended(job)
    assert attended.first_steps(job)[2] == 0
    attended.insist_on_one_outcome(job, undisturbed)
    attended.insist_on_no_leftovers()
