"""Compiled blocks are near the plain ones in every kind of pass of every family, and are taken off again.

Traced and run as traced: a compiler would take minutes, and what is shown is what is put on and taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tiny_h3
import tiny_kandinsky6
import torch
from blocks_cases import card_of
from safetensors.torch import load
from small_requests import film, picture, small
from test_h3_equals_stock import sound
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cards import each_of, published_card
from tiny_cosmos3 import COSMOS_3
from tiny_wan import TEXT

from rushes.acceleration.dress import Dress, repeated
from rushes.acceleration.plan import planned
from rushes.catalogue.card import Card
from rushes.catalogue.cards.h3 import CARD as H3
from rushes.contract.media import FrameImage, Media
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.h3.adapter import H3Adapter
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.parts import How
from rushes.models.wan.adapter import WanAdapter

pytestmark = pytest.mark.filterwarnings(tiny_h3.OLD_NORM)

FIRST = ({"media": Media(frame_images=(FrameImage("x", "first"),))}, Inputs(keyframes=((0, picture(1)),)))
EXAMPLES = (
    {"media": Media(reference_videos=("x",), reference_images=("x",))},
    Inputs(references=(picture(1)[None], film(20, 24)), heard=(None, sound(1, 1.0))),
)
Clip = tuple[dict[str, Any], Inputs]


def _h3(cards: Callable[..., Card], path: Path) -> Card:
    assert H3.weights is not None
    return replace(H3, weights=replace(H3.weights, folder=str(tiny_h3.built(path))))


@dataclass(frozen=True)
class Case:
    """A family by its card and what runs it, and clips of every kind that make its blocks another code."""

    card: Callable[[Callable[..., Card], Path], Card]
    adapter: Any
    clips: tuple[Clip, ...]


GUIDED: Clip = ({"guidance_scale": 3.0}, NO_INPUTS)
ALONE: Clip = ({"guidance_scale": 1.0}, NO_INPUTS)
CASES = {
    "wan": Case(lambda cards, path: cards(TEXT), WanAdapter, (GUIDED, ALONE)),
    "hunyuanvideo 1.5": Case(lambda cards, path: card_of(HUNYUAN_1_5, path), BlocksAdapter, (GUIDED, ALONE)),
    "ltx-video": Case(lambda cards, path: card_of(LTX, path), BlocksAdapter, (GUIDED, ALONE)),
    "cosmos 3": Case(
        lambda cards, path: card_of(COSMOS_3, path),
        BlocksAdapter,
        (GUIDED, FIRST, ({"generate_audio": True}, NO_INPUTS)),
    ),
    "kandinsky 6": Case(
        lambda cards, path: published_card(tiny_kandinsky6.KANDINSKY_6).in_folder(tiny_kandinsky6.built(path)),
        KandinskyAdapter,
        (GUIDED, ALONE, FIRST, ({"generate_audio": True}, NO_INPUTS)),
    ),
    "minimax h3": Case(
        _h3,
        H3Adapter,
        tuple(
            ({"seconds": 5, "negative_prompt": None, **asked}, inputs)
            for asked, inputs in (({}, NO_INPUTS), FIRST, EXAMPLES)
        ),
    ),
}


case, card = each_of(CASES)


def latents(adapter: Any, card: Card, how: How, clip: Clip) -> dict[str, torch.Tensor]:
    """What is saved of `clip` after a step: the latents, and what stays as it was."""
    adapter.accelerate(how, Dress(how))
    asked, inputs = clip
    state = adapter.step(adapter.prepare(adapter.encode(small(card, steps=2, **asked), inputs), 7), 0)
    tensors: dict[str, torch.Tensor] = load(state.to_bytes())
    return tensors


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one if one[name].numel())


def test_compiled_blocks_are_near_in_every_kind_of_pass_and_are_taken_off_again(
    case: Case, card: Card, traced: list[Any]
) -> None:
    adapter, compiled = case.adapter(card), How(compiled=True)
    plain = [latents(adapter, card, How(), clip) for clip in case.clips]
    exact = adapter.state_format()
    for clip, expected in zip(case.clips, plain, strict=True):
        assert apart(latents(adapter, card, compiled, clip), expected) < 1e-4
    worked = [network for network in map(adapter.networks.get, adapter.networks.kinds) if hasattr(network, "worn")]
    blocks = [block for network in worked for block in repeated(network)]
    assert blocks
    assert all(block._compiled_call_impl is not None for block in blocks)
    assert traced
    assert adapter.state_format() != exact, "nobody goes on by plain blocks with what these began"
    for clip, expected in zip(case.clips, plain, strict=True):
        assert apart(latents(adapter, card, How(), clip), expected) == 0
    assert all(block._compiled_call_impl is None for block in blocks)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_they_are_what_high_is_on_a_gpu(case: Case, card: Card, device: str) -> None:
    plan = planned(card, device, "high")
    assert plan is not None
    assert plan.how.compiled == (device == "cuda")
    assert "high" in card.rules.qualities
