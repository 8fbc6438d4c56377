"""Kandinsky 6's memory: foretold, held to counted bytes; parts given up and loaded again, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_kandinsky6
import torch
from parts_in_memory import (
    blocks_that_visit_end_alike,
    counted,
    made,
    parts_take_turns_and_no_bit_changes,
    parts_take_what_their_headers_say,
    what_cannot_fit_is_refused_and_the_next_is_made,
)
from small_requests import picture, small
from step_by_step import FROM_PICTURE, first_frame
from tiny_cards import published_card
from tiny_kandinsky6 import KANDINSKY_6

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.models.kandinsky6 import memory
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.kandinsky6.film import decoded, pictured
from rushes.models.parts import How


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return published_card(KANDINSKY_6).in_folder(tiny_kandinsky6.built(tmp_path_factory.mktemp("kandinsky") / "tiny"))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Wide enough that no constant hides the rest, in the published proportions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiny_kandinsky6, "WIDTH", 128)
        patch.setattr(tiny_kandinsky6, "INNER", 512)
        patch.setattr(tiny_kandinsky6, "AXES", (8, 12, 12))
        patch.setattr(tiny_kandinsky6, "TEXT_WIDTH", 64)
        patch.setattr(tiny_kandinsky6, "PIXELS_WIDTH", 16)
        return published_card(KANDINSKY_6).in_folder(
            tiny_kandinsky6.built(tmp_path_factory.mktemp("kandinsky") / "wide")
        )


def asked(card: Card, **more: Any) -> Any:
    return small(card, **{"steps": 2, "guidance_scale": 1, "generate_audio": True, **more})


def film(engine: Engine, card: Card, **more: Any) -> tuple[Any, Any]:
    return made(engine, card, asked(card, **more))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_take_what_their_headers_say(wide: Card, dtype: torch.dtype) -> None:
    parts_take_what_their_headers_say(KandinskyAdapter(wide, dtype=dtype).networks)


@pytest.mark.parametrize("pictured", [False, True], ids=["words", "picture"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_makes_what_is_foretold(wide: Card, dtype: torch.dtype, pictured: bool) -> None:
    adapter = KandinskyAdapter(wide, dtype=dtype)
    for side, guidance in ((640, 5), (64, 1)):
        media = {"media": FROM_PICTURE} if pictured else {}
        request = asked(wide, width=side, height=side, guidance_scale=guidance, **media)
        first = picture(1, side, side) if pictured else None
        state = adapter.prepare(adapter.encode(request, first_frame(first)), 7)
        adapter.parts.kept.get("transformer")  # loaded before it is counted
        most = counted(adapter.step, state, 0)
        foretold = memory.step_bytes(adapter.layout, state.condition.numbers, dtype.itemsize, pictured=pictured)
        assert most == pytest.approx(foretold, rel=memory.ERROR), side


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_words_pictures_film_and_sound_make_what_is_foretold(wide: Card, dtype: torch.dtype) -> None:
    adapter = KandinskyAdapter(wide, dtype=dtype)
    layout, parts, size = adapter.layout, adapter.parts, dtype.itemsize
    state = adapter.prepare(adapter.encode(asked(wide, width=320, height=320)), 7)
    numbers, vae, vocoder = state.condition.numbers, parts.vae, parts.vocoder
    most = counted(adapter.encode, asked(wide))
    assert most == pytest.approx(memory.words_bytes(layout, size), rel=memory.ERROR)
    most = counted(pictured, picture(1, 320, 320), vae, adapter.device)
    assert most == pytest.approx(memory.encoding_bytes(layout, numbers, size), rel=memory.ERROR)
    for tiles in (False, True):
        most = counted(list, decoded(state.latent_BTHWC, vae, tiles=tiles))
        foretold = memory.decoding_bytes(layout, numbers, size, tiles=tiles)
        assert most == pytest.approx(foretold, rel=memory.ERROR)
    most = counted(vocoder, torch.randn(1, tiny_kandinsky6.MELS, 2 * numbers.sounds))
    assert most == pytest.approx(memory.wave_bytes(layout, numbers), rel=memory.ERROR)


def test_a_larger_clip_needs_more_and_a_silent_one_less(card: Card) -> None:
    adapter = KandinskyAdapter(card)
    plain = adapter.needs(asked(card), How())
    assert [stage.name for stage in plain.stages] == ["words", "words", "steps", "decoding", "decoding", "decoding"]
    silent = adapter.needs(asked(card, generate_audio=False), How())
    assert len(silent.stages) == len(plain.stages) - 2
    first = adapter.needs(asked(card, media=FROM_PICTURE), How())
    assert [stage.name for stage in first.stages].count("pictures") == 1
    for more in ({"width": 640, "height": 384}, {"seconds": 4}):
        larger = adapter.needs(asked(card, **more), How())
        assert sum(s.size_bytes for s in larger.stages) > sum(s.size_bytes for s in plain.stages), more


def test_under_a_budget_parts_take_turns_and_no_bit_of_film_or_sound_changes(card: Card) -> None:
    plan = parts_take_turns_and_no_bit_changes(film, card, asked(card))
    assert "decoding in stretches of time that overlap" in plan.said()


def test_blocks_that_visit_the_device_one_at_a_time_make_the_same_film(card: Card) -> None:
    plain, turning = KandinskyAdapter(card), KandinskyAdapter(card)
    turning.accelerate(How(blocks=True), Dress(How(blocks=True)))
    request = asked(card, guidance_scale=5)
    blocks_that_visit_end_alike(plain, turning, request)
    few = turning.needs(request, How(apart=True, blocks=True)).stages[2]
    assert sum(few.parts.values()) <= sum(plain.needs(request, How()).stages[2].parts.values())


def test_a_decoder_by_tiles_makes_other_frames_that_are_near(card: Card) -> None:
    adapter = KandinskyAdapter(card)
    state = adapter.prepare(adapter.encode(asked(card, width=384, height=320)), 7)
    whole = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
    adapter.accelerate(How(tiles=True), Dress(How()))
    tiled = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
    off = np.abs(whole.astype(int) - tiled)
    assert whole.shape == tiled.shape
    assert 0 < off.mean() < 8, "of 255 levels"


def test_two_steps_at_fast_are_exact_where_there_is_room(card: Card) -> None:
    """The first and the last are always computed. It may go further down the ladder, and says what it did."""
    engine = Engine()
    exact = film(engine, card)
    assert all(map(np.array_equal, film(engine, card, quality="fast"), exact))
    plan = engine.plan(card)
    assert plan is not None
    assert plan.tried == ()
    lower = plan.lowered("decoding")
    assert lower is not None
    tiled = lower.lowered("decoding")
    assert tiled is not None
    assert (tiled.exactness, tiled.lowered("decoding")) == ("lossy", None)


def test_a_film_that_cannot_fit_is_refused_with_the_numbers_and_the_next_is_made(card: Card) -> None:
    numbers = r"1280x720 and 5 seconds need about .* most of it for (decoding|steps)"
    larger = {"width": 1280, "height": 720, "seconds": 5}
    frames, samples = what_cannot_fit_is_refused_and_the_next_is_made(film, card, asked(card), numbers, **larger)
    assert frames.shape[1:] == (64, 64, 3)
    assert len(samples) > 0
