"""Cosmos 3 step by step and by its stock pipeline: the same film and sound, bit for bit, gone on with from any step."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_cosmos3
import torch
from diffusers import Cosmos3OmniPipeline
from small_requests import picture, small
from step_by_step import (
    FIELDS,
    FROM_PICTURE,
    another_process_goes_on_to_the_same_bytes,
    each_makes_another_film,
    finished,
    first_frame,
    refused_once_changed,
    taking_turns_they_do_not_mix,
)
from tiny_cards import folder_of, published_card
from tiny_cosmos3 import COSMOS_3, OLD_NORM

from rushes.catalogue.card import Card
from rushes.diffusion.noise import noise
from rushes.models.adapter import Frames
from rushes.models.blocks.adapter import STREAMS, BlocksAdapter
from rushes.models.blocks.layout import check

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

FRAMES, HZ = 25, 48_000


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return published_card(COSMOS_3).in_folder(tiny_cosmos3.built(tmp_path_factory.mktemp("cosmos") / "tiny"))


@pytest.fixture(scope="module")
def adapter(card: Card) -> BlocksAdapter:
    """One for all tests: what a clip leaves on it, another would show."""
    return BlocksAdapter(card)


@pytest.fixture(scope="module")
def stock(card: Card) -> Any:
    pipe = Cosmos3OmniPipeline.from_pretrained(folder_of(card), local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def begun(adapter: BlocksAdapter, *, first: Frames | None = None, **asked: Any) -> Any:
    media = {} if first is None else {"media": FROM_PICTURE}
    request = small(adapter.describe(), **media, **asked)
    return adapter.prepare(adapter.encode(request, first_frame(first)), request.seed)


@pytest.mark.parametrize("guidance", [6.0, 1.0])
@pytest.mark.parametrize("pictured", [False, True], ids=["words", "picture"])
@pytest.mark.parametrize("sound", [False, True], ids=["silent", "sound"])
def test_our_loop_makes_what_the_stock_pipeline_makes(
    adapter: BlocksAdapter, stock: Any, sound: bool, pictured: bool, guidance: float
) -> None:
    first = picture(1) if pictured else None
    state = begun(adapter, first=first, generate_audio=sound, guidance_scale=guidance)
    film, heard = finished(adapter, state)
    theirs = stock(
        prompt="A penguin waddles",
        negative_prompt="blurry, text",
        image=first,
        width=64,
        height=64,
        num_frames=FRAMES,
        fps=24.0,
        num_inference_steps=4,
        guidance_scale=guidance,
        enable_sound=sound,
        latents=state.values["latents"],
        sound_latents=state.values["sound_latents"] if sound else None,
        output_type="np",
    )
    assert np.array_equal(film, (np.asarray(theirs.video) * 255).round().astype(np.uint8))
    if sound:
        samples = round(FRAMES / 24 * HZ)
        assert np.array_equal(heard, theirs.sound.numpy().T.clip(-1, 1)[:samples])
    else:
        assert heard is None


def test_noise_is_ours_and_the_first_frame_is_the_pictures(adapter: BlocksAdapter, stock: Any) -> None:
    state = begun(adapter, first=picture(1), generate_audio=True)
    drawn = {name: torch.from_numpy(noise(7, state.values[name].shape, STREAMS[name])) for name in STREAMS}
    assert torch.equal(state.values["sound_latents"], drawn["sound_latents"])
    assert torch.equal(state.values["latents"][:, :, 1:], drawn["latents"][:, :, 1:])
    pixels = torch.from_numpy(picture(1)).permute(2, 0, 1)[None, :, None].float() / 127.5 - 1
    seen = stock._encode_video(pixels)
    assert torch.allclose(state.values["latents"][:, :, :1], seen, atol=1e-6)
    for index in range(state.num_steps):
        state = adapter.step(state, index)
    assert torch.allclose(state.values["latents"][:, :, :1], seen, atol=1e-5), "it stays through every step"


def test_every_field_that_the_card_takes_changes_the_film(adapter: BlocksAdapter) -> None:
    more = [{"generate_audio": True}, *({"first": picture(seed)} for seed in (1, 2))]
    each_makes_another_film(adapter, (begun(adapter, **{"steps": 2, **change}) for change in [*FIELDS, *more]))


def test_two_clips_that_take_turns_do_not_mix(adapter: BlocksAdapter) -> None:
    """The library has one scheduler on the pipeline, which remembers the steps of whoever came last."""
    asked: list[dict[str, Any]] = [{"generate_audio": True}, {"seed": 8, "guidance_scale": 2.0}]
    taking_turns_they_do_not_mix(adapter, [partial(begun, adapter, **one) for one in asked])


def test_another_process_goes_on_from_any_step_to_the_same_bytes(adapter: BlocksAdapter, tmp_path: Path) -> None:
    state = begun(adapter, first=picture(1), generate_audio=True)
    (saved,) = another_process_goes_on_to_the_same_bytes([(adapter, state)], tmp_path)
    assert [adapter.restore(path.read_bytes()).index for path in saved] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("transformer/config.json", {"sound_gen": False}, "has sound_gen off"),
        ("transformer/config.json", {"quantization_config": {"quant_method": "modelopt"}}, "they are quantised"),
        ("model_index.json", {"sound_tokenizer": [None, None]}, "names no sound_tokenizer"),
        ("model_index.json", {"scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"]}, "a scheduler of the"),
    ],
)
def test_a_folder_that_could_not_do_what_the_card_says_is_refused(
    card: Card, tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    refused_once_changed(check, card, tmp_path, part, change, reason)


def test_without_the_samplers_memory_the_film_would_be_another(
    adapter: BlocksAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why a checkpoint keeps more than latents: the sampler looks back on the steps before."""
    whole = finished(adapter, begun(adapter))[0]
    monkeypatch.setattr("rushes.models.blocks.adapter.remember", lambda scheduler, memory: None)
    assert not np.array_equal(finished(adapter, begun(adapter))[0], whole)
