"""The memory of Kandinsky 6's second stage: foretold, held to counted bytes; parts that take turns, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import published_kandinsky6
import pytest
import tiny_kandinsky6
import torch
from parts_in_memory import (
    NUMBERS,
    counted,
    made,
    parts_take_turns_and_no_bit_changes,
    parts_take_what_their_headers_say,
    what_cannot_fit_is_refused_and_the_next_is_made,
)
from small_requests import small
from tiny_cards import published_card, with_weights
from tiny_kandinsky6 import KANDINSKY_6

from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.models.kandinsky6 import enlarging_memory, memory, nabla, refine
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.parts import How

WIDE = {
    "FINE_WIDTH": 128,
    "FINE_AXES": (8, 12, 12),
    "FINE_ENCODER": (4, 32, 64, 128),
    "FINE_DECODER": (4, 64, 128, 256),
    "FINE_UPSCALER": (128, 64, 32),
}
"""In the published proportions, and wide enough that no constant hides the rest."""
SIDE, LARGE = 48, 112
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "run-on-one-gpu.md"


@pytest.fixture(scope="module")
def card_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Card]:
    place = tmp_path_factory.mktemp("memory")

    def built(name: str, **numbers: Any) -> Card:
        with pytest.MonkeyPatch.context() as patch:
            for constant, number in numbers.items():
                patch.setattr(tiny_kandinsky6, constant, number)
            folder = tiny_kandinsky6.with_enlarger(tiny_kandinsky6.built(place / name))
        return with_weights(published_card(KANDINSKY_6).in_folder(folder), max_area=SIDE * SIDE)

    return built


@pytest.fixture(scope="module")
def card(card_of: Callable[..., Card]) -> Card:
    return card_of("tiny")


@pytest.fixture(scope="module")
def wide(card_of: Callable[..., Card]) -> Card:
    return card_of("wide", **WIDE)


def asked(card: Card, **more: Any) -> Any:
    return small(card, **{"width": LARGE, "height": LARGE, "steps": 1, "guidance_scale": 1, **more})


def film(engine: Engine, card: Card, **more: Any) -> tuple[Any, Any]:
    return made(engine, card, asked(card, **more))


@NUMBERS
def test_parts_take_what_their_headers_say(wide: Card, dtype: torch.dtype) -> None:
    second = KandinskyAdapter(wide, dtype=dtype)._second
    assert second is not None
    parts_take_what_their_headers_say(second.parts.kept)


@NUMBERS
@pytest.mark.parametrize("masked", [nabla.MASKED, 1], ids=["in one piece", "in many"])
def test_its_steps_make_what_is_foretold(
    wide: Card, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, masked: int
) -> None:
    for module in (nabla, enlarging_memory):
        monkeypatch.setattr(module, "MASKED", masked)
    adapter, size = KandinskyAdapter(wide, dtype=dtype), dtype.itemsize
    layout, second = adapter.layout, adapter._second
    assert second is not None and layout.enlarger is not None
    for width, height in ((LARGE, LARGE), (160, 80)):
        state = adapter.prepare(adapter.encode(asked(wide, width=width, height=height)), 7)
        state = adapter.step(adapter.step(state, 0), 1)
        numbers, transformer, upscaler = state.condition.numbers, second.parts.transformer, second.parts.latent_upscaler
        most = counted(adapter.step, state, 2)
        foretold = enlarging_memory.step_bytes(layout, layout.enlarger, numbers, size)
        assert most == pytest.approx(foretold, rel=memory.ERROR), (width, height)
        tile = state.tiles[0].shape
        cut = torch.zeros(1, tile[4], tile[1], tile[2] // 2, tile[3] // 2, dtype=dtype)
        most = counted(upscaler, cut, scale=2)
        foretold = enlarging_memory.doubling_bytes(layout, layout.enlarger, numbers, size)
        assert most == pytest.approx(foretold, rel=memory.ERROR), (width, height)
        assert transformer is second.parts.transformer


@NUMBERS
@pytest.mark.parametrize("short", [False, True], ids=["long", "short"])
def test_encoding_and_decoding_it_make_what_is_foretold(wide: Card, dtype: torch.dtype, short: bool) -> None:
    adapter, size, how = KandinskyAdapter(wide, dtype=dtype), dtype.itemsize, How(tiles=short)
    layout, second = adapter.layout, adapter._second
    assert second is not None and layout.enlarger is not None
    state = adapter.prepare(adapter.encode(asked(wide, seconds=2)), 7)
    numbers, grid, vae = state.condition.numbers, adapter._stage_of(state)[1], second.parts.vae
    frames = refine.SHORT if short else refine.SEGMENT_FRAMES
    frames_THWC = np.zeros((numbers.num_frames, SIDE, SIDE, 3), np.uint8)
    most = counted(refine.encoded, frames_THWC, grid, vae, adapter.device, frames)
    foretold = enlarging_memory.encoding_bytes(layout, layout.enlarger, how, numbers, size)
    assert most == pytest.approx(foretold, rel=memory.ERROR)
    tile = torch.zeros(1, numbers.frames, 8, 8, layout.enlarger.channels)
    alone = replace(grid, width=32, height=32, corners=((0, 0),))
    most = counted(list, refine.decoded([tile], alone, vae, frames))
    in_the_hosts_memory = numbers.num_frames * 64 * 64 * 3 * 4
    foretold = enlarging_memory.decoding_bytes(layout, layout.enlarger, how, numbers, size)
    assert most - in_the_hosts_memory == pytest.approx(foretold, rel=memory.ERROR)


@NUMBERS
def test_what_a_clip_keeps_between_steps_is_foretold(card: Card, dtype: torch.dtype) -> None:
    adapter = KandinskyAdapter(card, dtype=dtype)
    state = adapter.prepare(adapter.encode(asked(card)), 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    assert adapter.layout.enlarger is not None and state.small_BCTHW is not None
    kept = sum(tensor.nbytes for tensor in (state.latent_BTHWC, state.small_BCTHW, *state.tiles))
    numbers = state.condition.numbers
    assert kept == enlarging_memory.kept_bytes(adapter.layout, adapter.layout.enlarger, numbers, dtype.itemsize)


def test_only_a_large_film_needs_the_second_stages_parts(card: Card) -> None:
    adapter = KandinskyAdapter(card)
    one, two = (adapter.needs(asked(card, width=side, height=side), How()) for side in (64, LARGE))
    assert [stage.name for stage in one.stages] == ["words", "words", "steps", "decoding"]
    assert [stage.name for stage in two.stages] == ["words", "words", *["steps"] * 5, "decoding"]
    assert adapter._second is not None
    theirs = set(adapter._second.parts.kept.keys.values())
    assert theirs <= {key for stage in two.stages for key in stage.parts}
    assert not theirs & {key for stage in one.stages for key in stage.parts}
    short = adapter.needs(asked(card), How(tiles=True))
    assert short.stages[-1].activation_bytes < two.stages[-1].activation_bytes


def test_under_a_budget_parts_take_turns_and_no_bit_of_the_film_changes(card: Card) -> None:
    parts_take_turns_and_no_bit_changes(film, card, asked(card))


def test_a_film_that_cannot_fit_is_refused_with_the_numbers_and_the_next_is_made(card: Card) -> None:
    numbers = r"1280x720 and 2 seconds need about .* most of it for (decoding|steps)"
    larger = {"width": 1280, "height": 720, "seconds": 2}
    small_card = with_weights(card, max_area=640 * 360)
    request = asked(small_card, width=64, height=64)
    frames, _ = what_cannot_fit_is_refused_and_the_next_is_made(
        lambda engine, card, **more: made(engine, card, asked(card, **{"width": 64, "height": 64, **more})),
        small_card,
        request,
        numbers,
        **larger,
    )
    assert frames.shape[1:] == (64, 64, 3)


def test_the_guide_says_what_1080p_needs_of_the_published_ones(tmp_path: Path) -> None:
    """1.4 billion weights is what their makers say of the transformer."""
    id = "kandinsky-6-lite"
    published_kandinsky6.with_enlarger(published_kandinsky6.built(id, tmp_path / id))
    card = published_card(KANDINSKY_6).in_folder(tmp_path / id)
    adapter = KandinskyAdapter(card, device=torch.device("cpu"), dtype=torch.bfloat16)
    shapes = published_kandinsky6.shapes("Kandinsky6SRTransformer3DModel", "{}")
    assert round(sum(map(prod, shapes.values())) / 1e9, 1) == 1.4
    request = small(card, width=1920, height=1080, seconds=5, generate_audio=True)
    whole, tiles = (adapter.needs(request, how) for how in (How(), How(tiles=True)))
    figures = whole.size_bytes(apart=False), whole.size_bytes(apart=True), tiles.size_bytes(apart=True)
    said = "{:.1f} GB with all parts loaded, {:.1f} GB a part at a time, {:.1f} GB by tiles"
    assert said.format(*(figure / 1e9 for figure in figures)) in " ".join(GUIDE.read_text("utf-8").split())
