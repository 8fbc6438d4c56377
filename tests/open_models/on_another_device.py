"""Clips on `another_device`, run by test_another_device in a process of its own: they come out as on the CPU.

Not those of Wan-Animate-2, which is compiled wherever it is not on a CPU, nor of whole pipelines, run in a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_h3
import tiny_kandinsky6
import tiny_ltx2
import torch
from another_device import ELSEWHERE, Elsewhere, There
from small_requests import INPUTS, film, picture, small, sound
from test_compiled import CASES as COMPILED
from test_compiled import Case
from tiny_animate2 import UNCOMPILED
from tiny_cards import copied, each_of, published_card, with_weights
from tiny_kandinsky6 import KANDINSKY_6
from tiny_ltx2 import DISTILLED, SECOND
from tiny_wan import ANY, FIRST_AND_LAST, FIRST_EXPERTS, FIRST_SEEN
from two_stages import LARGE, beside_a_clip

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.contract.media import Media
from rushes.models.adapter import NO_INPUTS, Foresees, Frames, Inputs
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.parts import FP8, INT8, How
from rushes.models.wan.adapter import WanAdapter

pytestmark = [pytest.mark.filterwarnings(said) for said in (tiny_h3.OLD_NORM, UNCOMPILED)]

Cards = Callable[..., Card]


def _beside(cards: Cards, place: Path) -> Card:
    return beside_a_clip(cards(SECOND), place)[0]


def _two_stages(cards: Cards, place: Path) -> Card:
    card = with_weights(copied(cards(SECOND + DISTILLED), place), max_area=64 * 64)
    tiny_ltx2.upsampler().save_pretrained(place / "latent_upsampler")
    return card


def _kandinsky_in_two_stages(cards: Cards, place: Path) -> Card:
    folder = tiny_kandinsky6.built(place, KANDINSKY_6)
    tiny_kandinsky6.with_enlarger(folder)
    return with_weights(published_card(KANDINSKY_6).in_folder(folder), max_area=48 * 48)


CASES = {
    **COMPILED,
    "kandinsky 6 in two stages": Case(
        _kandinsky_in_two_stages,
        KandinskyAdapter,
        (({"width": 112, "height": 112, "steps": 2, "guidance_scale": 2.0}, NO_INPUTS),),
    ),
    **{
        kind: Case(lambda cards, place, kind=kind: cards(kind), WanAdapter, (({}, INPUTS[kind]),))
        for kind in (FIRST_SEEN, FIRST_AND_LAST, FIRST_EXPERTS, ANY)
    },
    "ltx-2": Case(
        lambda cards, place: cards(SECOND),
        Ltx2Adapter,
        (
            ({"generate_audio": True}, Inputs(keyframes=((20, picture(1)),), lead_in_THWC=film(2, 12))),
            ({"guidance_scale": 1.0}, Inputs(sound=sound(5, 0.5))),
        ),
    ),
    "ltx-2 beside a clip": Case(
        _beside,
        Ltx2Adapter,
        (({"guidance_scale": 1.0, "media": Media(reference_videos=("x",))}, Inputs(references=(film(1, 9),))),),
    ),
    "ltx-2 in two stages": Case(
        _two_stages,
        Ltx2Adapter,
        (
            (
                {"width": LARGE, "height": LARGE, "steps": 8, "negative_prompt": None},
                Inputs(keyframes=((9, picture(1, LARGE, LARGE)),)),
            ),
        ),
    ),
}
HOWS = {
    "reused": How(reuse=0.5),
    "by tiles and pieces": How(tiles=True, pieces=2),
    "in eight bits": How(matrices=INT8),
    "in eight-bit floats": How(matrices=FP8),
}


def films(adapter: Any, clips: Any, how: How = How()) -> list[Frames]:  # noqa: B008 - frozen
    """Each clip from the words to its frames; saved and gone on with, and looked at on the way."""
    adapter.accelerate(how, Dress(how))
    made = []
    for asked, inputs in clips:
        state = adapter.prepare(adapter.encode(small(adapter.describe(), **{"steps": 2, **asked}), inputs), 7)
        while state.index < state.num_steps:
            state = adapter.restore(adapter.step(state, state.index).to_bytes())
        if isinstance(adapter, Foresees):
            next(adapter.decode(adapter.foreseen(state)), None)
        made.append(np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)]))
    return made


def alike(card: Card, kind: Any, clips: Any, how: How = How()) -> None:  # noqa: B008 - frozen
    here = films(kind(card), clips, how)
    with Elsewhere():
        there = films(kind(card, device=ELSEWHERE, dtype=torch.float32), clips, how)
    for one, other in zip(here, there, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1


case, card = each_of(CASES)


def test_nothing_of_a_clip_is_left_on_another_device(case: Case, card: Card) -> None:
    alike(card, case.adapter, case.clips)


@pytest.mark.parametrize("name", ["wan", "hunyuanvideo 1.5", "minimax h3", "ltx-2"])
def test_nor_where_the_layers_of_a_text_encoder_visit_it(tiny_card: Cards, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    alike(case.card(tiny_card, tmp_path / "checkpoint"), case.adapter, case.clips[-1:], How(apart=True, layers=True))


@pytest.mark.parametrize(
    ("name", "how"), [*(("wan", how) for how in HOWS), ("ltx-2", "reused"), ("ltx-2", "in eight-bit floats")]
)
def test_nor_however_it_is_computed(tiny_card: Cards, tmp_path: Path, name: str, how: str) -> None:
    case = CASES[name]
    alike(case.card(tiny_card, tmp_path / "checkpoint"), case.adapter, case.clips[-1:], HOWS[how])


def test_tensors_of_two_devices_are_an_error() -> None:
    here = torch.ones(2, 3)
    with Elsewhere():
        there = here.to(ELSEWHERE)
        assert isinstance(there, There) and there.device == ELSEWHERE
        assert torch.equal((there + 1).cpu(), here + 1)
        for mixed in (lambda: there + here, lambda: torch.cat([there, here]), lambda: here[there[0].long()]):
            with pytest.raises(RuntimeError, match="two devices"):
                mixed()
        with pytest.raises((TypeError, RuntimeError)):
            there.numpy()
