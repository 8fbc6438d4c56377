"""PostgreSQL killed in the middle of a commit: what was answered is there afterwards, and nothing is there twice."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from job_cases import MODEL, asked, eventually, made
from postgresql import Server, installed, serving

from rushes.contract.job import Job, JobState
from rushes.errors import Unavailable
from rushes.jobs.claims import Claim, Lost
from rushes.jobs.limits import Idempotency
from rushes.jobs.store import JobStore

T = TypeVar("T")

BEFORE_ITS_RECORD = (
    "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';"
    "CREATE CONSTRAINT TRIGGER linger AFTER INSERT OR UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION linger()"
)
"""A commit checks what was deferred before it writes its record; nothing of it is durable while it lingers here."""

STANDBY = "synchronous_standby_names"
"""With the name of a server that never comes, a commit that is durable here waits with its answer for ever."""

KILLS = 2


@pytest.fixture(scope="module")
def killable() -> Iterator[Server]:
    if not Path("/proc/self/task").exists():
        pytest.skip("which processes belong to the server is read from /proc")
    with serving(installed(), durable=True) as server:
        yield server


@pytest.fixture
def url(killable: Server) -> str:
    return killable.url()


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    opened = JobStore(url, patience_s=2)
    yield opened
    opened.close()


def key(name: object) -> Idempotency:
    return Idempotency(str(name), "same body", 3600)


def insisted(work: Callable[[], T]) -> T:
    """What `work` gives, as often as the database has to be asked."""
    found: list[T] = []

    def answered() -> bool:
        with suppress(Unavailable):
            found.append(work())
        return bool(found)

    eventually(answered, within_s=120)
    return found[0]


@pytest.mark.parametrize("recorded", [False, True], ids=["before its record", "after it and before the answer"])
@pytest.mark.parametrize("change", ["add", "finish"])
def test_killed_in_a_commit(killable: Server, url: str, store: JobStore, change: str, recorded: bool) -> None:
    name = url.partition("@/")[2].partition("?")[0]
    earlier = store.add("ann", asked())
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    if recorded:
        killable.say(f"ALTER SYSTEM SET {STANDBY} = 'nobody'", name)
        killable.say("SELECT pg_reload_conf()", name)
    else:
        killable.say(BEFORE_ITS_RECORD, name)

    def write() -> Job:
        return store.add("ann", asked(), idempotency=key("k")) if change == "add" else store.finish(claim, made())

    where = "SyncRep" if recorded else "PgSleep"
    waiting_for = "SELECT wait_event FROM pg_stat_activity WHERE query = 'COMMIT'"
    with ThreadPoolExecutor() as pool:
        writing = pool.submit(write)
        eventually(lambda: where in killable.say(waiting_for, name), within_s=60)
        assert not writing.done(), "nothing is answered before the commit is through"
        killable.kill()
        with pytest.raises(Unavailable):
            writing.result(timeout=60)
    killable.start(durable=True)
    if recorded:
        killable.say(f"ALTER SYSTEM RESET {STANDBY}", name)
        killable.say("SELECT pg_reload_conf()", name)
    else:
        killable.say("DROP FUNCTION linger CASCADE", name)

    assert insisted(lambda: store.get(earlier.id)).id == earlier.id
    if change == "add":
        assert len(store.list("ann")) == 1 + recorded
        again = store.add("ann", asked(), idempotency=key("k"))
        assert again.replayed == recorded
        assert len(store.list("ann")) == 2
        return
    assert store.get(earlier.id).state is (JobState.SUCCEEDED if recorded else JobState.RUNNING)
    if recorded:
        with pytest.raises(Lost):
            store.finish(claim, made())
    else:
        store.finish(claim, made())
    assert store.get(earlier.id).artifact == made()
    assert [event.type for event in store.events(earlier.id)] == ["queued", "running", "succeeded"]


def test_killed_again_and_again_under_writers(
    killable: Server, url: str, record_property: Callable[[str, object], None]
) -> None:
    over = threading.Event()
    accepted: dict[str, str] = {}  # key → id
    published: dict[str, str] = {}  # id → key of the file
    store = JobStore(url, patience_s=2)

    def ask(client: int) -> None:
        number = 0
        while not over.is_set():
            name = f"{client}-{number}"
            accepted[name] = insisted(lambda name=name: store.add("ann", asked(), idempotency=key(name))).id
            number += 1

    def work(worker: int) -> None:
        number = 0
        while not over.is_set():
            name = f"w{worker}-{number}"
            number += 1
            try:
                claim = store.claim(name, [MODEL])
            except Unavailable:  # whether it holds one, its parent finds out
                insisted(lambda name=name: store.rescue(worker=name))
                continue
            if claim is not None:
                publish(claim)

    def publish(claim: Claim) -> None:
        file = f"{claim.job.id}.{claim.job.attempt}.mp4"
        try:
            insisted(lambda: store.finish(claim, made(file)))
        except Lost:  # the try before it got through, and its answer did not
            artifact = insisted(lambda: store.get(claim.job.id)).artifact
            assert artifact is not None
            assert artifact.key == file
        published[claim.job.id] = file

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(2)]
    threads += [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(KILLS):
        before = len(accepted)
        eventually(lambda before=before: len(accepted) >= before + 5, within_s=120)
        over.wait(random.uniform(0.0, 0.2))  # noqa: S311 - a moment
        killable.kill()
        killable.start(durable=True)
    over.set()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)

    while (claim := insisted(lambda: store.claim("last", [MODEL]))) is not None:
        publish(claim)
    found = store.list("ann", limit=100_000)
    assert {job.id for job in found} == set(accepted.values()), "each that was answered, and no other"
    assert len(found) == len(accepted), "each key is one job"
    for job in found:
        types = [event.type for event in store.events(job.id)]
        assert job.state is JobState.SUCCEEDED
        assert types.count("succeeded") == 1, types
        assert types.count("running") == job.attempt, types
        assert job.artifact is not None
        assert job.artifact.key == published[job.id]
    store.close()
    record_property(f"{KILLS} kills", f"{len(accepted)} jobs accepted, 0 lost, 0 twice, each published once")
