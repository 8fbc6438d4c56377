"""Opening, waiting and failing of a database."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from job_cases import asked
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from rushes.errors import Unavailable, WrongSetup
from rushes.jobs import ids
from rushes.jobs.store import JobStore
from rushes.jobs.tables import SCHEMA_VERSION, jobs, metadata


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "new" / "jobs.db"


def open_store(file: Path, patience_s: float = 10.0) -> JobStore:
    return JobStore(f"sqlite:///{file}", patience_s=patience_s)


def test_four_programs_may_open_a_fresh_database_at_once(file: Path) -> None:
    program = "import sys; from rushes.jobs.store import JobStore; JobStore(sys.argv[1]); print('open')"
    argv = [sys.executable, "-c", program, f"sqlite:///{file}"]
    starting = [subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
    assert [child.communicate(timeout=120)[0] for child in starting] == ["open\n"] * 4
    store = open_store(file)
    store.add("ann", asked())
    store.close()


def test_eight_threads_may_open_a_fresh_database_at_once(file: Path) -> None:
    failed = []

    def start() -> None:
        try:
            open_store(file).close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_sqlite_writes_ahead_and_syncs_each_commit(file: Path) -> None:
    store = open_store(file)
    with store._database._engine.connect() as connection:
        read = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")}
    store.close()
    assert read == {"journal_mode": "wal", "synchronous": 2}


def test_the_data_directory_is_its_users_alone(file: Path) -> None:
    open_store(file).close()
    assert file.parent.stat().st_mode & 0o077 == 0


def test_a_database_of_a_newer_rushes_is_refused_and_left_alone(file: Path) -> None:
    open_store(file).close()
    connection = sqlite3.connect(file)
    with connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    with pytest.raises(WrongSetup, match=rf"newer Rushes: schema 99, and this program knows {SCHEMA_VERSION}"):
        open_store(file)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "jobs.db"
    file.write_bytes(b"this is a letter to my aunt, not a database" * 100)
    with pytest.raises(WrongSetup, match="damaged or not a database"):
        open_store(file)
    assert file.read_bytes().startswith(b"this is a letter")


@pytest.mark.parametrize(
    "tables",
    [
        ["CREATE TABLE jobs (id INTEGER PRIMARY KEY, title TEXT)"],
        ["CREATE TABLE usage (day TEXT)"],
        ["CREATE TABLE schema_version (version INTEGER)", "INSERT INTO schema_version VALUES (3)"],
        ["CREATE TABLE schema_version (version INTEGER)", "CREATE TABLE jobs (id INTEGER PRIMARY KEY, title TEXT)"],
        ["CREATE TABLE schema_version (installed_rank INTEGER, version TEXT)", "CREATE TABLE jobs (id INTEGER)"],
    ],
)
def test_tables_of_another_program_are_refused_and_left_alone(tmp_path: Path, tables: list[str]) -> None:
    file = tmp_path / "jobs.db"
    connection = sqlite3.connect(file)
    with connection:
        for statement in tables:
            connection.execute(statement)
    with pytest.raises(WrongSetup, match="tables of another program"):
        open_store(file)
    there = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    assert [sql for (sql,) in there] == [statement for statement in tables if statement.startswith("CREATE")]


@pytest.mark.parametrize("what", ["the file", "the folder", "both"])
def test_a_database_that_may_not_be_written_is_refused_once_with_its_place_and_reason(what: str) -> None:
    # Root may write anything: so the child becomes somebody else, and the folder is one that they can reach.
    program = """if True:
        import os, sys
        from rushes.errors import WrongSetup
        from rushes.jobs.store import JobStore
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            JobStore(sys.argv[1])
        except WrongSetup as error:
            print(error.message)
    """
    with tempfile.TemporaryDirectory() as made:
        file = Path(made, "jobs.db")
        open_store(file).close()
        owner_too = 0o500 if os.geteuid() else 0o755
        file.chmod(0o444 if what != "the folder" else 0o666)
        file.parent.chmod(owner_too if what != "the file" else 0o777)
        argv = [sys.executable, "-c", program, f"sqlite:///{file}"]
        said = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
        file.parent.chmod(0o700)
    assert said.count("\n") == 1
    assert str(file) in said
    assert re.search("it may not be written|it cannot be opened", said)


def test_a_database_whose_file_is_a_folder_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").mkdir()
    with pytest.raises(WrongSetup, match=r"jobs\.db cannot be used: it cannot be opened"):
        open_store(tmp_path / "jobs.db")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///jobs.db?timeout=5",
        "sqlite:///file:jobs.db?mode=ro&uri=true",
        "sqlite+aiosqlite:///jobs.db",
        "postgresql://localhost:port/x",
        "postgresql://localhost:1/x?colour=blue",
        "mysql://localhost/x",
        "jobs.db",
        "",
    ],
)
def test_a_url_that_cannot_hold_jobs_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongSetup, match="database url"):
        JobStore(url)
    assert list(tmp_path.iterdir()) == []


def test_what_of_a_password_is_taken_for_a_host_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(WrongSetup, match="@ is written as %40") as refused:
        JobStore("postgresql://ann:first@second@localhost:1/x", patience_s=0.1)
    assert "second" not in refused.value.message + caplog.text


def test_a_writer_waits_for_another_and_then_goes_on(file: Path) -> None:
    store = open_store(file, patience_s=60.0)
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    committed: list[bool] = []

    def commit() -> None:
        committed.append(True)
        other.execute("COMMIT")

    timer = threading.Timer(1.5, commit)
    timer.start()
    store.add("ann", asked())
    assert committed, "it had to wait"
    timer.join()
    other.close()
    store.close()


def test_a_writer_gives_up_as_unavailable_and_readers_are_not_blocked(file: Path) -> None:
    store = open_store(file, patience_s=1.5)
    job = store.add("ann", asked())
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(Unavailable, match="busy"):
        store.add("ann", asked())
    assert time.monotonic() - began < 30.0
    assert store.get(job.id) == job
    other.execute("ROLLBACK")
    store.add("ann", asked())
    other.close()
    store.close()


def test_a_deleted_prompt_is_not_left_in_the_file(file: Path) -> None:
    store = open_store(file)
    job = store.add("ann", asked(prompt="the-canary-sings"))
    store.delete(job.id)
    store.close()  # the last connection folds the write-ahead log into the file
    assert b"the-canary-sings" not in file.read_bytes()


def test_ids_do_not_step_back_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = [ids.new_id() for _ in range(3)]
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_000_000_000_000_000_000)
    after = [ids.new_id() for _ in range(3)]
    assert before + after == sorted({*before, *after})
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", id) for id in after)


def test_the_same_tables_can_be_said_to_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in metadata.sorted_tables:
        assert str(CreateTable(table).compile(dialect=dialect))
    waiting = next(index for index in jobs.indexes if index.name == "jobs_waiting")
    assert "WHERE state = 'queued'" in str(CreateIndex(waiting).compile(dialect=dialect))
    locked = select(jobs.c.id).limit(1).with_for_update(skip_locked=True)
    assert "FOR UPDATE SKIP LOCKED" in str(locked.compile(dialect=dialect))
