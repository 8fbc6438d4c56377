"""`rushes keys`: a key is made, shown once, and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rushes.api.auth import key_digest
from rushes.assemble import build_store
from rushes.cli.app import app
from rushes.settings import Settings


def keys(data: Path, *words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, ["keys", *words, "--data", str(data)], input=stdin)


def owner_of(data: Path, key: str) -> str | None:
    store = build_store(Settings.load({"data": data}, {}))
    try:
        return store.keys.owner_of(key_digest(key))
    finally:
        store.close()


@pytest.mark.parametrize("by_stdin", [False, True])
def test_a_key_that_is_taken_back_opens_nothing_and_the_others_do(tmp_path: Path, by_stdin: bool) -> None:
    lost, kept = (keys(tmp_path, "create", "--owner", "ann").stdout.strip() for _ in range(2))
    assert owner_of(tmp_path, lost) == "ann"
    done = keys(tmp_path, "remove", "-", "--json", stdin=f"{lost}\n") if by_stdin else keys(tmp_path, "remove", lost)
    assert done.exit_code == 0, done.output
    assert lost not in done.output
    assert (owner_of(tmp_path, lost), owner_of(tmp_path, kept)) == (None, "ann")


def test_a_key_that_is_not_known_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    keys(tmp_path, "create")
    done = keys(tmp_path, "remove", "rushes_of_another_server", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["param"] == "key"
    assert "rushes_of_another_server" not in done.output


def test_no_folder_is_made_to_take_a_key_back_from(tmp_path: Path) -> None:
    assert keys(tmp_path / "misspelt", "remove", "rushes_x").exit_code == 2
    assert not (tmp_path / "misspelt").exists()
