"""Who writes without a pause lets those who wait go first."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from rushes.jobs import turns
from rushes.jobs.database import Database
from rushes.jobs.turns import Turns


class Pauses:
    """What stands in for a wait: it counts, and does what is to happen meanwhile."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self._meanwhile = meanwhile

    def wait(self, _seconds: float) -> None:
        self.count += 1
        self._meanwhile()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url, patience_s=60)
    opened.write(lambda connection: connection.execute(text("CREATE TABLE written (by TEXT)")))
    yield opened
    opened.close()


def writes(by: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text("INSERT INTO written VALUES (:by)"), {"by": by})


def written(database: Database) -> list[str]:
    return list(database.read(lambda connection: connection.execute(text("SELECT by FROM written")).scalars().all()))


def test_a_writer_pauses_once_where_another_process_waits(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused = Pauses()
    monkeypatch.setattr(turns, "_never", paused)
    database.write(writes("first"))
    assert paused.count == 0, "nobody waits"
    other = Turns(tmp_path / "jobs.db")
    with other.waiting():
        database.write(writes("second"))
        assert paused.count == 1
    database.write(writes("third"))
    assert paused.count == 1, "nobody waits any more"
    other.close()


def test_who_finds_the_file_taken_says_so_until_it_is_theirs(database: Database, url: str, tmp_path: Path) -> None:
    """The other process holds the file until it sees that somebody waits for it."""
    program = """
import fcntl, os, sqlite3, sys, time
taken = sqlite3.connect(sys.argv[1], isolation_level=None)
taken.execute("BEGIN IMMEDIATE")
print("taken", flush=True)
turn = os.open(sys.argv[1] + "-turn", os.O_RDWR)
while True:
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(turn, fcntl.LOCK_UN)
        time.sleep(0.001)
    except BlockingIOError:
        break
taken.execute("INSERT INTO written VALUES ('the other')")
taken.execute("COMMIT")
"""
    argv = [sys.executable, "-c", program, str(tmp_path / "jobs.db")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "taken\n"
        database.write(writes("ours"))
        assert other.wait(30) == 0
    assert written(database) == ["the other", "ours"]
    assert Turns(tmp_path / "jobs.db")._locked(turns.fcntl.LOCK_EX), "nobody waits any more"


def test_a_process_that_dies_waiting_is_waited_for_by_nobody(database: Database, tmp_path: Path) -> None:
    program = """
import os, sys; from pathlib import Path; from rushes.jobs.turns import Turns
with Turns(Path(sys.argv[1])).waiting(): os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "jobs.db")], timeout=60)
    assert Turns(tmp_path / "jobs.db")._locked(turns.fcntl.LOCK_EX)


def test_where_no_such_file_can_be_had_all_goes_on_without(tmp_path: Path) -> None:
    alone = Turns(tmp_path / "missing" / "jobs.db")
    alone.give_way()
    with alone.waiting():
        alone.give_way()
    alone.close()
