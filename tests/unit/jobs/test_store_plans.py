"""What a look costs: which index answers it, and that what is rare is not looked for among all that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from job_cases import MODEL, asked, made
from sqlalchemy import event

from rushes.contract.job import Job, JobState
from rushes.jobs.store import JobStore
from rushes.jobs.tables import LISTED

OTHER = "other/model"


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@contextmanager
def said(store: JobStore) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that the store sends meanwhile, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def hear(connection: object, cursor: object, statement: str, parameters: Any, context: object, many: bool) -> None:
        sent.append((statement, parameters))

    engine = store._database._engine
    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def plans(store: JobStore, ask: Callable[[], object]) -> str:
    """How SQLite goes about the SELECTs that `ask` makes."""
    with said(store) as sent:
        ask()
    with store._database._engine.connect() as connection:
        return "\n".join(
            row[3]
            for statement, parameters in sent
            if statement.lstrip().startswith(("SELECT", "WITH"))
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        )


@pytest.mark.parametrize("model", [None, MODEL])
@pytest.mark.parametrize("after", [None, "01900000-0000-7000-8000-000000000000"])
@pytest.mark.parametrize("states", [[JobState.FAILED], [JobState.QUEUED, JobState.RUNNING], None])
def test_a_pick_is_found_in_the_index_of_picks(
    sqlite: JobStore, states: list[JobState] | None, after: str | None, model: str | None
) -> None:
    if states is None and model is None:
        pytest.skip("nothing is picked")
    plan = plans(sqlite, lambda: sqlite.list("ann", states=states, model=model, after=after))
    for state in JobState if states is None else states:
        assert f"SEARCH jobs USING COVERING INDEX {LISTED}{state} (owner=? AND state=?" in plan, plan
    assert "SCAN jobs" not in plan, plan
    assert "jobs_of_owner " not in plan, plan
    if states is not None:
        assert "TEMP B-TREE FOR ORDER" not in plan, plan


def test_a_whole_list_is_walked_in_its_order(sqlite: JobStore) -> None:
    plan = plans(sqlite, lambda: sqlite.list("ann"))
    assert "jobs_of_owner (owner=?" in plan
    assert "TEMP B-TREE FOR ORDER" not in plan


def test_a_place_is_counted_along_the_index_of_those_that_wait(sqlite: JobStore) -> None:
    job = sqlite.add("ann", asked())
    plan = plans(sqlite, lambda: sqlite.get(job.id))
    assert "SEARCH other USING COVERING INDEX jobs_waiting_in_order (priority<?)" in plan, plan
    assert "SCAN jobs" not in plan, plan


def test_what_a_claim_looks_at_is_found_in_the_indexes_of_the_few_rows_that_wait_or_run(sqlite: JobStore) -> None:
    sqlite.add("ann", asked())
    plan = plans(sqlite, lambda: sqlite.claim("w1", [MODEL], loaded=[MODEL]))
    few = ("jobs_waiting_of_owner", f"{LISTED}queued", "jobs_running_of_owner", f"{LISTED}running", "autoindex_jobs_1")
    looks = [line for line in plan.splitlines() if " INDEX " in line]
    assert looks
    assert all(any(index in line for index in (*few, "jobs_claimed_of_owner (owner=?")) for line in looks), plan


def test_rows_of_a_rare_state_are_not_looked_for_among_the_others(sqlite: JobStore) -> None:
    """Counted in what SQLite does, and not in time: a walk past ten thousand rows is that many steps and more."""
    first = sqlite.add("ann", asked())
    sqlite.cancel(first.id)
    with sqlite._database._engine.begin() as connection:
        columns = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(jobs)")]
        new = {"id": "printf('f%06d', number)", "state": "'succeeded'"}
        values = ", ".join(new.get(name, name) for name in columns)
        numbers = "SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 10000"
        many = f"SELECT {values} FROM numbers, (SELECT * FROM jobs)"  # noqa: S608 - our own names
        connection.exec_driver_sql(
            f"WITH RECURSIVE numbers(number) AS ({numbers}) INSERT INTO jobs ({', '.join(columns)}) {many}"
        )
    ticks = 0

    def tick() -> None:
        nonlocal ticks
        ticks += 1

    def count(connection: Any, record: object, proxy: object) -> None:
        connection.set_progress_handler(tick, 100)

    event.listen(sqlite._database._engine, "checkout", count)
    assert [job.id for job in sqlite.list("ann", states=[JobState.CANCELLED])] == [first.id]
    assert ticks < 50, f"{100 * ticks} steps"


def test_each_pick_gives_the_pages_that_looking_through_all_would(store: JobStore) -> None:
    jobs: list[Job] = []
    for number in range(24):
        asked_model = (MODEL, OTHER, "alias/model")[number % 3]
        made_by = MODEL if asked_model == "alias/model" else asked_model
        jobs.append(store.add("ann" if number % 5 else "bob", asked(model=asked_model, made_by=made_by)))
    for _ in range(6):
        claim = store.claim("w1", [MODEL, OTHER])
        assert claim is not None
        store.finish(claim, made())
    store.claim("w2", [MODEL])
    store.cancel(jobs[-1].id)
    rows = [store.get(job.id) for job in jobs]
    for states in (None, [JobState.SUCCEEDED], [JobState.QUEUED, JobState.RUNNING], [JobState.FAILED], []):
        for model in (None, MODEL, "alias/model", "unknown/model"):
            for newest in (True, False):
                fits = [
                    job.id
                    for job in (reversed(rows) if newest else rows)
                    if job.owner == "ann"
                    and (states is None or job.state in states)
                    and (model is None or model in (job.request.model, job.request.made_by))
                ]
                for limit, (after, at) in ((3, (None, 0)), *((2, (id, n + 1)) for n, id in enumerate(fits[:3]))):
                    page = store.list("ann", limit=limit, after=after, newest=newest, states=states, model=model)
                    assert [job.id for job in page] == fits[at : at + limit], (states, model, newest, after)
                assert all(one < other if not newest else one > other for one, other in pairwise(fits))
