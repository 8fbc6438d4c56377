"""Those outside: clients that do not wait long, and people who give up, pause, go on and delete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from rushes.api.repeats import sameness
from rushes.contract.job import Job
from rushes.errors import JobNotFound, Unavailable
from rushes.jobs.store import JobStore
from simulator.clips import asked
from simulator.files import Files
from simulator.machines import Machines, Silence
from simulator.world import World


@dataclass
class Wish:
    """One video somebody asks for, and what they were told about it."""

    number: int
    steps: int
    keyed: bool
    priority: int
    webhook: bool
    cursed: bool  # the model may throw while it makes this one
    answered: list[str] = field(default_factory=list)
    asking: bool = True
    deleted: bool = False

    @property
    def prompt(self) -> str:
        return f"{'cursed wish' if self.cursed else 'wish'} {self.number}"

    @property
    def key(self) -> str | None:
        return f"key-{self.number}" if self.keyed else None


class People:
    def __init__(self, world: World, machines: Machines, wishes: list[Wish], artifacts: Files) -> None:
        self._world = world
        self._machines = machines
        self._artifacts = artifacts
        self.wishes = wishes

    def wait_for_a_video(self, wish: Wish) -> None:
        """A client: sends the request, and sends it again until it is answered."""
        world = self._world
        world.turn(world.rng.uniform(0.0, 8.0))
        tries = 0
        while not wish.answered:
            copies = 2 if wish.keyed and world.rng.random() < 0.3 else 1
            try:
                job = self._machines.ask(self._create(wish, tries > 0), world.rng.uniform(0.1, 5.0), copies=copies)
            except (Silence, Unavailable):
                tries += 1
                world.turn(world.rng.uniform(0.1, 1.5))
                continue
            wish.answered.append(job.id)
            world.note(f"{wish.prompt} is answered with {job.id[-6:]}")
            # Not every client notices its answer.
            if wish.keyed and world.rng.random() < 0.4:
                again = self.insist(self._create(wish, True))
                wish.answered.append(again.id)
        wish.asking = False

    def _create(self, wish: Wish, is_retry: bool) -> Callable[[JobStore], Job]:
        request = asked(wish.prompt, wish.steps)
        same = sameness(wish.prompt.encode(), wish.key, is_retry)
        hook = "https://example.org/hook" if wish.webhook else None

        def create(store: JobStore) -> Job:
            return store.add("ann", request, priority=wish.priority, idempotency=replace(same), webhook=hook)

        return create

    def insist(self, work: Callable[[JobStore], Job]) -> Job:
        """Ask until there is an answer."""
        while True:
            try:
                return self._machines.ask(work, 6.0)
            except (Silence, Unavailable):
                self._world.turn(self._world.rng.uniform(0.1, 1.0))

    def change_minds(self, moods: tuple[str, ...], until_s: float) -> None:
        """Cancel, pause or delete somebody's video every now and then."""
        world = self._world
        while world.now < until_s:
            world.turn(world.rng.uniform(0.2, 3.0))
            known = [wish for wish in self.wishes if wish.answered and not wish.deleted]
            if not known:
                continue
            wish = world.rng.choice(known)
            id, mood = wish.answered[0], world.rng.choice(moods)
            world.count(mood)
            try:
                getattr(self, mood)(id, wish)
            except JobNotFound:
                if not wish.deleted:
                    world.breaks(f"P1: {wish.prompt} was accepted as {id} and is not there")

    def cancel(self, id: str, wish: Wish) -> None:
        self.insist(lambda store: store.cancel(id, "ann"))

    def pause(self, id: str, wish: Wish) -> None:
        self.insist(lambda store: store.pause(id, "ann"))
        self._world.turn(self._world.rng.uniform(0.0, 6.0))
        self.insist(lambda store: store.resume(id, "ann"))

    def delete(self, id: str, wish: Wish) -> None:
        if wish.asking or wish.keyed:  # a client that still asks would rightly get a new one
            return
        wish.deleted = True

        def delete(store: JobStore) -> Job:
            gone = store.delete(id, "ann")
            if gone.artifact is not None:
                self._artifacts.delete(gone.artifact.key)
            return gone

        try:
            self.insist(delete)
        except (JobNotFound, OSError):
            return  # an earlier try of ours got through


def replies(wishes: list[Wish]) -> dict[str, str]:
    """Id → the prompt that it was given for."""
    return {id: wish.prompt for wish in wishes for id in wish.answered}
