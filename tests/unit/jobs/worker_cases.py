"""What the tests of the worker share: one in a thread, and jobs that count their steps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from job_cases import MODEL, made

from rushes.contract.artifact import Artifact
from rushes.contract.events import Keep, Observer, Progress
from rushes.contract.job import Checkpoint, Job, JobState
from rushes.jobs import heart
from rushes.jobs.claims import Beat, Claim
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
    stop: threading.Event | None = None,
) -> Iterator[list[Artifact]]:
    """A worker in a thread; gives the list of artifacts that it had to discard, each with the `fault`.

    `stop` is what it is told to end by when the block is left.
    """
    discarded: list[Artifact] = []

    def discard(artifact: Artifact) -> None:
        discarded.append(artifact)
        if fault is not None:
            raise fault

    stop = stop or threading.Event()
    worker = Worker(store, perform, name=name, models=[MODEL], discard=discard, forget=forget, lease_s=lease_s)
    thread = threading.Thread(target=worker.run, args=(stop,))
    thread.start()
    try:
        yield discarded
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def state_of(store: JobStore, job: Job, *states: JobState) -> Callable[[], Job | None]:
    def look() -> Job | None:
        now = store.get(job.id)
        return now if now.state in states else None

    return look


class HeartsClock:
    """The time that hearts live by, so that no test asks a busy machine to be in time.

    They beat a hundred times as often as they should, whatever `now` is: it goes on where the test says so.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.asked_s: list[float] = []
        monkeypatch.setattr(heart, "time", self)
        monkeypatch.setattr(heart, "threading", SimpleNamespace(Thread=threading.Thread, Event=lambda: _Hasty(self)))

    def monotonic(self) -> float:
        return self.now


class _Hasty(threading.Event):
    def __init__(self, clock: HeartsClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self._clock.asked_s.append(timeout)
        return super().wait(timeout / 100)


def beats_of(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> list[Beat]:
    """The answers that hearts get from `store` from now on, without those to a progress."""
    beats: list[Beat] = []
    renew = store.renew

    def noted(claim: Claim, progress: Progress | None = None) -> Beat:
        beat = renew(claim, progress)
        if progress is None:
            beats.append(beat)
        return beat

    monkeypatch.setattr(store, "renew", noted)
    return beats


@dataclass
class Counting:
    """A model that counts to `steps` and keeps a checkpoint of each; `objects` are those in its storage.

    Every step of every attempt is in `taken`, as (job id, attempt, step). With `waits_at`, the first attempt at the
    first job stands in that step until `go_on` is set: what a test does meanwhile cannot come too late.
    """

    steps: int = 10
    step_s: float = 0.05
    objects: set[str] = field(default_factory=set)
    taken: list[tuple[str, int, int]] = field(default_factory=list)
    pause: threading.Event = field(default_factory=threading.Event)
    waits_at: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)

    def perform(self, job: Job, observe: Observer, keep: Keep) -> Artifact:
        for step in range(0 if job.checkpoint is None else job.checkpoint.step, self.steps):
            if step:
                checkpoint = Checkpoint(f"{job.id}.{job.attempt}-{step}", step, "counted", "00")
                self.objects.add(checkpoint.key)
                keep(checkpoint)
            observe(Progress("denoising", step, self.steps, step / self.steps))
            self.taken.append((job.id, job.attempt, step))
            self.pause.wait(self.step_s)
            if step == self.waits_at and job.attempt == 1 and job.id == self.taken[0][0]:
                assert self.go_on.wait(60)
        observe(Progress("storing", fraction=0.99))
        return made(f"{job.id}.{job.attempt}.mp4")

    def steps_of(self, job: Job, attempt: int) -> list[int]:
        return [step for id, of, step in self.taken if (id, of) == (job.id, attempt)]
