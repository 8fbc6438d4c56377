"""Those who write at the same moment share a commit, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from job_cases import asked
from sqlalchemy import Connection, event, text

from rushes.errors import InvalidValue, RushesError, TooManyRequests, Unavailable
from rushes.jobs import together as gathering
from rushes.jobs.database import Database
from rushes.jobs.limits import QueueLimits
from rushes.jobs.store import JobStore

MANY = 12


class Watched:
    """A database that is held until all of `MANY` stand in line, and counts its commits."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commits = 0
        self._leading = threading.Event()
        self._go_on = threading.Event()
        event.listen(database._engine, "commit", self._counted)

    def _counted(self, _connection: Connection) -> None:
        self.commits += 1

    def _hold(self, _connection: Connection) -> None:
        self._leading.set()
        assert self._go_on.wait(60)

    def all_at_once(self, works: list[Callable[[Connection], object]]) -> list[object]:
        """What came of each of `works`, which wait together behind one that holds the turn."""
        with ThreadPoolExecutor(len(works) + 1) as pool:
            first = pool.submit(self.database.write_together, self._hold)
            assert self._leading.wait(60)
            told = [pool.submit(self.database.write_together, work) for work in works]
            while len(self.database._together._line) < len(works):
                threading.Event().wait(0.01)
            self.commits = 0
            self._go_on.set()
            first.result()
            return [one.exception() or one.result() for one in told]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}", patience_s=60)
    database.write(lambda connection: connection.execute(text("CREATE TABLE seen (number INTEGER PRIMARY KEY)")))
    yield Watched(database)
    database.close()


def seen(database: Database) -> list[int]:
    return list(database.read(lambda connection: connection.execute(text("SELECT number FROM seen")).scalars().all()))


def writes(number: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        connection.execute(text("INSERT INTO seen VALUES (:number)"), {"number": number})
        return number

    return work


def test_who_waits_together_shares_one_commit_and_gets_an_answer_of_their_own(watched: Watched) -> None:
    assert watched.all_at_once([writes(number) for number in range(MANY)]) == list(range(MANY))
    assert watched.commits == 2, "the one that held the turn, and one for all the others"
    assert seen(watched.database) == list(range(MANY))


def test_no_more_than_so_many_share_one(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "MOST", 5)
    assert watched.all_at_once([writes(number) for number in range(MANY)]) == list(range(MANY))
    assert watched.commits == 1 + 3


def test_what_is_refused_is_undone_alone(watched: Watched) -> None:
    def refused(connection: Connection) -> None:
        writes(99)(connection)
        raise InvalidValue(field="seconds", given="99", allowed="less")

    outcomes = watched.all_at_once([writes(1), refused, writes(2)])
    assert [outcomes[0], outcomes[2]] == [1, 2]
    assert isinstance(outcomes[1], InvalidValue)
    assert seen(watched.database) == [1, 2]


def test_a_mistake_of_one_is_nobody_elses(watched: Watched) -> None:
    def mistaken(connection: Connection) -> None:
        writes(99)(connection)
        raise ZeroDivisionError

    outcomes = watched.all_at_once([writes(1), mistaken, writes(1), writes(2)])
    assert isinstance(outcomes[1], ZeroDivisionError)
    assert {type(outcomes[0]).__name__, type(outcomes[2]).__name__} == {"int", "IntegrityError"}
    assert outcomes[3] == 2
    assert seen(watched.database) == [1, 2]


def test_where_the_database_is_away_all_are_told_so(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_work: object) -> None:
        raise Unavailable("the job database cannot be reached or written")

    write = watched.database._together._write
    leading = iter([write, away])
    monkeypatch.setattr(watched.database._together, "_write", lambda work: next(leading)(work))
    outcomes = watched.all_at_once([writes(1), writes(2)])
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert seen(watched.database) == []


def test_nobody_waits_for_a_turn_longer_than_their_patience(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}", patience_s=0.2)
    with database._together._turn, pytest.raises(Unavailable):
        database.write_together(writes(1))
    assert database._together._line == [], "it does not come after all, when nobody waits for it"
    database.close()


def test_limits_hold_among_those_who_share_a_commit(store: JobStore) -> None:
    limits = QueueLimits(max_queued_per_owner=5)

    def add(_number: int) -> object:
        try:
            return store.add("ann", asked(), limits=limits).id
        except RushesError as error:
            return type(error)

    with ThreadPoolExecutor(MANY) as pool:
        outcomes = list(pool.map(add, range(MANY)))
    taken = [one for one in outcomes if isinstance(one, str)]
    assert len(taken) == 5
    assert outcomes.count(TooManyRequests) == MANY - 5
    assert {job.id for job in store.list("ann")} == set(taken)
