"""What the tests of the worker share: one in a thread, and jobs that count their steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from job_cases import MODEL, made

from rushes.contract.artifact import Artifact
from rushes.contract.events import Keep, Observer, Progress
from rushes.contract.job import Checkpoint, Job, JobState
from rushes.jobs.store import JobStore
from rushes.jobs.worker import Perform, Worker


@contextmanager
def working(
    store: JobStore,
    perform: Perform,
    lease_s: float = 30.0,
    name: str = "w1",
    forget: Callable[[str], None] = lambda key: None,
    fault: OSError | None = None,
) -> Iterator[list[Artifact]]:
    """A worker in a thread; gives the list of artifacts that it had to discard, each with the `fault`."""
    discarded: list[Artifact] = []

    def discard(artifact: Artifact) -> None:
        discarded.append(artifact)
        if fault is not None:
            raise fault

    stop = threading.Event()
    worker = Worker(store, perform, name=name, models=[MODEL], discard=discard, forget=forget, lease_s=lease_s)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield discarded
    finally:
        stop.set()
        thread.join(20)
    assert not thread.is_alive()


def state_of(store: JobStore, job: Job, *states: JobState) -> Callable[[], Job | None]:
    def look() -> Job | None:
        now = store.get(job.id)
        return now if now.state in states else None

    return look


@dataclass
class Counting:
    """A model that counts to `steps` and keeps a checkpoint of each; `objects` are those in its storage.

    Every step of every attempt is in `taken`, as (job id, attempt, step).
    """

    steps: int = 10
    step_s: float = 0.05
    objects: set[str] = field(default_factory=set)
    taken: list[tuple[str, int, int]] = field(default_factory=list)
    pause: threading.Event = field(default_factory=threading.Event)

    def perform(self, job: Job, observe: Observer, keep: Keep) -> Artifact:
        for step in range(0 if job.checkpoint is None else job.checkpoint.step, self.steps):
            if step:
                checkpoint = Checkpoint(f"{job.id}.{job.attempt}-{step}", step, "counted", "00")
                self.objects.add(checkpoint.key)
                keep(checkpoint)
            observe(Progress("denoising", step, self.steps, step / self.steps))
            self.taken.append((job.id, job.attempt, step))
            self.pause.wait(self.step_s)
        observe(Progress("storing", fraction=0.99))
        return made(f"{job.id}.{job.attempt}.mp4")

    def steps_of(self, job: Job, attempt: int) -> list[int]:
        return [step for id, of, step in self.taken if (id, of) == (job.id, attempt)]
