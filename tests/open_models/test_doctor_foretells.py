"""`rushes doctor` says what a model's default video needs and by which plan it fits, and loads nothing for that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_animate2
import tiny_whole
from blocks_cases import KINDS, card_of
from test_whole_equals_stock import of
from tiny_cards import published_card
from tiny_cosmos3 import OLD_NORM
from tiny_whole import COGVIDEOX, COGVIDEOX_FROM_PICTURE

from rushes.catalogue.card import Card
from rushes.cli.examine import Finding, fit
from rushes.models.loading import Folder
from rushes.settings import Settings

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

ANIMATE = "animate"
CASES = (*KINDS, ANIMATE, COGVIDEOX, COGVIDEOX_FROM_PICTURE)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place = tmp_path_factory.mktemp("tiny")

    def card(case: str) -> Card:
        folder = place / case
        if case in KINDS:
            return card_of(case, folder)
        if case == ANIMATE:
            return published_card(tiny_animate2.BASE).in_folder(tiny_animate2.built(folder))
        return of(tiny_whole.built(case, folder))

    return card


def told(card: Card, tmp_path: Path, memory_bytes: int) -> list[Finding]:
    return list(fit(card, Settings.load({"data": tmp_path, "memory_bytes": memory_bytes})))


@pytest.mark.parametrize("case", CASES)
def test_it_says_what_is_needed_and_loads_nothing(
    tiny: Callable[[str], Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    card = tiny(case)

    def loaded(*given: Any, **named: Any) -> Any:
        raise AssertionError(f"{given[1]} was loaded")

    monkeypatch.setattr(Folder, "network", loaded)
    (finding,) = told(card, tmp_path, 1 << 50)
    assert (finding.name, finding.state) == ("memory", "ok")
    assert finding.found.startswith(f"{card.id}: a default video needs about ")
    assert ("its parts alone" in finding.found) == (not card.stepwise)
    (finding,) = told(card, tmp_path, 1)
    assert (finding.name, finding.state) == ("memory", "missing")
    assert finding.remedy is not None
    assert ("quality fast" in finding.remedy) == ("fast" in card.rules.qualities)
