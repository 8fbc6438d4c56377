"""The host: workers that die are replaced, and what they held is done by the next."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from job_cases import asked, eventually

from rushes.contract.job import Job, JobState
from rushes.jobs.host import Host, _is_stopped
from rushes.jobs.store import JobStore

PROGRAM = Path(__file__).with_name("worker_program.py")


@contextmanager
def hosting(
    store: JobStore,
    url: str,
    *,
    lease_s: float = 30.0,
    steps: int = 10,
    step_s: float = 0.05,
    count: int = 1,
    grace_s: float = 60.0,
) -> Iterator[Host]:
    argv = [sys.executable, str(PROGRAM), url, str(lease_s), str(steps), str(step_s)]
    host = Host(store, argv, count=count, grace_s=grace_s, tick_s=0.5)
    host.start()
    try:
        yield host
    finally:
        host.stop()
    assert host.pids() == ()


def test_a_host_does_the_waiting_jobs_with_all_its_workers(store: JobStore, url: str) -> None:
    jobs = [store.add("ann", asked(seed=seed)) for seed in range(6)]

    def workers() -> set[str]:
        return {event.data["worker"] for job in jobs for event in store.events(job.id) if event.type == "running"}

    def done_by_both() -> bool:
        if any(store.get(job.id).state is not JobState.SUCCEEDED for job in jobs):
            return False
        if len(workers()) == 1:  # the other was slow to start
            jobs.append(store.add("ann", asked()))
        return len(workers()) == 2

    with hosting(store, url, count=2) as host:
        eventually(done_by_both)
        assert len(host.pids()) == 2


def test_a_killed_workers_job_is_done_by_the_next_at_once(store: JobStore, url: str) -> None:
    job = store.add("ann", asked(prompt="hang"))  # it stands in its second step, whenever the signal comes
    with hosting(store, url, lease_s=3600.0) as host:  # and its lease does not run out
        eventually(lambda: has_come_to(store, job, 2))
        (pid,) = host.pids()
        os.kill(pid, signal.SIGKILL)
        done = eventually(lambda: store.get(job.id).artifact and store.get(job.id))
    assert done.state is JobState.SUCCEEDED
    assert done.artifact is not None
    assert done.artifact.key == f"{job.id}.2.mp4"
    assert [event.type for event in store.events(job.id) if event.type != "progress"] == [
        "queued",
        "running",
        "rescued",
        "running",
        "succeeded",
    ]


def test_a_job_that_kills_every_worker_ends_as_worker_lost_and_the_others_are_done(store: JobStore, url: str) -> None:
    poison, good = store.add("ann", asked(prompt="die")), store.add("ann", asked())
    with hosting(store, url):
        eventually(lambda: store.get(good.id).state is JobState.SUCCEEDED)
    failed = store.get(poison.id)
    assert (failed.state, failed.attempt) == (JobState.FAILED, 3)
    assert failed.error is not None
    assert failed.error.code == "worker_lost"


def test_a_frozen_worker_is_killed_past_its_lease_and_its_job_done_by_the_next(
    store: JobStore, url: str, let_leases_run_out: Callable[[], None]
) -> None:
    job = store.add("ann", asked(prompt="freeze"))
    with hosting(store, url, lease_s=3600.0) as host:
        (frozen,) = eventually(lambda: has_come_to(store, job, 2) and [pid for pid in host.pids() if _is_stopped(pid)])
        let_leases_run_out()
        done = eventually(lambda: store.get(job.id).artifact and store.get(job.id))
        assert frozen not in host.pids()
    assert (done.state, done.attempt) == (JobState.SUCCEEDED, 2)


def test_stopping_gives_running_jobs_back_without_a_crash(store: JobStore, url: str) -> None:
    job = store.add("ann", asked())
    with hosting(store, url, steps=1000):
        eventually(lambda: store.get(job.id).step > 0)
    assert store.get(job.id).state is JobState.QUEUED
    assert store.events(job.id)[-1].type == "released"


def test_a_worker_that_does_not_end_when_asked_is_killed(store: JobStore, url: str) -> None:
    job = store.add("ann", asked())
    with hosting(store, url, steps=2, step_s=600, grace_s=1.0):
        eventually(lambda: store.get(job.id).stage == "denoising")
        began = time.monotonic()
    assert time.monotonic() - began < 120, "its step was not waited for"
    assert store.get(job.id).state is JobState.QUEUED
    assert store.events(job.id)[-1].type == "rescued"


def test_workers_that_cannot_start_are_tried_again_with_growing_pauses(
    store: JobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    starts = tmp_path / "starts"
    program = "import sys, time; open(sys.argv[1], 'a').write(f'{time.monotonic()}\\n'); raise SystemExit(3)"
    host = Host(store, [sys.executable, "-c", program, str(starts)], grace_s=5.0)
    host.start()
    eventually(lambda: starts.exists() and len(starts.read_text().splitlines()) >= 4)
    host.stop()
    times = [float(line) for line in starts.read_text().splitlines()]
    for (earlier, later), least_s in zip(pairwise(times), (0.2, 0.4, 0.8), strict=False):
        assert later - earlier > least_s  # how much more is up to the machine
    assert re.findall(r"another starts in (\S+) s", caplog.text)[:3] == ["0.2", "0.4", "0.8"]


def test_workers_die_with_a_host_that_is_killed(store: JobStore, url: str) -> None:
    job = store.add("ann", asked())
    program = (
        "import sys, threading; from rushes.jobs.host import Host; from rushes.jobs.store import JobStore\n"
        "host = Host(JobStore(sys.argv[1]), sys.argv[2:]); host.start()\n"
        "while not host.pids(): threading.Event().wait(0.05)\n"
        "print(*host.pids(), flush=True); threading.Event().wait()"
    )
    argv = [sys.executable, "-c", program, url, sys.executable, str(PROGRAM), url, "30", "1000", "0.05"]
    parent = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    eventually(lambda: store.get(job.id).step > 0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not alive(worker))
    assert store.get(job.id).state is JobState.QUEUED


def has_come_to(store: JobStore, job: Job, step: int) -> bool:
    checkpoint = store.get(job.id).checkpoint
    return checkpoint is not None and checkpoint.step == step


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A dead orphan may stay listed until whatever adopted it looks.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
