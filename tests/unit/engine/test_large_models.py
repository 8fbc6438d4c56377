"""Of the models with weights of their own, one is loaded at a time; the embedded one stays beside it."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.engine.engine import Engine
from rushes.errors import Unavailable


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> tuple[Card, Card]:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    one, other = (replace(card, adapter="large_model:LargeModel") for card in OPEN[:2])
    return one, other


def test_a_second_model_takes_the_place_of_the_first(cards: tuple[Card, Card]) -> None:
    import large_model

    one, other = cards
    engine = Engine()
    large_model.built.clear()
    assert engine.adapter(one) is engine.adapter(one)
    engine.adapter(other)
    gc.collect()
    assert [model.card.id for model in large_model.alive] == [other.id]
    engine.adapter(one)
    assert large_model.built == [one.id, other.id, one.id]


def test_the_same_model_with_other_weights_is_loaded_anew(cards: tuple[Card, Card]) -> None:
    one, _ = cards
    engine = Engine()
    assert engine.adapter(one) is not engine.adapter(replace(one, revision="another"))


def test_without_the_extra_the_reason_says_how_to_get_it(cards: tuple[Card, Card]) -> None:
    lacking = replace(cards[0], adapter="no_such_library.adapter:Model")
    with pytest.raises(Unavailable, match=r"pip install 'rushes\[torch\]'"):
        Engine().adapter(lacking)
