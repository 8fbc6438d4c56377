"""What is said of a model before it is added: what is known of it as known, and what is not as an estimate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN, mini
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


def test_the_model_that_comes_with_the_package_is_told_of_too(tmp_path: Path) -> None:
    said: Any = json.loads(told("info", "Rushes/Mini", "--json", "--data", str(tmp_path)))
    assert (said["id"], said["here"], said["revision"]) == ("rushes/mini", True, mini.CARD.revision)
    assert said["limits"]["seconds"]["maximum"] == 10
    assert mini.CARD.description in told("info", "rushes/mini", "--data", str(tmp_path))


@pytest.mark.parametrize(
    "words",
    [
        ("models", "--data", "elsewhere", "list"),
        ("models", "--data", "elsewhere", "remove", "wan2.1-t2v-1.3b"),
        ("models", "--json", "info", "rushes/mini"),
        ("jobs", "--json", "watch", "an-id"),
        ("jobs", "--owner", "ann", "watch", "an-id"),
    ],
    ids=" ".join,
)
def test_an_option_that_the_command_behind_it_would_never_hear_of_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert words[1] in done.output
    assert "write it behind the command" in done.output
    assert not list(tmp_path.iterdir())


def test_a_slip_is_told_what_was_meant_and_no_list_of_all(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["models", "info", "wan2.1-t2v-1.3", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert "given wan2.1-t2v-1.3; allowed: a known model, of which `rushes models --all` has" in done.stderr
    assert done.stderr.endswith("Hint: did you mean wan2.1-t2v-1.3b?\n")
