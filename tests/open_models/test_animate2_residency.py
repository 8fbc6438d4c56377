"""Wan-Animate-2 in the residency: parts loaded in their turn, given up, loaded again, bit for bit; memory foretold."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_animate2
import torch
from diffusers import WanAnimate2Transformer3DModel
from diffusers.models import attention_dispatch
from parts_in_memory import (
    ROOMY,
    counted,
    given_up_between_any_two_verbs,
    made,
    parts_take_turns_and_no_bit_changes,
    parts_take_what_their_headers_say,
    what_cannot_fit_is_refused_and_the_next_is_made,
)
from small_requests import film, picture, small
from tiny_animate2 import BASE, OLD_ARRAYS, UNCOMPILED
from tiny_cards import published_card
from tiny_text import T5_WIDTH

from rushes.catalogue.card import Card
from rushes.contract.media import FrameImage, Media
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.models.adapter import Inputs
from rushes.models.animate2 import adapter as animate2
from rushes.models.animate2 import memory
from rushes.models.animate2.adapter import AnimateAdapter
from rushes.models.parts import How

pytestmark = [pytest.mark.filterwarnings(UNCOMPILED), pytest.mark.filterwarnings(OLD_ARRAYS)]

PARTS = ("text_encoder", "image_encoder", "transformer", "vae")
MEDIA = Media(frame_images=(FrameImage("x", "first"),), source_video="x")
INPUTS = Inputs(keyframes=((0, picture(1)),), source_THWC=film(20, 24))
SEGMENT = 17
"""Frames: a film of 24 is made in two segments."""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animate2, "SEGMENT", SEGMENT)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return published_card(BASE).in_folder(tiny_animate2.built(tmp_path_factory.mktemp("animate") / "tiny"))


def asked(card: Card, **more: Any) -> Any:
    return small(card, media=MEDIA, **{"steps": 1, "guidance_scale": 1.0, **more})


def film_of(engine: Engine, card: Card, **more: Any) -> tuple[Any, Any]:
    return made(engine, card, asked(card, **more), INPUTS)


@pytest.fixture(scope="module")
def plain(card: Card) -> Any:
    """The film of a residency without a limit."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(animate2, "SEGMENT", SEGMENT)
        return film_of(Engine(residency=KeptParts(ROOMY)), card)[0]


def test_nothing_is_loaded_to_foretell_and_each_part_when_its_turn_comes(card: Card) -> None:
    kept = KeptParts(1 << 40)
    adapter = AnimateAdapter(card, residency=kept)
    named = {key: name for name, key in adapter.parts.kept.keys.items()}
    adapter.needs(asked(card), How())
    assert kept.keys == ()
    condition = adapter.encode(asked(card), INPUTS)
    state = adapter.prepare(condition, 7)
    assert {named[key] for key in kept.keys} == {"text_encoder", "image_encoder", "vae"}
    adapter.step(state, 0)
    assert {named[key] for key in kept.keys} == set(PARTS)


def test_parts_take_what_their_headers_say(card: Card) -> None:
    parts_take_what_their_headers_say(AnimateAdapter(card).networks)


