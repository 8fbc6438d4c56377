"""Transactions on SQLite and PostgreSQL: the few places where the two differ, and patience when the file is busy."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Double, Engine, create_engine, event, func, literal_column, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from rushes.errors import Unavailable, WrongSetup
from rushes.jobs.tables import prepare_schema
from rushes.jobs.together import Together
from rushes.jobs.turns import Turns

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE_S = 30.0
"""How long a transaction is tried before the answer is `Unavailable`."""

# Who waits for an SQLite file polls it, and gets through only in a moment between two writers. SQLite itself soon
# looks ten times a second: beside a writer that does not pause it took seconds to meet such a moment, at worst longer
# than any patience. So it does not wait at all, and we look again every few milliseconds, with jitter, one thread of a
# process at a time; turns.py leaves those moments.
LOOKS_AGAIN_S = {"sqlite": (0.002, 0.015), "postgresql": (0.01, 0.5)}
"""How long a busy database is left alone at most: at first, and after some doubling in the end."""

LOCK_TIMEOUT_S = 1.0
"""On PostgreSQL: how long it waits for a lock itself, which it does in turn."""

STOPPED_S = 10.0
"""On PostgreSQL: how long a transaction may stand still before the server ends it."""

_CLOCKS = {
    "sqlite": "((julianday('now') - 2440587.5) * 86400.0)",
    "postgresql": "extract(epoch from clock_timestamp())::double precision",
}

_never = threading.Event()  # waiting on it is a sleep that also works under libfaketime, where time.sleep fails


class Disk(Protocol):
    """What the database lies on."""

    def require_room(self) -> None:
        """Raises `StorageUnavailable` where too little is left for another job."""

    def release_reserve(self) -> bool:
        """Give room back that was kept for this; False where there was none to give."""
        ...


def in_turn(connection: Connection, name: str) -> None:
    """Let one transaction at a time through here, on any machine, until it ends.

    On SQLite every writing transaction is that already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


