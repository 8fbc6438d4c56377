"""What is said of a model before it is added: what is known of it as known, and what is not as an estimate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.cli.app import app


def told(*words: str) -> str:
    done = CliRunner().invoke(app, ["models", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("card", OPEN, ids=lambda card: card.id)
def test_a_size_that_nobody_counted_is_said_to_be_estimated(card: Card, tmp_path: Path) -> None:
    weights = card.weights
    assert weights is not None
    said: Any = json.loads(told("info", card.id, "--json", "--data", str(tmp_path)))
    assert said["download"].startswith("about ")
    assert ("size estimated" in said["download"]) == (weights.counted is None)
    assert weights.counted is None or weights.counted in said["download"]
    assert said.get("seen_at") == weights.commit
    assert said["licence"] == card.licence
    line = next(line for line in told("info", card.id, "--data", str(tmp_path)).splitlines() if "download" in line)
    assert said["download"] in line


def test_both_kinds_are_there() -> None:
    """Or the table above would hold of nothing."""
    assert {card.weights.counted is None for card in OPEN if card.weights} == {True, False}


def test_a_list_of_what_could_be_added_says_about_how_large(tmp_path: Path) -> None:
    lines = [line for line in told("list", "--all", "--data", str(tmp_path)).splitlines() if line.startswith("to add:")]
    assert len(lines) == len(OPEN)
    assert all(", about " in line for line in lines)
