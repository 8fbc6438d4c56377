"""Who goes next, what time it is, and what goes wrong: one thread runs at a time, and a seed decides which."""

from __future__ import annotations

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

EPOCH_S = 1_800_000_000.0
MOST_TURNS = 60_000
NEVER = float("inf")

FAULTS = (
    "killed before",  # the process dies, and the call was never made
    "killed after",  # it took effect, and nobody heard the answer
    "killed in flight",  # the process dies; its call takes effect some time later
    "stopped before",  # SIGSTOP, for up to several leases
    "stopped after",
    "refused",  # no effect, after a while
    "lost answer",  # it took effect, and is said to have failed
    "twice",  # it takes effect a second time, later
    "slow",
)
STOPS_LEASES = ((0.1, 0.9), (0.9, 3.0))  # short of a lease, or past it: often past a successor's claim, too
FOCUS = 5.0  # how much more goes wrong with the calls a history is about
ASIDE = 0.3  # and how much less with the others


class Gone(BaseException):
    """Raised inside the code of a process that was killed, wherever it stands; no effect follows it."""


class Broken(BaseException):
    """A promise was not kept."""


@dataclass(eq=False)
class Process:
    """What dies as a whole: a name of its own, and all its threads."""

    name: str
    mortal: bool = True
    dead: bool = False
    stopped_until: float = 0.0
    disturbed_at: float = -NEVER  # the last fault that touched it
    actors: list[Actor] = field(default_factory=list)


@dataclass(eq=False)
class Actor:
    """A thread of a process, which runs only while it holds the baton."""

    process: Process
    name: str
    baton: Any = field(default_factory=threading.Lock)
    entry: int = -1  # the number of its one valid place in the queue of those that sleep
    waits_for: Event | None = None
    finished: bool = False
    call: Any = None  # what of the store it is in, for the checker

    def __post_init__(self) -> None:
        self.baton.acquire()