class Database:
    """One database, opened and with its tables in place.

    `url` is an SQLAlchemy URL. An SQLite database is a file on a local disk; its directory is made where missing.
    `now` is the database's own clock, in Unix seconds: a lease must not depend on whose machine reads it.
    Raises `WrongSetup` where the URL names nothing usable, it may not be written or is no database of ours, and
    `Unavailable` with the reason where it cannot be reached.
    """

    def __init__(self, url: str, *, patience_s: float = PATIENCE_S, disk: Disk | None = None) -> None:
        self._patience_s = patience_s
        self._disk = disk
        # SQLite has one writer at a time: inside this process a lock is a fairer queue than the file's own.
        self._writing = threading.Lock()
        self._together = Together(self.write, patience_s)
        self._engine = _opened(url)
        self._opening = True
        self._file = file = sqlite_file(url)
        self._turns = None if file is None else Turns(file)
        self._writer = self._engine.execution_options(rushes_writes=True)
        self.now: ColumnElement[float] = literal_column(_CLOCKS[self._engine.dialect.name], Double)
        try:
            if file is not None and file.exists() and not os.access(file, os.W_OK):
                raise _shut(file, sqlite3.SQLITE_READONLY)  # SQLite would open it, and refuse the first job
            if self._engine.dialect.name == "sqlite":
                self._patiently(self._enter_wal, time.monotonic() + patience_s)
            self.write(prepare_schema)
        except BaseException:
            self.close()
            raise
        self._opening = False

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` reads, from one consistent state. Raises `Unavailable` when the patience is over."""

        def attempt() -> T:
            with self._engine.begin() as connection:
                return work(connection)

        return self._patiently(attempt, time.monotonic() + self._patience_s)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` as one durable transaction; return its result after the commit.

        `work` may run more than once, so it touches nothing but the connection. An exception of its own undoes it.
        Raises `Unavailable` when the patience is over.
        """

        def attempt() -> T:
            with self._writer.begin() as connection:
                return work(connection)

        deadline = time.monotonic() + self._patience_s
        if not self._writing.acquire(timeout=self._patience_s):
            raise Unavailable("the job database is busy; try again in a moment")
        try:
            if self._turns is None:
                return self._patiently(attempt, deadline)
            self._turns.give_way()
            try:
                return attempt()
            except (DatabaseError, InterfaceError, sqlite3.DatabaseError) as error:
                if not _busy(error):
                    return self._patiently(attempt, deadline)
            with self._turns.waiting():
                return self._patiently(attempt, deadline)
        finally:
            self._writing.release()

    def write_together(self, work: Callable[[Connection], T]) -> T:
        """`write`, for what comes in bursts: on SQLite those who wait at the same moment share one commit.

        PostgreSQL does the same for those who commit at the same moment by itself.
        """
        return self._together.write(work) if self._engine.dialect.name == "sqlite" else self.write(work)

    def close(self) -> None:
        self._engine.dispose()
        if self._turns is not None:
            self._turns.close()

    def _patiently(self, attempt: Callable[[], T], deadline: float) -> T:
        """Try `attempt` again while the database is busy."""
        longest_wait_s, longest_s = LOOKS_AGAIN_S[self._engine.dialect.name]
        while True:
            try:
                return attempt()
            except NoFreeConnection:
                raise Unavailable("every connection to the job database is taken; try again in a moment") from None
            # While a connection opens, the error is the driver's own.
            except (DatabaseError, InterfaceError, sqlite3.DatabaseError) as error:
                if _full(error) and self._disk is not None and self._disk.release_reserve():
                    log.warning("the disk that holds the job database is full; using what was kept in reserve")
                    continue
                if not _busy(error):
                    raise _explained(error, self._file, opening=self._opening) from error
            if time.monotonic() >= deadline:
                raise Unavailable("the job database is busy; try again in a moment")
            _never.wait(random.uniform(0.0, longest_wait_s))  # noqa: S311 - jitter, not a secret
            longest_wait_s = min(longest_wait_s * 2, longest_s)

    def _enter_wal(self) -> None:
        """Readers and the one writer do not block each other in WAL; the file stays in it for good.

        Done once and outside a transaction. Two programs that switch a fresh file at the same time get "locked" at
        once, whatever the busy timeout says, which is why it runs under our own retries.
        """
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode=WAL")
        finally:
            connection.close()


def sqlite_file(url: str) -> Path | None:
    """The file that holds the database of this URL; None where it is another kind, or none at all."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return None
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def _opened(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise WrongSetup(
            field="database url", allowed="an SQLAlchemy URL such as sqlite:////home/me/rushes/jobs.db"
        ) from None
    dialect = parsed.get_backend_name()
    if dialect not in _CLOCKS:
        raise WrongSetup(field="database url", given=dialect, allowed=" or ".join(_CLOCKS))
    if "@" in (parsed.host or ""):  # the rest of a password, which the driver would write into the log
        raise WrongSetup(field="database url", allowed="a user name and a password in which @ is written as %40")
    if dialect == "postgresql":
        return _opened_postgresql(parsed)
    if not parsed.database or parsed.database == ":memory:":
        raise WrongSetup(
            field="database url",
            given="a database in memory",
            allowed="a file",
            hint="workers are programs of their own and read the same file",
        )
    if parsed.query or parsed.get_driver_name() != "pysqlite":
        raise WrongSetup(
            field="database url",
            given="options or a driver for sqlite",
            allowed="sqlite:/// and the path of a file",
            hint="what the file is opened with is settled here",
        )
    folder = Path(parsed.database).parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise WrongSetup(f"the directory {folder} for the job database cannot be made: {error.strerror}") from error
    # hide_parameters: an error's text would otherwise carry prompts into the log.
    engine = create_engine(
        parsed,
        connect_args={"timeout": 0},
        # More than there are threads that ask: one beyond the pool's size is opened for one question and closed again.
        # The last one back goes out first, so that what a calm day needs is few, each with its pages at hand.
        pool_size=48,
        max_overflow=0,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _opened_postgresql(url: URL) -> Engine:
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            hide_parameters=True,
            # Prepared statements belong to one connection, and a pooler in between may give us another each time.
            connect_args={"connect_timeout": 10, "tcp_user_timeout": 15_000, "prepare_threshold": None},
        )
    except ModuleNotFoundError:
        raise WrongSetup(
            field="database url",
            given="postgresql",
            allowed="sqlite, until the driver for PostgreSQL is installed",
            hint="pip install 'rushes[postgresql]'",
        ) from None
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("rushes_writes", False):
        # A process that is stopped inside a transaction would keep what it locked until it runs again or dies.
        # Waiting for a lock is done in short spells, as with SQLite: the patience is ours.
        connection.exec_driver_sql(
            f"SET LOCAL idle_in_transaction_session_timeout = '{STOPPED_S:g}s'; "
            f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S:g}s'"
        )


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
    # A deleted prompt is overwritten. Each connection keeps pages that it read: 2 MB of them as SQLite comes, which is
    # what made a door that served many grow; a look needs a dozen, and the system has the rest at hand.
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "cache_size=-256"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that begins by reading and then writes cannot wait for its turn in SQLite: it fails at once.
    writes = connection.get_execution_options().get("rushes_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


Failure = DatabaseError | InterfaceError | sqlite3.DatabaseError

# Serialization failure, deadlock, lock timeout: this transaction was undone, and the next try may do better.
_BUSY_STATES = ("40001", "40P01", "55P03")
_FULL_STATE = "53100"
_STOOD_STILL_STATE = "25P03"  # see STOPPED_S; the driver counts it as an error of its own


def _sqlite_code(error: Failure) -> int:
    """SQLite's primary result code, 0 for another database."""
    return int(getattr(getattr(error, "orig", error), "sqlite_errorcode", 0)) & 0xFF


def _state(error: Failure) -> str | None:
    """PostgreSQL's SQLSTATE; None for another database, or where no server answered."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _busy(error: Failure) -> bool:
    return _sqlite_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) or _state(error) in _BUSY_STATES


def _full(error: Failure) -> bool:
    # "I/O error" is what SQLite says where the file of its shared memory cannot grow.
    return _sqlite_code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


_SHUT = {
    sqlite3.SQLITE_READONLY: "it may not be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened, or no file be made beside it",
    sqlite3.SQLITE_PERM: "it may not be opened",
}
_CLOSED = {
    "42501": "this user may not make or change its tables. "
    "Hint: let the user own the database, or say GRANT CREATE ON SCHEMA public there",
    "25006": "it takes no changes. Hint: it is a standby, or was set to read only; name the one that is written to",
}
"""The same of PostgreSQL, by SQLSTATE: the driver counts them among mistakes of ours."""


def _shut(file: Path, code: int) -> WrongSetup:
    return WrongSetup(
        f"the job database {file} cannot be used: {_SHUT[code]}. "
        "Hint: this user must be able to write the file and its folder, also to read jobs"
    )


def _explained(error: Failure, file: Path | None, *, opening: bool) -> Exception:
    """What a person may know of the failure; the library's own text stays in the log.

    `file`     the one of SQLite.
    `opening`  whether the database is being opened: who does that may know all, and hears it once; clients may not.
    """
    code, state = _sqlite_code(error), _state(error)
    if opening and file is not None and code in _SHUT:
        return _shut(file, code)
    if opening and state in _CLOSED:
        return WrongSetup(f"the job database cannot be used: {_CLOSED[state]}")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return WrongSetup(
            "the job database is damaged or not a database. "
            "Hint: it was not changed; restore it from a copy, or name another data directory"
        )
    if isinstance(error, ProgrammingError) and error.statement is None:  # no server was asked yet
        return WrongSetup(field="database url", allowed="options that PostgreSQL's own client takes")
    if code == sqlite3.SQLITE_FULL or state == _FULL_STATE:
        return Unavailable("the disk that holds the job database is full")
    away = (OperationalError, InterfaceError, sqlite3.OperationalError)
    if isinstance(error, away) or state == _STOOD_STILL_STATE or state in _CLOSED:
        reason = " ".join(str(getattr(error, "orig", error)).split())
        if opening:
            return Unavailable(f"the job database cannot be reached: {reason}")
        log.error("the job database failed: %s", reason)
        return Unavailable("the job database cannot be reached or written")
    return error  # a mistake of ours, such as a broken constraint: the edge that catches it logs it whole
