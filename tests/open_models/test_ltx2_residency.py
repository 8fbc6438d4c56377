"""LTX-2's memory: foretold, held to counted bytes; parts shared, given up and loaded again, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_ltx2
import torch
from parts_in_memory import (
    counted,
    made,
    parts_take_turns_and_no_bit_changes,
    parts_take_what_their_headers_say,
    what_cannot_fit_is_refused_and_the_next_is_made,
)
from small_requests import small
from tiny_cards import hashes_of
from tiny_ltx2 import DISTILLED, SECOND

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.contract.media import FrameImage, Media
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.models.ltx2 import memory
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.film import decoded
from rushes.models.parts import FP8, How

PARTS = ("text_encoder", "connectors", "transformer", "vae", "audio_vae", "vocoder")


def asked(card: Card, **more: Any) -> Any:
    return small(card, **{"steps": 2, "guidance_scale": 1, "generate_audio": True, **more})


def film(engine: Engine, card: Card, **more: Any) -> tuple[Any, Any]:
    return made(engine, card, asked(card, **more))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_parts_take_what_their_headers_say(tiny_card: Callable[..., Card], dtype: torch.dtype) -> None:
    parts_take_what_their_headers_say(Ltx2Adapter(tiny_card(SECOND), dtype=dtype).networks)


def middling(card: Card, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """`card` with a transformer and an autoencoder wide enough that no constant hides the rest."""
    monkeypatch.setattr(tiny_ltx2, "VIDEO_WIDTH", 128)
    monkeypatch.setattr(tiny_ltx2, "SOUND_WIDTH", 64)
    return card.in_folder(tiny_ltx2.built(SECOND, folder))


@pytest.mark.parametrize("first", [(), (FrameImage("x", "first"),)], ids=["words", "picture"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("how", [How(), How(matrices=FP8)], ids=["plain", "fp8"])
def test_a_step_makes_what_is_foretold(
    tiny_card: Callable[..., Card],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    how: How,
    dtype: torch.dtype,
    first: tuple[FrameImage, ...],
) -> None:
    card = middling(tiny_card(SECOND), tmp_path, monkeypatch)
    adapter = Ltx2Adapter(card, dtype=dtype)
    adapter.accelerate(how, Dress(how))
    request = asked(card, width=640, height=640, guidance_scale=3, media=Media(frame_images=first))
    native = adapter.native(request)
    state = adapter.prepare(adapter.condition(request, ()), 7)
    if first:
        places = state.condition.numbers.places
        held = {"held": torch.zeros(1, places, 1), "clean": torch.zeros(1, places, adapter.layout.channels)}
        state = replace(state, condition=replace(state.condition, given=held))
    adapter.parts.kept.get("transformer")  # loaded before it is counted
    most = counted(lambda: adapter.step(state, 0))
    shape = memory.shape_of(request, native, adapter.layout, rows=2)
    frame = state.condition.numbers.rows * state.condition.numbers.cols
    shape = replace(shape, tokens=shape.tokens - len(first) * frame)  # it stands in the film's own place
    foretold = memory.step_bytes(adapter.layout, shape, dtype.itemsize, how)
    assert most == pytest.approx(foretold, rel=memory.ERROR)


def test_words_film_and_sound_make_what_is_foretold(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(SECOND)
    adapter = Ltx2Adapter(card)
    request = asked(card, width=128, height=128)
    native = adapter.native(request)
    numbers = adapter.condition(request, ()).numbers
    vae = adapter.parts.vae
    shape = (1, adapter.layout.channels, numbers.frames, numbers.rows, numbers.cols)
    most = counted(lambda: list(decoded(torch.randn(shape), vae, adapter.layout.time)))
    assert most == pytest.approx(memory.decoding_bytes(adapter.layout, native), rel=memory.ERROR)
    vocoder = adapter.parts.vocoder
    mels = (1, 2, round(native.num_frames / native.fps * 100), tiny_ltx2.MEL_BINS)
    most = counted(lambda: vocoder(torch.randn(mels)))
    assert most == pytest.approx(memory.wave_bytes(adapter.layout, native), rel=memory.ERROR)
    most = counted(lambda: adapter.condition(request, ()))
    foretold = max(memory.encoder_bytes(adapter.layout, 1, 4), memory.connectors_bytes(adapter.layout, 1, 4))
    assert most == pytest.approx(foretold, rel=memory.ERROR)


def test_what_is_given_is_foretold_too_and_a_larger_film_needs_more(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(SECOND)
    adapter = Ltx2Adapter(card)
    plain = adapter.needs(asked(card), How())
    assert [stage.name for stage in plain.stages] == ["words", "words", "steps", "decoding", "decoding", "decoding"]
    silent = adapter.needs(asked(card, generate_audio=False), How())
    assert len(silent.stages) == len(plain.stages) - 2
    given = Media(frame_images=(FrameImage("x", "first"),), audio_inputs=("y",))
    heard = adapter.needs(asked(card, media=given, generate_audio=False), How())
    assert [stage.name for stage in heard.stages].count("pictures") == 2
    for more in ({"width": 640, "height": 384}, {"seconds": 4}, {"guidance_scale": 3}):
        larger = adapter.needs(asked(card, **more), How())
        assert larger.size_bytes(apart=False) > plain.size_bytes(apart=False), more
    turns = adapter.needs(asked(card), How(apart=True, blocks=True))
    assert sum(turns.stages[2].parts.values()) < sum(plain.stages[2].parts.values()) / 9


def test_two_models_have_one_of_what_is_the_same_in_both(tiny_card: Callable[..., Card]) -> None:
    one, other = tiny_card(SECOND), tiny_card(SECOND + DISTILLED)
    engine = Engine(residency=KeptParts(1 << 40, lambda: hashes_of(one, other)))
    adapters: list[Any] = [engine.adapter(card) for card in (one, other)]
    assert one.weights != other.weights
    for name in PARTS:
        assert getattr(adapters[0].parts, name) is getattr(adapters[1].parts, name)


def test_under_a_budget_parts_take_turns_and_no_bit_of_film_or_sound_changes(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(SECOND)
    parts_take_turns_and_no_bit_changes(film, card, asked(card))


def test_a_film_that_cannot_fit_is_refused_with_the_numbers_and_the_next_is_made(
    tiny_card: Callable[..., Card],
) -> None:
    card = tiny_card(SECOND)
    numbers = r"1280x720 and 10 seconds need about .* most of it for (decoding|steps)"
    larger = {"width": 1280, "height": 720, "seconds": 10}
    frames, samples = what_cannot_fit_is_refused_and_the_next_is_made(film, card, asked(card), numbers, **larger)
    assert frames.shape[1:] == (64, 64, 3)
    assert len(samples) > 0
