"""What is PostgreSQL's alone: a server that dies, one that is durable, a process that stands still inside a change."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator

import pytest
from job_cases import MODEL, asked, eventually, made
from postgresql import SUPERUSER, Server

from rushes.contract.job import JobState
from rushes.errors import Unavailable, WrongSetup
from rushes.jobs import database
from rushes.jobs.database import Database
from rushes.jobs.limits import Idempotency
from rushes.jobs.store import JobStore


def test_a_server_that_is_killed_and_comes_back_has_every_accepted_job(durable: Server) -> None:
    store = JobStore(durable.url(), patience_s=1)
    first = store.add("ann", asked())
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    second = store.add("ann", asked(), idempotency=Idempotency("k", "h", 60))
    durable.stop(signal.SIGQUIT)
    for attempt in (lambda: store.get(first.id), lambda: store.renew(claim), lambda: store.add("ann", asked())):
        with pytest.raises(Unavailable):
            attempt()
    durable.start(durable=True)

    def back() -> bool:
        try:
            return store.get(first.id).state is JobState.RUNNING
        except Unavailable:
            return False

    eventually(back, within_s=60)
    # Whether a change that was under way got through is not known to who sent it; its key tells.
    assert store.add("ann", asked(), idempotency=Idempotency("k", "h", 60)).id == second.id
    assert store.finish(claim, made()).state is JobState.SUCCEEDED
    store.close()


def test_a_process_that_stands_still_inside_a_change_does_not_hold_up_the_others(
    postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql.url()
    store = JobStore(url, patience_s=60)
    job = store.add("ann", asked())
    frozen = Database(url)
    inside, thaw = threading.Event(), threading.Event()
    told: list[Exception] = []

    def stand_still() -> None:
        def work(connection: object) -> None:
            database.in_turn(connection, "claim")  # type: ignore[arg-type]
            inside.set()
            thaw.wait(60)

        try:
            frozen.write(work)
        except Exception as error:
            told.append(error)

    thread = threading.Thread(target=stand_still)
    with monkeypatch.context() as alone:  # the others, too, may be held up between two statements
        alone.setattr(database, "STOPPED_S", 2.0)
        thread.start()
        assert inside.wait(30)
    claim = store.claim("w1", [MODEL])  # waits until the server has ended the other's transaction
    assert claim is not None
    assert claim.job.id == job.id
    thaw.set()
    thread.join(60)
    assert [type(error) for error in told] == [Unavailable]
    frozen.close()
    store.close()


def test_a_deadlock_is_tried_again(postgresql: Server) -> None:
    url = postgresql.url()
    databases = [Database(url), Database(url)]
    held = threading.Barrier(2, timeout=60)
    tries = [0, 0]

    def cross(number: int) -> None:
        def work(connection: object) -> None:
            tries[number] += 1
            database.in_turn(connection, f"lock{number}")  # type: ignore[arg-type]
            if tries[number] == 1:
                held.wait()
            database.in_turn(connection, f"lock{1 - number}")  # type: ignore[arg-type]

        databases[number].write(work)

    threads = [threading.Thread(target=cross, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for opened in databases:
        opened.close()
    assert sum(tries) >= 3


def test_a_server_that_is_not_there_is_said_in_one_sentence() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        JobStore("postgresql://nobody@/nothing?host=/nowhere", patience_s=1)


def test_without_its_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WrongSetup, match=r"pip install 'rushes\[postgresql\]'"):
        JobStore("postgresql://somebody@/jobs")


def test_a_server_that_is_not_there_is_told_of_once_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Unavailable, match=r"cannot be reached: .*/nowhere") as refused:
        JobStore("postgresql://nobody@/nothing?host=/nowhere", patience_s=1)
    assert "\n" not in refused.value.message
    assert caplog.text == ""


def _name(url: str) -> str:
    return url.split("/")[3].partition("?")[0]


@pytest.fixture
def low(postgresql: Server) -> Iterator[tuple[str, str]]:
    """A database, and its address for a role that was granted nothing."""
    url = postgresql.url()
    name = _name(url)
    postgresql.say("CREATE ROLE low LOGIN", name)
    yield name, url.replace(f"{SUPERUSER}@", "low@")
    postgresql.say("DROP OWNED BY low", name)
    postgresql.say("DROP ROLE low", name)


def test_a_user_who_may_make_no_tables_is_refused_with_what_to_do(low: tuple[str, str]) -> None:
    with pytest.raises(WrongSetup, match=r"this user may not make or change its tables.*GRANT CREATE ON SCHEMA"):
        JobStore(low[1], patience_s=1)


def test_a_user_who_may_only_read_is_refused_at_the_start(postgresql: Server, low: tuple[str, str]) -> None:
    name, url = low
    JobStore(url.replace("low@", f"{SUPERUSER}@")).close()
    postgresql.say("GRANT SELECT ON ALL TABLES IN SCHEMA public TO low", name)
    with pytest.raises(WrongSetup, match="this user may not make or change its tables"):
        JobStore(url, patience_s=1)


def test_a_database_that_takes_no_changes_for_a_while_is_unavailable_meanwhile(postgresql: Server) -> None:
    url = postgresql.url()
    name = _name(url)
    store = JobStore(url, patience_s=1)

    def reads_only(only: str) -> None:  # as after a failover to a standby
        postgresql.say(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {only}', "postgres")
        store._database._engine.dispose()  # the setting holds for connections from now on

    job = store.add("ann", asked())
    reads_only("on")
    with pytest.raises(Unavailable):
        store.add("ann", asked())
    assert store.get(job.id).state is JobState.QUEUED
    with pytest.raises(WrongSetup, match="takes no changes"):
        JobStore(url, patience_s=1)
    reads_only("off")
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    assert claim.job.id == job.id
    store.close()
