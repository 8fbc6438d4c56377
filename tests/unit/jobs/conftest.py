"""Stores on real databases. Every test that takes `store` runs once for each kind of database below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgresql import Server, installed, serving
from sqlalchemy import create_engine, text
from worker_cases import HeartsClock

from rushes.jobs.store import JobStore


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    with serving(installed()) as server:
        yield server


@pytest.fixture
def durable() -> Iterator[Server]:
    """A server of this test's own, which syncs each commit: it may be killed."""
    with serving(installed(), durable=True) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    server: Server = request.getfixturevalue("postgresql")
    return server.url()


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    opened = JobStore(url, patience_s=60)
    yield opened
    opened.close()


@pytest.fixture
def say(url: str) -> Callable[..., None]:
    """Change the database behind the store's back, by one statement and its parameters."""

    def run(statement: str, **parameters: object) -> None:
        patient = {"timeout": 60} if url.startswith("sqlite:") else {}
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), connect_args=patient)
        with engine.begin() as connection:
            connection.execute(text(statement), parameters)
        engine.dispose()

    return run


@pytest.fixture
def hearts_clock(monkeypatch: pytest.MonkeyPatch) -> HeartsClock:
    return HeartsClock(monkeypatch)


@pytest.fixture
def let_leases_run_out(say: Callable[..., None]) -> Callable[[], None]:
    """Set every lease to a moment long past, as if the time had gone by."""
    return lambda: say("UPDATE jobs SET lease_until = 1 WHERE state = 'running'")
