"""Cards of published checkpoints, which are given the folders of tiny ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.weights.checkpoint import hashed, looked_at


def published_card(kind: str) -> Card:
    """The first card of that arrangement of parts."""
    return next(card for card in OPEN if card.weights is not None and card.weights.layout == kind)


def folder_of(card: Card) -> Path:
    assert card.weights is not None and card.weights.folder is not None
    return Path(card.weights.folder)


def copied(card: Card, folder: Path) -> Card:
    """`card` with its checkpoint copied to `folder`, to be changed there."""
    shutil.copytree(folder_of(card), folder)
    return card.in_folder(folder)


def changed(file: Path, said: Mapping[str, Any]) -> None:
    """Write into a file of JSON that it says this too."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **said}))


def with_weights(card: Card, **said: Any) -> Card:
    """`card`, of whose weights this is said."""
    assert card.weights is not None
    return replace(card, weights=replace(card.weights, **said))


def hashes_of(*cards: Card) -> dict[Path, str]:
    """The hash of every file of theirs, as `models add` remembers them."""
    folders = map(folder_of, cards)
    return {
        folder / file.name: file.sha256 for folder in folders for file in hashed(folder, looked_at(folder).every_file)
    }


def each_of(cases: Mapping[str, Any]) -> tuple[Any, Any]:
    """The fixtures `case`, which is each of `cases` by turns, and `card`, its own: `case.card(tiny_card, folder)`."""

    @pytest.fixture(params=cases, ids=cases)
    def case(request: pytest.FixtureRequest) -> Any:
        return cases[request.param]

    @pytest.fixture
    def card(case: Any, tiny_card: Callable[..., Card], tmp_path: Path) -> Any:
        return case.card(tiny_card, tmp_path / "checkpoint")

    return case, card
