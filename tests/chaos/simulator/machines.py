"""The processes: a door that people call, workers, and a host that starts all of them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from rushes import perform as recipe
from rushes.engine.engine import Engine
from rushes.errors import Unavailable
from rushes.jobs import heart, worker
from rushes.jobs.prune import Pruner
from rushes.jobs.stall import StallLimits
from rushes.jobs.store import JobStore
from simulator.clips import CARD, CATALOGUE, Counting
from simulator.files import Files
from simulator.world import Actor, Event, Gone, Process, World

T = TypeVar("T")

STALLS = StallLimits(loading_s=20.0, encoding_s=10.0, step_s=8.0, decoding_s=10.0, storing_s=10.0)
SWEEP_GRACE_S = 60.0  # longer than any lease, stop and backward step of the clock together


class Silence(Exception):
    """The caller got no answer: the door is gone, or it took too long."""


@dataclass
class Machines:
    """Everything that runs on them. `store_of` gives each process a store of its own."""

    world: World
    folder: Path
    store_of: Callable[[], JobStore]
    artifacts: Files
    checkpoints: Files
    longest_step_s: float
    hangs: float
    every_s: float

    def __post_init__(self) -> None:
        self.door = Process("door-0")
        self.workers: dict[int, Process] = {}
        self.processes: dict[str, Process] = {}
        self.requests: list[Actor] = []
        self.at_work: set[str] = set()  # who has a claim, or has lost it and does not know yet
        self._spawned = 0
        self._doors = 0
        # Who calls from outside does so over a network that has its own mind, but without a store of their own.
        self._door_store = self.store_of()

    # --- workers ---------------------------------------------------------------------------------------

    def start_worker(self, slot: int) -> None:
        process = Process(f"worker-{self._spawned}")
        self._spawned += 1
        self.workers[slot] = self.processes[process.name] = process
        self.world.start(process, partial(self._work, process), process.name)

    def _work(self, process: Process) -> None:
        scratch = self.folder / process.name
        scratch.mkdir()
        engine = Engine({CARD.adapter: Counting(self.world, self.longest_step_s, self.hangs)})  # type: ignore[dict-item]

        class Attended(worker.Worker):
            def _work(attended, *given: Any) -> None:
                self.at_work.add(process.name)
                super()._work(*given)
                self.at_work.discard(process.name)

        Attended(
            self.store_of(),
            partial(
                recipe.perform,
                catalogue=CATALOGUE,
                engine=engine,
                storage=self.artifacts,
                scratch=scratch,
                checkpoints=self.checkpoints,
                checkpoint_every_s=self.every_s,
            ),
            name=process.name,
            models=[CARD.id],
            discard=lambda artifact: self.artifacts.delete(artifact.key),
            forget=self.checkpoints.delete,
            lease_s=self.world.lease_s,
            stalls=STALLS,
        ).run(Event(self.world))  # type: ignore[arg-type]

    def a_heart(self, store: JobStore, claim: Any, limits: StallLimits) -> heart.Heart:
        """A real heart, whose worker ends itself as a process of this world does."""
        return heart.Heart(store, claim, limits, give_up=self._exit)

    def _exit(self) -> None:
        self.world.count("stalled worker ended itself")
        self.world.kill(self.world.current.process)
        raise Gone

    # --- the host ---------------------------------------------------------------------------------------

    def keep_worker(self, slot: int) -> None:
        """One slot of the host: sees its child's end, gives its job back at once, starts another."""
        world, store = self.world, self.store_of()
        while True:
            process = self.workers[slot]
            while not process.dead:
                world.turn(world.rng.uniform(0.2, 0.6))
            if world.rng.random() < 0.7:  # else this machine is gone as a whole, and the lease has to do it
                try:
                    store.rescue(worker=process.name)
                except Unavailable:
                    world.note(f"what {process.name} held is left to its lease")
            world.turn(world.rng.uniform(0.2, 2.0))
            self.start_worker(slot)

    def tick(self) -> None:
        """The host's other thread: takes back what is past its lease, kills the child that holds it."""
        world, store = self.world, self.store_of()
        while True:
            world.turn(world.rng.uniform(2.4, 3.6))
            try:
                for name in store.overdue_workers():
                    if world.rng.random() < 0.3:  # it may be another host's
                        for process in self.workers.values():
                            if process.name == name:
                                world.kill(process)
                store.rescue()
            except Unavailable:
                continue

    def sweep(self, grace_s: float = SWEEP_GRACE_S) -> int:
        pruner = Pruner(self._door_store, artifacts=self.artifacts, checkpoints=self.checkpoints, grace_s=grace_s)
        return pruner.sweep()

    def keep_clear(self) -> None:
        while True:
            self.world.turn(20.0)
            try:
                self.sweep()
            except (Unavailable, OSError):
                continue

    # --- the door -----------------------------------------------------------------------------------------

    def keep_door(self) -> None:
        world = self.world
        while True:
            while not self.door.dead:
                world.turn(world.rng.uniform(0.2, 0.6))
            world.turn(world.rng.uniform(0.2, 1.5))
            self._doors += 1
            self.door = Process(f"door-{self._doors}")
            self._door_store = self.store_of()

    def ask(self, work: Callable[[JobStore], T], patience_s: float, *, copies: int = 1) -> T:
        """Have the door do `work`, in a thread of it. Raises `Silence`, and what `work` raised.

        Whoever stops waiting does not stop the work. A request of several `copies` is answered by the first.
        """
        world, door, store = self.world, self.door, self._door_store
        if door.dead:
            world.turn(0.05)
            raise Silence
        answers: list[Any] = []
        done = Event(world)

        def handle() -> None:
            try:
                answers.append((True, work(store)))
            except Exception as error:  # the door's edge: it would be the reply
                answers.append((False, error))
            done.set()

        for _ in range(copies):
            self.requests.append(world.start(door, handle, "request", after_s=world.latency_s()))
        done.wait(patience_s)
        if not answers:
            raise Silence
        good, answer = answers[0]
        if not good:
            raise answer
        return answer  # type: ignore[no-any-return]


def at_home(machines: Machines) -> Any:
    """The worker's own heart is swapped for one that can end a process of the world."""
    return patch.object(worker, "Heart", machines.a_heart)
