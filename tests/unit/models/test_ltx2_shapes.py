"""Which native size, rate and length an LTX-2 model makes for what was asked; no tensor library needed to say so."""

from __future__ import annotations

from typing import Any

import pytest
from refined import refined

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.artifact import Native
from rushes.contract.request import VideoRequest
from rushes.models.ltx2.shape import native_shape

CARDS = {card.id: card for card in OPEN if card.adapter.startswith("rushes.models.ltx2.")}


def native(card: Card, **asked: Any) -> Native:
    request = resolve(
        VideoRequest(model=card.id, prompt="A penguin waddles", **asked),
        Catalogue([refined(card)]).find(card.id),
        lambda: 7,
    )
    assert card.weights is not None
    return native_shape(request, space=32, time=8, max_area=card.weights.max_area)


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_defaults_are_native(card: Card) -> None:
    made = native(card)
    assert (made.width, made.height, made.fps) == (1280, 704, 24)
    assert made.num_frames == 121


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
@pytest.mark.parametrize("seconds", [1, 4.9, 20])
@pytest.mark.parametrize("fps", [8, 25, 60])
def test_frames_are_eights_and_one_and_enough(card: Card, seconds: float, fps: int) -> None:
    made = native(card, seconds=seconds, fps=fps)
    assert made.num_frames % 8 == 1
    assert made.num_frames / made.fps >= seconds
    assert (made.num_frames - 8) / made.fps < seconds


@pytest.mark.parametrize("tier", ["720P", "1080P"])
@pytest.mark.parametrize("ratio", ["16:9", "9:16", "1:1"])
def test_a_tier_is_made_in_whole_tokens_and_no_larger_than_it_makes_well(tier: str, ratio: str) -> None:
    card = CARDS["ltx-2.3"]
    made = native(card, resolution=tier, ratio=ratio)
    assert (made.width % 32, made.height % 32) == (0, 0)
    assert card.weights is not None
    assert made.width * made.height <= card.weights.max_area


def test_every_licence_of_the_family_says_what_it_restricts() -> None:
    assert len(CARDS) == 6
    for card in CARDS.values():
        assert "Community License" in card.licence and "US$ 10 million" in card.licence
