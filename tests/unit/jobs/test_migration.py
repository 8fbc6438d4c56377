"""A database that an older Rushes wrote is brought up to now, with whatever waits or runs in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from job_cases import MODEL, asked, made
from sqlalchemy import Connection, create_engine, inspect, text

from rushes.contract.job import Checkpoint, JobState
from rushes.jobs.claims import Claim
from rushes.jobs.limits import Idempotency
from rushes.jobs.store import JobStore
from rushes.jobs.tables import SCHEMA_VERSION, metadata

DONE, RUNNING, WAITING, PAUSED = (f"01900000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3, 4))


@pytest.fixture
def schema(request: pytest.FixtureRequest) -> int:
    return int(getattr(request, "param", 2))


@pytest.fixture
def old(url: str, schema: int) -> str:
    """The URL of a database of an older schema."""
    script = Path(__file__).with_name(f"schema_{schema}.sql")
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for statement in script.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement)
    engine.dispose()
    return url


def shape(connection: Connection) -> dict[str, tuple[set[str], set[str | None]]]:
    """Names of columns and indexes of every table."""
    seen = inspect(connection)
    return {
        table: ({c["name"] for c in seen.get_columns(table)}, {i["name"] for i in seen.get_indexes(table)})
        for table in seen.get_table_names()
    }


@pytest.mark.parametrize("schema", [1, 2], indirect=True)
def test_jobs_of_an_older_schema_are_all_there_and_go_on(old: str) -> None:
    store = JobStore(old)
    done, running, waiting = (store.get(id) for id in (DONE, RUNNING, WAITING))
    assert (done.state, done.artifact, done.request) == (JobState.SUCCEEDED, made(), asked())
    assert (running.state, running.step, running.checkpoint) == (JobState.RUNNING, 4, None)
    assert (waiting.state, waiting.held, waiting.priority) == (JobState.QUEUED, False, 0)
    assert [event.type for event in store.events(RUNNING)] == ["queued", "running", "progress"]
    assert store.keys.owner_of("digest-of-ann") == "ann"

    claim = store.claim("w2", [MODEL])
    assert claim is not None
    assert claim.job.id == WAITING
    theirs = Claim(running, "token-of-w1", 30.0)  # a worker that was started by the older program is still at it
    assert not store.renew(theirs).cancel
    assert store.finish(theirs, made("late.mp4")).state is JobState.SUCCEEDED
    store.close()


def test_a_paused_job_of_schema_2_keeps_its_checkpoint_and_its_key(old: str) -> None:
    store = JobStore(old)
    paused = store.get(PAUSED)
    assert (paused.held, paused.checkpoint, paused.setbacks) == (True, Checkpoint("4.1-6", 6, "f", "cd" * 32), 0)
    known = Idempotency("the fourth", "hash of its body", 86_400)
    assert store.add("ann", asked(), idempotency=known).id == PAUSED
    store.resume(PAUSED)
    store.cancel(WAITING)
    claim = store.claim("w2", [MODEL])
    assert claim is not None
    assert (claim.job.id, claim.job.attempt, claim.job.checkpoint) == (PAUSED, 2, paused.checkpoint)
    assert [job.id for job in store.list("ann", states=[JobState.RUNNING])] == [PAUSED, RUNNING]
    store.close()


@pytest.mark.parametrize("schema", [1, 2], indirect=True)
def test_an_old_database_becomes_the_same_as_a_new_one(old: str) -> None:
    JobStore(old).close()
    JobStore(old).close()  # the second start finds nothing left to do
    engine = create_engine(old.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        became = shape(connection)
        version = connection.execute(text("SELECT version FROM schema_version")).scalars().all()
    engine.dispose()
    assert version == [SCHEMA_VERSION]
    assert became == {
        name: ({c.name for c in table.columns}, {i.name for i in table.indexes})
        for name, table in metadata.tables.items()
    }
