"""A store on a real SQLite database whose clock is the world's, and on whose calls things go wrong."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from sqlalchemy import Connection, delete, event

from rushes.contract.job import Job
from rushes.errors import Unavailable
from rushes.jobs import choose, claims, store, tables
from rushes.jobs.database import Database
from rushes.jobs.store import JobStore
from simulator.world import Gone, World

T = TypeVar("T")

ONCE = ("claim", "checkpoint")
"""Never done twice: a claim has a token of its own, and a pointer written late again would name what is gone.

A database does not repeat a transaction by itself; for the others it shows what a retry in between would do.
"""

READ_FAULTS = ("killed before", "stopped before", "stopped after", "refused", "slow")


@dataclass(frozen=True)
class Call:
    """One call of a `JobStore`'s method: what the checker knows a transaction by."""

    method: str
    process: str
    given: tuple[Any, ...]
    named: dict[str, Any]

    @property
    def claim(self) -> claims.Claim | None:
        return self.given[0] if self.given and isinstance(self.given[0], claims.Claim) else None


class Ground:
    """The database under all simulated processes: a file in memory, emptied before each history."""

    def __init__(self, folder: Path) -> None:
        self.world: World | None = None
        self.queries: dict[Any, Any] = {}  # built once; see `statements_kept`
        self.database = Database(f"sqlite:///{folder / 'jobs.db'}")
        engine = self.database._engine
        event.listen(engine, "connect", self._set_up)
        engine.dispose()
        self.rows = sqlite3.connect(folder / "jobs.db", check_same_thread=False, isolation_level=None)
        self.rows.row_factory = sqlite3.Row

    def empty(self, world: World) -> None:
        self.world = world

        def work(connection: Connection) -> None:
            for table in reversed(tables.metadata.sorted_tables):
                if table is not tables.schema_version:
                    connection.execute(delete(table))

        self.database.write(work)

    def _set_up(self, connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")
        connection.create_function("julianday", 1, self._julian_day)

    def _julian_day(self, _when: str) -> float:
        assert self.world is not None
        return self.world.clock_s / 86_400.0 + 2_440_587.5

    def close(self) -> None:
        self.rows.close()
        self.database.close()


@contextmanager
def ground() -> Iterator[Ground]:
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        made = Ground(Path(folder))
        try:
            yield made
        finally:
            made.close()


class Trying:
    """The database as one simulated process calls it: each transaction at its turn, with what goes wrong there."""

    def __init__(self, world: World, under: Database, committed: Callable[[Call | None, Any], None]) -> None:
        self._world = world
        self._under = under
        self._committed = committed
        self.now = under.now

    def read(self, work: Callable[[Connection], T]) -> T:
        world = self._world
        fault = world.fault("look", READ_FAULTS)
        self._before(fault)
        found = self._under.read(work)
        self._after(fault)
        return found

    def write(self, work: Callable[[Connection], T]) -> T:
        world, call = self._world, self._world.current.call
        fault = world.fault("a transaction" if call is None else call.method)
        if fault == "twice" and (call is None or call.method in ONCE):
            fault = None
        if fault == "killed in flight":
            self._later(call, work)
            self._die(call)
        self._before(fault)
        result = self._commit(call, work)
        if fault == "twice":
            self._later(call, work)
        self._after(fault)
        if fault == "lost answer":
            world.note(f"{_named(call)}: the answer is lost")
            raise Unavailable("the job database cannot be reached or written")
        return result

    write_together = write  # the simulator's transactions come one at a time

    def _before(self, fault: str | None) -> None:
        world, call = self._world, self._world.current.call
        world.turn(world.latency_s())
        if fault == "killed before":
            self._die(call)
        if fault == "stopped before":
            world.stopped()
        if fault == "slow":
            world.turn(world.rng.uniform(0.1, 3.0))
        if fault == "refused":
            world.turn(world.rng.uniform(0.1, 3.0))
            world.note(f"{_named(call)}: refused")
            raise Unavailable("the job database is busy; try again in a moment")

    def _after(self, fault: str | None) -> None:
        if fault == "killed after":
            self._die(self._world.current.call)
        if fault == "stopped after":
            self._world.stopped()
        self._world.turn(self._world.latency_s())

    def _commit(self, call: Call | None, work: Callable[[Connection], T]) -> T:
        world = self._world
        try:
            result = self._under.write(work)
        except Exception as error:
            world.note(f"{_named(call)}: {type(error).__name__}")
            raise
        world.note(f"{_named(call)}: committed")
        self._committed(call, result)
        return result

    def _later(self, call: Call | None, work: Callable[[Connection], T]) -> None:
        """The transaction is under way somewhere, whatever becomes of its sender."""

        def arrive() -> None:
            try:
                self._commit(call, work)
            except Exception:
                return  # whoever would have been told is not there
            finally:
                self._world.under_way -= 1

        self._world.under_way += 1
        after_s = self._world.rng.choice((0.01, 0.5, 1.5 * self._world.lease_s)) * self._world.rng.random()
        self._world.start(self._world.nature, arrive, f"late {_named(call)}", after_s=after_s)

    def _die(self, call: Call | None) -> None:
        self._world.note(f"{_named(call)}: its process dies here")
        self._world.kill(self._world.current.process)
        raise Gone


def _named(call: Call | None) -> str:
    if call is None:
        return "a transaction"
    of = call.claim
    return f"{call.method}({'' if of is None else f'{of.job.id[-6:]}, attempt {of.job.attempt}'})"


METHODS = (
    *("add", "claim", "renew", "checkpoint", "finish", "fail", "cancelled", "release"),
    *("cancel", "pause", "resume", "delete", "rescue", "prune", "forget_old"),
)


def a_store(world: World, under: Database, committed: Callable[[Call | None, Any], None]) -> JobStore:
    """A real `JobStore` for one process."""
    with patch.object(store, "Database", lambda url, **_: Trying(world, under, committed)):
        made = JobStore("sqlite:///the world's")
    for method in METHODS:
        setattr(made, method, _told(world, method, getattr(made, method)))
    return made


def _told(world: World, method: str, work: Callable[..., T]) -> Callable[..., T]:
    """`work`, with its name known to the checker of what it writes."""

    def call(*given: Any, **named: Any) -> T:
        actor = world.current
        before, actor.call = actor.call, Call(method, actor.process.name, given, named)
        try:
            return work(*given, **named)
        finally:
            actor.call = before

    return call


@contextmanager
def statements_kept(queries: dict[Any, Any]) -> Iterator[None]:
    """Build the two queries that every poll and every beat asks once for all histories; they are the same queries."""

    def next_waiting(now: Any, models: tuple[str, ...], loaded: Any, limit: int | None) -> Any:
        key = (models, tuple(sorted(loaded)), limit)
        if key not in queries:
            queries[key] = choose.next_waiting(now, models, loaded, limit)
        return queries[key]

    def goes_before(job: Job, now: Any, limit: int | None) -> Any:
        key = (job.request.made_by, job.priority, limit if limit is None else job.id)
        if key not in queries:
            queries[key] = choose.goes_before(job, now, limit)
        return queries[key]

    with patch.object(store, "next_waiting", next_waiting), patch.object(claims, "goes_before", goes_before):
        yield
