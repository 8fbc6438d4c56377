"""Figures: what a test of this folder found out, for the table that `make chaos` prints."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str, object], None]:
    """`figure(what, how much)`."""
    return record_property
