"""One history: a seed decides the people, the machines, what may go wrong and when."""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from rushes import perform as recipe
from rushes.jobs import ids, worker
from rushes.jobs.store import JobStore
from simulator.checker import Checker
from simulator.clips import Encoder, fit
from simulator.database import Call, Ground, a_store, statements_kept
from simulator.files import Files
from simulator.machines import Machines, at_home
from simulator.people import People, Wish
from simulator.swapped import swapped
from simulator.world import FAULTS, Broken, Process, World

LEASE_S = 3.0
LONGEST_S = 600.0  # of a world's time: by then a job that is still not final is lost
JUMPS_S = (-10.0, -1.0, 2.0, LEASE_S * 1.5, 7200.0)

FOCI = (
    *("add", "claim", "renew", "checkpoint", "checkpoint", "release", "rescue", "fail", "look", None),
    *("finish", "finish", "finish", "finish", "put artifacts", "put artifacts", "put checkpoints"),
)


@dataclass(frozen=True)
class History:
    seed: int
    broken: str | None
    trace: tuple[str, ...]
    counts: dict[str, int]
    lasted_s: float

    @property
    def digest(self) -> str:
        """Equal for two runs that went the same way."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def play(seed: int, ground: Ground) -> History:
    """The history of `seed`, on a `ground` that no other uses at the same time."""
    world = World(seed, LEASE_S)
    ground.empty(world)
    logging.disable(logging.CRITICAL)
    try:
        with tempfile.TemporaryDirectory(dir=Path(ground.database._engine.url.database or ".").parent) as folder:
            story = Story(world, ground, Path(folder))
            with _on(world, story, ground), suppress(Broken):
                world.run(story.tell)
    finally:
        logging.disable(logging.NOTSET)
    return History(seed, world.broken, tuple(world.trace), world.counts, world.now)


@contextmanager
def _on(world: World, story: Story, ground: Ground) -> Iterator[None]:
    with ExitStack() as stack:
        for context in (
            swapped(world),
            at_home(story.machines),
            patch.object(recipe, "encode", Encoder(world)),
            patch.object(recipe, "fit", fit),
            # The numbers that belong to a lease of 30 s, for one of 3 s.
            patch.object(worker, "POLL_S", (0.3, 1.0)),
            patch.object(worker, "RESCUE_EVERY_S", 2.5),
            patch.object(ids, "_last", 0),
            statements_kept(ground.queries),
        ):
            stack.enter_context(context)
        yield


class Story:
    def __init__(self, world: World, ground: Ground, folder: Path) -> None:
        rng = world.rng
        self._world = world
        self._ground = ground
        # Few kinds at a time: where everything goes wrong at once, nothing gets far enough to go wrong later.
        world.faults = tuple(rng.sample(FAULTS, rng.randint(1, 4)))
        self._rate = rng.choice((0.02, 0.08, 0.08, 0.15, 0.15, 0.25))
        self._until_s = rng.uniform(8.0, 25.0)
        # Two kinds of history that matter and are rare by chance alone: two attempts at one job that are both about to
        # write, and a clip that goes on from a checkpoint which was damaged meanwhile.
        theme = rng.choices(("rivals", "damage", "anything"), (25, 10, 65))[0]
        if theme == "rivals":
            world.faults, self._rate = ("stopped before", "slow"), 0.12
            world.focus = rng.choice(("finish", "finish", "finish", "checkpoint"))
        if theme == "damage":
            self._rate = 0.0
        self._jumps = rng.random() < 0.25
        self._damages = theme == "damage" or rng.random() < 0.3
        longest_step_s = 0.5 if theme == "rivals" else rng.choice((0.5, 1.5, 2.5))
        self._checker = Checker(world, ground.rows, self._process_named, longest_step_s)
        self._checker.damaged = self._damaged = set()
        self._artifacts = Files(world, "artifacts", self._checker.leaving)
        self._checkpoints = Files(world, "checkpoints", self._checker.leaving)
        self._checker.artifacts, self._checker.checkpoints = self._artifacts, self._checkpoints
        self.machines = Machines(
            world,
            folder,
            self._a_store,
            self._artifacts,
            self._checkpoints,
            longest_step_s=longest_step_s,
            hangs=rng.choice((0.0, 0.0, 0.02)),
            every_s=0.0 if theme == "damage" else rng.choice((0.0, 2.0, 1e9, 1e9)),
        )
        self._wishes = [
            Wish(
                number,
                steps=rng.randint(1, 5),
                keyed=rng.random() < 0.6,
                priority=rng.choice((0, 0, 0, -1)),
                webhook=rng.random() < 0.5,
                cursed=rng.random() < 0.25,
            )
            for number in range(rng.randint(1, 4))
        ]
        self._people = People(world, self.machines, self._wishes, self._artifacts)
        moods = tuple(rng.sample(("cancel", "pause", "delete"), rng.randint(0, 2)))
        self._moods = ("pause",) if theme == "damage" else moods
        self._workers = rng.choice((2, 3) if theme == "rivals" else (1, 2, 2, 3))

    def tell(self) -> None:
        world, machines = self._world, self.machines
        outside = world.nature
        world.fault_rate = self._rate
        for slot in range(self._workers):
            machines.start_worker(slot)
            world.start(outside, lambda slot=slot: machines.keep_worker(slot), f"keeper-{slot}")  # type: ignore[misc]
        for run in (machines.keep_door, machines.tick, machines.keep_clear):
            world.start(outside, run, run.__name__)
        callers = [
            world.start(outside, lambda wish=wish: self._people.wait_for_a_video(wish), wish.prompt)  # type: ignore[misc]
            for wish in self._wishes
        ]
        if self._moods:
            minds = world.start(outside, lambda: self._people.change_minds(self._moods, self._until_s), "people")
            callers.append(minds)
        if self._jumps:
            world.start(outside, self._jump, "clock")
        if self._damages:
            world.start(outside, self._damage, "damage")
        world.turn(self._until_s)
        world.fault_rate = 0.0
        world.note("from now on nothing goes wrong")
        # Until nobody asks or works, what was stopped goes on, and what was under way has arrived.
        quiet = False
        while not quiet:
            quiet = self._checker.all_final() and not (
                world.under_way
                or any(not actor.finished for actor in (*callers, *machines.requests))
                or any(not machines.processes[name].dead for name in machines.at_work)
                or any(process.stopped_until > world.now for process in machines.processes.values())
            )
            world.turn(1.0)
            if not quiet and world.now > LONGEST_S:
                world.breaks(f"P2: not final in {LONGEST_S:g} s: {self._checker.unfinished()}")
        machines.sweep(grace_s=0.0)
        self._checker.end(self._wishes)

    def _a_store(self) -> JobStore:
        return a_store(self._world, self._ground.database, self._committed)

    def _committed(self, call: Call | None, result: object) -> None:
        self._checker.committed(call, result)

    def _process_named(self, name: str) -> Process | None:
        return self.machines.processes.get(name)

    def _jump(self) -> None:
        world = self._world
        while world.now < self._until_s:
            world.turn(world.rng.uniform(1.0, 12.0))
            world.jump(world.rng.choice(JUMPS_S))
            world.count("clock jump")

    def _damage(self) -> None:
        world = self._world
        while world.now < self._until_s:
            world.turn(world.rng.uniform(0.2, 1.5))
            if keys := sorted(self._checkpoints.all_keys()):
                key = world.rng.choice(keys)
                self._damaged.add(key)
                world.note(f"checkpoint {key}: {self._checkpoints.damage(key)}")
                world.count("damaged checkpoint")
