"""Stores on real databases. Every test that takes `store` runs once for each kind of URL below."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rushes.jobs.store import JobStore

DATABASES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda folder: f"sqlite:///{folder / 'jobs.db'}",
}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return DATABASES[request.param](tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    opened = JobStore(url, patience_s=10)
    yield opened
    opened.close()


@pytest.fixture
def let_leases_run_out(tmp_path: Path) -> Callable[[], None]:
    """Set every lease to a moment long past, as if the time had gone by."""

    def expire() -> None:
        connection = sqlite3.connect(tmp_path / "jobs.db", timeout=10)
        with connection:
            connection.execute("UPDATE jobs SET lease_until = 1 WHERE state = 'running'")
        connection.close()

    return expire