def test_under_a_budget_parts_take_turns_and_no_bit_changes(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SEEN_BYTES", 0)  # of the tiny one, whose CLIP is larger than all the rest
    parts_take_turns_and_no_bit_changes(film_of, card, asked(card))


def test_parts_given_up_between_any_two_verbs_are_loaded_again_to_the_same_bytes(card: Card, plain: Any) -> None:
    """Also inside a segment, where what was read of the clip is kept while the transformer is not."""
    kept = KeptParts(1 << 40)
    adapter = AnimateAdapter(card, residency=kept)
    assert np.array_equal(given_up_between_any_two_verbs(adapter, kept, asked(card), INPUTS), plain)


def test_what_was_read_of_a_clip_goes_with_its_film_also_where_it_is_broken_off(card: Card) -> None:
    """Some gigabytes, which would be missing to another model's job."""
    adapter = AnimateAdapter(card)
    state = adapter.prepare(adapter.encode(asked(card, steps=2), INPUTS), 7)
    state = adapter.step(state, 0)
    assert adapter._driven is not None
    del state
    gc.collect()
    assert adapter._driven is None


def test_a_film_that_cannot_fit_is_refused_with_the_numbers_and_the_next_is_made(card: Card, plain: Any) -> None:
    numbers = r"1280x720 and 1 seconds need about .* most of it for (steps|decoding)"
    larger = {"width": 1280, "height": 720}
    frames, _ = what_cannot_fit_is_refused_and_the_next_is_made(film_of, card, asked(card), numbers, **larger)
    assert np.array_equal(frames, plain)


@pytest.fixture
def fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of attention through a mask a kernel that holds nothing but what comes out, as a GPU's."""

    def attended(query: torch.Tensor, **how: Any) -> torch.Tensor:
        return torch.zeros_like(query)

    monkeypatch.setattr(attention_dispatch.flex_attention, "flex_attention", attended)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_a_step_makes_what_is_foretold(tmp_path: Path, fused: None, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    pipe = tiny_animate2.pipeline()
    wide = WanAnimate2Transformer3DModel(dim=256, ffn_dim=1024, text_dim=T5_WIDTH, num_heads=4, num_layers=10)
    pipe.update_components(transformer=wide.eval())
    pipe.save_pretrained(str(tmp_path), safe_serialization=True, overwrite_modular_index=True)
    adapter = AnimateAdapter(published_card(BASE).in_folder(tmp_path), dtype=dtype)
    request = asked(adapter.describe(), steps=2, width=192, height=192)
    inputs = Inputs(keyframes=((0, picture(1, 192, 192)),), source_THWC=np.zeros((24, 192, 192, 3), np.uint8))
    state = adapter.prepare(adapter.encode(request, inputs), 7)
    adapter.parts.kept.get("transformer")  # loaded before it is counted
    most = counted(lambda: adapter.step(state, 0))
    foretold = memory.pass_bytes(adapter._found.config("transformer"), 192 * 192, SEGMENT, dtype.itemsize)
    assert most == pytest.approx(foretold, rel=memory.ERROR)


def test_words_and_frames_make_what_is_foretold(tmp_path: Path, fused: None) -> None:
    torch.manual_seed(0)
    pipe = tiny_animate2.pipeline()
    config = {name: value for name, value in pipe.vae.config.items() if not name.startswith("_")}
    wide = type(pipe.vae)(**{**config, "base_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2})
    pipe.update_components(vae=wide.eval())
    pipe.save_pretrained(str(tmp_path), safe_serialization=True, overwrite_modular_index=True)
    adapter = AnimateAdapter(published_card(BASE).in_folder(tmp_path))
    request = asked(adapter.describe())
    stages = {(stage.name, *stage.parts): stage for stage in adapter.needs(request, How()).stages}
    keys = adapter.parts.kept.keys
    for name in PARTS:
        adapter.parts.kept.get(name)
    most = counted(lambda: adapter._read("A penguin waddles"))
    words = stages["words", keys["text_encoder"]]
    assert most == pytest.approx(words.activation_bytes, rel=memory.ERROR)
    condition = adapter.encode(request, INPUTS)
    most = counted(lambda: adapter.prepare(condition, 7))
    pictures = stages["pictures", keys["vae"]]
    assert most == pytest.approx(pictures.activation_bytes, rel=memory.ERROR)
    state = adapter.prepare(condition, 7)
    most = counted(lambda: adapter.step(state, 0))
    between = stages["steps", keys["vae"]]
    assert most == pytest.approx(between.activation_bytes, rel=memory.ERROR)
    done = replace(state, done=(state.latent,))
    most = counted(lambda: list(adapter.decode(done)))
    decoding = stages["decoding", keys["vae"]]
    assert most == pytest.approx(decoding.activation_bytes, rel=memory.ERROR)