class World:
    """One history. `run(director)` plays it to the end; `director` is the first actor, and the history ends with it."""

    def __init__(self, seed: int, lease_s: float) -> None:
        self.seed = seed
        self.lease_s = lease_s
        self.rng = random.Random(seed)
        self.now = 0.0
        self.jumped_s = 0.0  # what the database's clock is ahead of the true time
        self.faults: tuple[str, ...] = ()
        self.fault_rate = 0.0
        self.focus: str | None = None  # the calls that this history is about; None: all alike
        self.last_jump_at = -NEVER
        self.broken: str | None = None
        self.trace: list[str] = []
        self.counts: dict[str, int] = {}
        self.ending = False
        self.current: Actor
        self.nature = Process("nature", mortal=False)  # what is under way outside any process
        self._asleep: list[tuple[float, float, int, Actor]] = []
        self._numbers = itertools.count()
        self._turns = 0
        self.under_way = 0  # transactions whose senders do not wait for them
        self._alive = 0
        self._over = threading.Lock()
        self._over.acquire()

    # --- time -------------------------------------------------------------------------------------

    @property
    def clock_s(self) -> float:
        """The database's clock, and everybody's wall clock."""
        return EPOCH_S + self.now + self.jumped_s

    def jump(self, seconds: float) -> None:
        self.jumped_s += seconds
        self.last_jump_at = self.now
        self.note(f"the clock jumps by {seconds:+g} s")

    def note(self, text: str) -> None:
        self.trace.append(f"{self.now:9.3f}  {self.current.process.name:12} {text}")

    # --- actors -----------------------------------------------------------------------------------

    def run(self, director: Callable[[], None]) -> None:
        self.current = self.start(self.nature, director, "director", directs=True)
        self.current.baton.release()
        self._over.acquire()
        if self.broken is not None:
            raise Broken(self.broken)

    def start(
        self, process: Process, run: Callable[[], None], name: str, *, after_s: float = 0.0, directs: bool = False
    ) -> Actor:
        """A thread of `process` that begins to run some time after now."""
        actor = Actor(process, name)
        process.actors.append(actor)
        self._alive += 1

        def whole() -> None:
            actor.baton.acquire()
            try:
                if not (process.dead or self.ending):
                    run()
            except Gone:
                pass
            except Broken as broken:
                self.broken = self.broken or str(broken)
                self.ending = True
            except Exception as error:  # the program would have ended with a traceback
                self.broken = self.broken or f"{process.name} ended with {type(error).__name__}: {error}"
                self.ending = True
            actor.finished = True
            self._alive -= 1
            self.ending = self.ending or directs
            self._hand_on(None)

        threading.Thread(target=whole, name=name, daemon=True).start()
        if not directs:
            self._sleep(actor, after_s)
        return actor

    def turn(self, after_s: float) -> None:
        """The running actor waits for so long, and others go on. Raises `Gone` where its process was killed."""
        me = self.current
        if me.process.dead or self.ending:
            raise Gone
        self._sleep(me, after_s)
        self._hand_on(me)
        if me.process.dead or self.ending:
            raise Gone

    def wait(self, event: Event, timeout_s: float | None) -> bool:
        if not event.is_set():
            self.current.waits_for = event
            try:
                self.turn(NEVER if timeout_s is None else timeout_s)
            finally:
                self.current.waits_for = None
        return event.is_set()

    def wake(self, event: Event) -> None:
        for _, _, entry, actor in list(self._asleep):
            if actor.waits_for is event and actor.entry == entry:
                self._sleep(actor, 0.0)

    def join(self, actor: Actor, timeout_s: float | None = None) -> None:
        """Wait until `actor` has ended; one whose process is gone never joins."""
        until = NEVER if timeout_s is None else self.now + timeout_s
        while not actor.finished and self.now < until:
            self.turn(0.05)

    def kill(self, process: Process) -> None:
        if process.mortal and not process.dead:
            process.dead = True
            self.note(f"{process.name} is killed")
            for actor in process.actors:
                if not actor.finished and actor is not self.current:
                    self._sleep(actor, 0.0)

    def stop(self, process: Process, for_s: float) -> None:
        process.stopped_until = self.now + for_s
        process.disturbed_at = self.now + for_s
        self.note(f"{process.name} is stopped for {for_s:.1f} s")

    def breaks(self, promise: str) -> None:
        """Say that a promise is broken; the history ends here."""
        self.note(f"BROKEN: {promise}")
        raise Broken(promise)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    # --- what goes wrong ----------------------------------------------------------------------------

    def fault(self, what: str, allowed: tuple[str, ...] = FAULTS) -> str | None:
        """What goes wrong with the call `what` that the running actor makes."""
        me = self.current.process
        share = 1.0 if self.focus is None else FOCUS if what == self.focus else ASIDE
        if self.rng.random() >= min(self.fault_rate * share, 0.6):
            return None
        possible = [kind for kind in self.faults if kind in allowed and (me.mortal or not kind.startswith("killed"))]
        if not possible:
            return None
        kind = self.rng.choice(possible)
        me.disturbed_at = max(me.disturbed_at, self.now + 4.0)  # the longest that a fault without a stop may take
        self.count(kind)
        return kind

    def stopped(self) -> None:
        """The running actor's process is stopped here, and goes on later as if nothing had been."""
        self.stop(self.current.process, self.rng.uniform(*self.rng.choice(STOPS_LEASES)) * self.lease_s)
        self.turn(0.0)

    def latency_s(self) -> float:
        return self.rng.uniform(0.001, 0.03)

    # --- the baton ------------------------------------------------------------------------------------

    def _sleep(self, actor: Actor, for_s: float) -> None:
        actor.entry = next(self._numbers)
        # Of those that wake at the same moment, chance says which goes first.
        heapq.heappush(self._asleep, (self.now + for_s, self.rng.random(), actor.entry, actor))

    def _hand_on(self, me: Actor | None) -> None:
        """Let the next actor run; returns when it is the turn of `me` again, at once where `me` has ended."""
        if self._alive == 0:
            self._over.release()
            return
        following = self._next()
        if following is me:
            return
        self.current = following
        following.baton.release()
        if me is not None:
            me.baton.acquire()

    def _next(self) -> Actor:
        self._turns += 1
        if self._turns > MOST_TURNS:
            self._give_up(f"no end after {MOST_TURNS} turns")
        while True:
            at, _, entry, actor = heapq.heappop(self._asleep)
            if actor.finished or actor.entry != entry:
                continue  # woken otherwise meanwhile
            if at == NEVER:
                self._give_up("everybody waits, and nobody is there to be waited for")
            if self.ending or actor.process.dead:
                return actor
            stopped_s = actor.process.stopped_until - at
            if stopped_s > 0:
                self._sleep(actor, actor.process.stopped_until - self.now)
                continue
            self.now = max(self.now, at)
            return actor

    def _give_up(self, reason: str) -> None:
        if not self.ending:
            self.broken, self.ending = self.broken or reason, True


class Event:
    """What `threading.Event` is, in a world's time."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._set = False

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._world.wake(self)

    def wait(self, timeout: float | None = None) -> bool:
        return self._world.wait(self, timeout)
