"""A worker that dies at every place where it can: one final state, one file, the same bytes, nothing left over."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from attended import STEPS, Attended
from test_restart import eventually

from rushes.contract.job import JobState
from rushes.failpoints import WORKER_POINTS
from rushes.storage.local import LocalStorage

AT = {
    "claiming": 1,
    "claimed": 1,
    "loading": 1,
    "encoding": 1,
    "beating": 3,
    "step": 4,
    "checkpoint half": 3,
    "checkpoint stored": 3,
    "checkpoint named": 3,
    "decoding": 2,
    "writing": 20,
    "written": 1,
    "flushed": 1,
    "put half": STEPS + 1,  # the puts before are the checkpoints'
    "stored": 1,
    "before commit": 1,
    "after commit": 1,
}
"""Where an undisturbed job dies: the place, and its how many-th passing."""

ORPHANS = {"beating", "checkpoint stored", "checkpoint named", "put half", "stored", "before commit", "after commit"}
"""Deaths that leave one file behind which no row names, an artifact or a checkpoint; only a sweep can find it."""


def test_every_place_where_a_worker_may_die_is_tried() -> None:
    # `opening`, `restored` and `released` have tests of their own below.
    assert set(AT) | {"opening", "restored", "released"} == set(WORKER_POINTS)


@pytest.mark.parametrize("place", AT)
def test_killed_at(attended: Attended, undisturbed: str, tmp_path: Path, place: str) -> None:
    mark = tmp_path / "mark"
    job = attended.ask()
    with attended.hosted(f"{place}:{AT[place]}:kill:{mark}"):
        eventually(mark.exists)
        attended.ended(job)
        eventually(lambda: not attended.unfinished())  # what the dead one left there goes when the next one starts
    done = attended.insist_on_one_outcome(job, undisturbed)
    if place == "after commit":
        assert attended.types(job) == ["queued", "running", "succeeded"]
    elif place == "claiming":
        assert attended.types(job) == ["queued", "running", "succeeded"]
        assert (done.attempt, done.crashes) == (1, 0), "the claim was undone with its transaction"
    else:
        assert attended.types(job) == ["queued", "running", "rescued", "running", "succeeded"]
        assert (done.attempt, done.crashes) == (2, 1)
    if place in (
        "decoding",
        "writing",
        "written",
        "flushed",
        "stored",
        "before commit",
    ):  # half a put may be a checkpoint's
        assert attended.first_steps(job).get(2) == STEPS, "nothing is denoised again"
    attended.insist_on_no_leftovers(orphans=int(place in ORPHANS))
    attended.sweep_two_hours_later()
    attended.insist_on_no_leftovers()
    attended.insist_on_one_outcome(job, undisturbed)


def test_killed_when_it_has_just_given_the_job_back(attended: Attended, undisturbed: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    job = attended.ask()
    with attended.alone("leaves", f"step:4:stop:{here},released:1:kill") as worker:
        eventually(lambda: attended.stands(here))
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGCONT)
        assert worker.wait(60) == -signal.SIGKILL
    left = attended.store.get(job.id)
    assert (left.state, left.crashes) == (JobState.QUEUED, 0)
    assert left.checkpoint is not None
    assert attended.files("checkpoints") == [left.checkpoint.key]
    assert attended.store.rescue(worker="leaves") == (), "there is nothing for its host to give back"
    with attended.hosted():
        attended.ended(job)
        eventually(lambda: not attended.unfinished())
    assert attended.types(job) == ["queued", "running", "released", "running", "succeeded"]
    done = attended.insist_on_one_outcome(job, undisturbed)
    assert (done.attempt, done.crashes) == (2, 0)
    assert attended.first_steps(job)[2] == left.checkpoint.step >= 4, "no step is taken twice"
    attended.insist_on_no_leftovers()


def test_killed_while_it_opens_a_picture_and_again_behind_its_steps(attended: Attended, tmp_path: Path) -> None:
    undisturbed = attended.ask(attended.with_picture())
    with attended.hosted():
        expected = attended.ended(undisturbed)
    assert expected.artifact is not None
    attended.store.delete(undisturbed.id)
    LocalStorage(attended.data / "artifacts").delete(expected.artifact.key)

    first, second = tmp_path / "first", tmp_path / "second"
    job = attended.ask(attended.with_picture())
    with attended.hosted(f"opening:1:kill:{first}"):
        attended.ended(job)
        assert first.exists()
    attended.insist_on_one_outcome(job, expected.artifact.sha256)
    other = attended.ask(attended.with_picture())
    with attended.hosted(f"decoding:1:kill:{second}"):
        attended.ended(other)
        assert second.exists()
    assert attended.first_steps(other)[2] == STEPS
    attended.insist_on_one_outcome(other, expected.artifact.sha256)
    attended.insist_on_no_leftovers()


def test_a_job_whose_workers_die_twice_starts_over_and_a_third_death_ends_it(
    attended: Attended, undisturbed: str, tmp_path: Path
) -> None:
    twice = attended.ask()
    with attended.hosted(f"step:4:kill:{tmp_path / 'first'},restored:1:kill:{tmp_path / 'second'}"):
        attended.ended(twice)
    assert attended.first_steps(twice)[3] == 0, "what killed two workers may be the checkpoint"
    attended.insist_on_one_outcome(twice, undisturbed)
    thrice = attended.ask()
    with attended.hosted("step:2:kill"):
        failed = attended.ended(thrice)
    assert (failed.state, failed.attempt, failed.crashes) == (JobState.FAILED, 3, 3)
    assert failed.error is not None
    assert failed.error.code == "worker_lost"
