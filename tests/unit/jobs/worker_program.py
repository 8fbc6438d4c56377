"""A worker as a program of its own: `worker_program.py URL LEASE_S STEPS STEP_S`.

Its model counts steps, and its checkpoints are pointers to nothing. A prompt may ask for trouble at step 2: "die" kills
the process in each attempt, "freeze" stops and "hang" keeps it busy in the first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from job_cases import MODEL, made

from rushes.contract.artifact import Artifact
from rushes.contract.events import Keep, Observer, Progress
from rushes.contract.job import Checkpoint, Job
from rushes.jobs.stall import StallLimits
from rushes.jobs.store import JobStore
from rushes.jobs.worker import Worker, stop_on_signals, stop_with_parent

url, lease_s, steps, step_s = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
pause = threading.Event()


def perform(job: Job, observe: Observer, keep: Keep) -> Artifact:
    for step in range(0 if job.checkpoint is None else job.checkpoint.step, steps):
        if step:
            keep(Checkpoint(f"{job.id}.{job.attempt}-{step}", step, "counted", "00"))
        observe(Progress("denoising", step, steps, step / steps))
        if step == 2 and job.request.prompt == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if step == 2 and job.request.prompt == "freeze" and job.attempt == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        if step == 2 and job.request.prompt == "hang" and job.attempt == 1:
            pause.wait(600)
        pause.wait(step_s)
    return made(f"{job.id}.{job.attempt}.mp4")


stop = threading.Event()
stop_on_signals(stop)
if os.environ.get("RUSHES_WITH_PARENT"):
    stop_with_parent(stop, grace_s=float(os.environ.get("GRACE_S", 60.0)))
name = os.environ.get("RUSHES_WORKER_NAME", f"alone-{os.getpid()}")
Worker(
    JobStore(url),
    perform,
    name=name,
    models=[MODEL],
    discard=lambda artifact: None,
    forget=lambda key: None,
    lease_s=lease_s,
    stalls=StallLimits(step_s=float(os.environ.get("STALL_S", 60.0))),
).run(stop)
