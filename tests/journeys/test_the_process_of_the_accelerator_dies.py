"""The process that runs a model's code dies, or is stopped: what is around it goes on, and does not wait for a lease.

It is killed, as by the system when memory is out; it aborts, as a driver does; and it is stopped where that hurts most,
inside a transaction.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from attended import Attended
from test_restart import eventually

from rushes.contract.job import JobState

NO_LEASE_WAITED_FOR = {"RUSHES_LEASE_S": "3600"}
CUT_OFF_ONCE = ["queued", "running", "rescued", "running", "succeeded"]


def kept(attended: Attended, by: str, failpoint: str, **environment: str) -> AbstractContextManager[Any]:
    return (attended.hosted if by == "host" else attended.by_hand)(failpoint, **environment)


def is_locked(attended: Attended) -> bool:
    connection = sqlite3.connect(attended.data / "jobs.db", timeout=0.2, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    else:
        return False
    finally:
        connection.close()


@pytest.mark.parametrize("by", ["host", "hand"])
@pytest.mark.parametrize("death", ["kill", "abort"])
def test_its_job_goes_on_from_its_checkpoint_at_once(
    attended: Attended, undisturbed: str, tmp_path: Path, by: str, death: str
) -> None:
    mark = tmp_path / "mark"
    job, following = attended.ask(), attended.ask()
    with kept(attended, by, f"step:4:{death}:{mark}", **NO_LEASE_WAITED_FOR) as around:
        attended.ended(job)
        attended.ended(following)
        if by == "hand":
            assert around.poll() is None, "what was started is still there"
    assert mark.exists()
    assert attended.types(job) == CUT_OFF_ONCE
    assert attended.first_steps(job)[2] == 3, "three steps were kept, the fourth was not yet"
    assert attended.store.get(following.id).crashes == 0
    attended.insist_on_one_outcome(job, undisturbed)
    attended.insist_on_one_outcome(following, undisturbed)
    attended.insist_on_no_leftovers()


@pytest.mark.parametrize("by", ["host", "hand"])
def test_one_that_is_stopped_in_a_beat_does_not_keep_the_database_from_the_others(
    attended: Attended, undisturbed: str, tmp_path: Path, by: str
) -> None:
    asleep = tmp_path / "asleep"
    job = attended.ask()
    with kept(attended, by, f"beating:3:stop:{asleep}", RUSHES_LEASE_S="6"):
        eventually(lambda: attended.stands(asleep))
        assert is_locked(attended), "else this would show nothing"
        following = attended.ask()
        attended.ended(job)
        attended.ended(following)
    assert attended.types(job) == CUT_OFF_ONCE
    attended.insist_on_one_outcome(job, undisturbed)
    attended.insist_on_one_outcome(following, undisturbed)


def test_one_that_is_stopped_in_a_claim_is_ended_though_no_lease_says_so(
    attended: Attended, undisturbed: str, tmp_path: Path
) -> None:
    asleep = tmp_path / "asleep"
    job = attended.ask()
    with attended.by_hand(f"claiming:1:stop:{asleep}", RUSHES_LEASE_S="6"):
        eventually(lambda: attended.stands(asleep))
        assert is_locked(attended)
        attended.ended(job)
    done = attended.insist_on_one_outcome(job, undisturbed)
    assert (done.attempt, done.crashes) == (1, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_rushes_worker_told_to_leave_gives_back_and_leaves_nobody_behind(
    attended: Attended, tmp_path: Path, number: signal.Signals
) -> None:
    here = tmp_path / "here"
    job = attended.ask()
    with attended.by_hand(f"step:4:stop:{here}") as program:
        eventually(lambda: attended.stands(here))
        program.send_signal(number)
        subprocess.run(["kill", "-CONT", here.read_text()], check=True)
        assert program.wait(60) == 0
    left = attended.store.get(job.id)
    assert (left.state, left.crashes) == (JobState.QUEUED, 0)
    assert left.checkpoint is not None
    assert not Path("/proc", here.read_text()).exists()
