"""Figures: what a test of this folder found out, for the table that `make chaos` prints."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from straced import may_trace


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """`figure(what, how much)`."""
    return record_property


@pytest.fixture(scope="session")
def tracing() -> None:
    if not may_trace():
        pytest.skip("there is no strace here, or it may not look into other processes")
