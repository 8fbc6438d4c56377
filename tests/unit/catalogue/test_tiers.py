"""Every open card at every tier and ratio: what comes out, what the model itself makes for it, and what is said."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from refined import refined

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.artifact import Artifact, Native
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.errors import InvalidValue
from rushes.models.ltx2.shape import native_shape
from rushes.models.shape import native_of

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4")
TIERS = {"720P": 1280 * 720, "1080P": 1920 * 1080}
CARDS = {card.id: card for card in OPEN}
TOKEN = {"text or first frame": 32, "LTXPipeline": 32}
"""Pixels to a side of a token, as published, where it is not 16."""
MOST_CUT = 0.03  # of a side: what hangs over, because tokens are whole
LEAST_USED = 0.93  # of the pixels that were asked for, or of those that the model makes well


def settled(card: Card, **asked: str) -> ResolvedRequest:
    needed = card.rules.media.frame_images.needed
    clip = "x" if "media.source_video" in card.rules.needs else None
    media = Media(frame_images=tuple(FrameImage("x", place) for place in needed), source_video=clip)
    request = VideoRequest(model=card.id, prompt="A penguin waddles", media=media, **asked)  # type: ignore[arg-type]
    return resolve(request, Catalogue([refined(card)]).find(card.id), lambda: 7)


def made(card: Card, request: ResolvedRequest, *, two_stages: bool = False) -> tuple[Native, int]:
    """What the model makes, and the pixels to a side of what it makes it of."""
    weights = card.weights
    assert weights is not None
    if card.adapter.startswith("rushes.models.ltx2."):
        native = native_shape(request, space=32, time=8, max_area=weights.max_area, two_stages=two_stages)
        return native, 32
    token = TOKEN.get(weights.layout, 16)
    return native_of(request, multiple=token, time=4, fps=weights.fps, max_area=weights.max_area), token


def changes(request: ResolvedRequest, native: Native) -> list[str]:
    file = Artifact("k", "video/mp4", 1, "0", request.width, request.height, 24, 24, False, native)
    return [note.message for note in file.changes() if note.field == "width"]


def cut_off(request: ResolvedRequest, native: Native) -> float:
    across, down = Fraction(request.width, native.width), Fraction(request.height, native.height)
    return float(1 - min(across, down) / max(across, down))


@pytest.mark.parametrize("id", CARDS)
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("ratio", RATIOS)
def test_a_tier_and_a_ratio_are_a_size_that_the_model_makes_or_scaling_that_is_said(
    id: str, tier: str, ratio: str
) -> None:
    card = CARDS[id]
    request = settled(card, resolution=tier, ratio=ratio)
    across, down = map(int, ratio.split(":"))
    assert abs(request.width * down / (request.height * across) - 1) < 0.01
    assert abs(request.width * request.height / TIERS[tier] - 1) < 0.01

    native, token = made(card, request)
    assert card.weights is not None
    well = min(card.weights.max_area, request.width * request.height)
    assert native.width % token == native.height % token == 0
    assert LEAST_USED * well < native.width * native.height <= card.weights.max_area
    assert cut_off(request, native) < MOST_CUT
    same = (native.width, native.height) == (request.width, request.height)
    assert changes(request, native) == [] if same else "scaled to" in changes(request, native)[0]


@pytest.mark.parametrize("id", ["ltx-2", "ltx-2.3", "ltx-2.5"])
@pytest.mark.parametrize(
    ("asked", "field"),
    [({"resolution": "1080P"}, "resolution"), ({"width": 1280, "height": 800}, "width")],
    ids=["tier", "pixels"],
)
def test_what_takes_a_lora_that_nobody_registered_is_refused_by_the_way_to_register_it(
    id: str, asked: dict[str, Any], field: str
) -> None:
    request = VideoRequest(model=id, prompt="A penguin waddles", **asked)
    with pytest.raises(InvalidValue) as refused:
        resolve(request, Catalogue([CARDS[id]]).find(id), lambda: 7)
    assert refused.value.field == field
    assert f"rushes models add-lora distilled --to {id} --from FILE" in str(refused.value)
    assert "up to 983,040 pixels" in str(refused.value)
    resolve(request, Catalogue([refined(CARDS[id])]).find(id), lambda: 7)
    small = VideoRequest(model=id, prompt="A penguin waddles", resolution="720P")
    resolve(small, Catalogue([CARDS[id]]).find(id), lambda: 7)


@pytest.mark.parametrize("ratio", RATIOS)
def test_where_latents_are_enlarged_a_large_tier_is_made_in_full_and_the_stage_is_named(ratio: str) -> None:
    card = CARDS["ltx-2.3-distilled"]
    request = settled(card, resolution="1080P", ratio=ratio)
    native, _ = made(card, request, two_stages=True)
    assert native.width % 64 == native.height % 64 == 0
    assert native.width >= request.width and native.height >= request.height
    assert cut_off(request, native) < MOST_CUT
    said = changes(request, native)
    assert said[0].startswith(f"made at {native.width // 2}×{native.height // 2}; enlarged as latents to")
    assert said[1].startswith(f"made at {native.width}×{native.height}; scaled to {request.width}×{request.height}")

    smaller = settled(card, resolution="720P", ratio=ratio)
    assert made(card, smaller, two_stages=True) == made(card, smaller)


@pytest.mark.parametrize("id", CARDS)
def test_a_ratio_alone_asks_no_open_model_for_more_than_it_makes(id: str) -> None:
    """720P is what the largest of them make in one pass: 1080P unasked would be scaling and nothing else."""
    request = settled(CARDS[id], ratio="9:16")
    assert (request.width, request.height) == (720, 1280)
    assert "720P, the model's default" in [note.message for note in request.notes if note.field == "resolution"]


@pytest.mark.parametrize("id", CARDS)
def test_a_tier_alone_is_wide(id: str) -> None:
    request = settled(CARDS[id], resolution="1080P")
    assert (request.width, request.height) == (1920, 1080)
    assert "16:9, the model's default" in [note.message for note in request.notes if note.field == "ratio"]
