"""Wan-Animate-2 segment by segment, and by the library's blocks in one call: the same film, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_animate2
import torch
from diffusers.modular_pipelines.wan_animate_2 import denoise
from diffusers.modular_pipelines.wan_animate_2.modular_blocks_wan_animate_2 import WanAnimate2Blocks
from PIL import Image
from small_requests import film, picture, small
from step_by_step import (
    FIELDS,
    another_process_goes_on_to_the_same_bytes,
    each_makes_another_film,
    finished,
    refused_once_changed,
    taking_turns_they_do_not_mix,
)
from tiny_animate2 import BASE, DISTILLED, OLD_ARRAYS, UNCOMPILED
from tiny_cards import published_card

from rushes.catalogue.card import Card
from rushes.contract.media import FrameImage, Media
from rushes.diffusion.noise import noise
from rushes.models.adapter import Frames, Inputs
from rushes.models.animate2 import adapter as animate2
from rushes.models.animate2.adapter import AnimateAdapter
from rushes.models.animate2.given import there_and_back
from rushes.models.animate2.layout import check
from rushes.models.animate2.mask import mask

pytestmark = [pytest.mark.filterwarnings(UNCOMPILED), pytest.mark.filterwarnings(OLD_ARRAYS)]

MEDIA = Media(frame_images=(FrameImage("x", "first"),), source_video="x")
CHARACTER, CLIP = picture(1), film(20, 24)
SEGMENT = 17
"""Frames: a film of 24 is made in two segments, the second of which is filled up behind the film's end."""


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animate2, "SEGMENT", SEGMENT)


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place, card = tmp_path_factory.mktemp("animate"), published_card(BASE)
    return cache(lambda scheduler: card.in_folder(tiny_animate2.built(place / scheduler, scheduler=scheduler)))


@pytest.fixture(scope="module")
def adapters(cards: Callable[[str], Card]) -> Callable[..., AnimateAdapter]:
    made = cache(lambda scheduler: AnimateAdapter(cards(scheduler)))
    return lambda scheduler="dpm": made(scheduler)


def begun(adapter: AnimateAdapter, *, character: Frames = CHARACTER, clip: Frames = CLIP, **asked: Any) -> Any:
    request = small(adapter.describe(), media=MEDIA, **{"steps": 2, **asked})
    inputs = Inputs(keyframes=((0, character),), source_THWC=clip)
    return adapter.prepare(adapter.encode(request, inputs), request.seed)


def stock(adapter: AnimateAdapter, guidance: float, monkeypatch: pytest.MonkeyPatch) -> Frames:
    """What the library's blocks make of the same parts and the same noise, all segments in one call."""
    parts = adapter.parts
    pipe = WanAnimate2Blocks().init_pipeline()
    pipe.update_components(
        tokenizer=parts.tokenizer,
        text_encoder=parts.text_encoder,
        image_encoder=parts.image_encoder,
        transformer=parts.transformer,
        vae=parts.vae,
        scheduler=tiny_animate2.SCHEDULERS["dpm" if "DPM" in adapter._found.parts["scheduler"] else "euler"](),
    )
    pipe.update_components(guider=pipe.guider.new(guidance_scale=guidance))
    segments: list[int] = []

    def drawn(shape: Any, **how: Any) -> torch.Tensor:
        segments.append(len(segments))
        return torch.from_numpy(noise(7, shape, animate2.STREAM + segments[-1]))

    monkeypatch.setattr(denoise, "randn_tensor", drawn)
    made = pipe(
        prompt="A penguin waddles",
        negative_prompt="blurry, text",
        image=Image.fromarray(CHARACTER),
        driving_video=[Image.fromarray(frame) for frame in CLIP],
        width=64,
        height=64,
        num_inference_steps=2,
        segment_frame_length=SEGMENT,
        output="videos",
    )
    assert segments == [0, 1]
    frames: Frames = (np.asarray(made)[0] * 255).round().astype(np.uint8)
    return frames


@pytest.mark.parametrize(("scheduler", "guidance"), [("dpm", 3.0), ("dpm", 1.0), ("euler", 3.0)])
def test_segment_by_segment_it_makes_what_the_librarys_blocks_make(
    adapters: Callable[[str], AnimateAdapter], monkeypatch: pytest.MonkeyPatch, scheduler: str, guidance: float
) -> None:
    adapter = adapters(scheduler)
    ours, _ = finished(adapter, begun(adapter, guidance_scale=guidance))
    theirs = stock(adapter, guidance, monkeypatch)
    assert ours.shape == (24, 64, 64, 3)
    assert np.array_equal(ours, theirs), np.abs(ours.astype(int) - theirs).max()


def test_another_process_goes_on_between_and_inside_segments_to_the_same_bytes(
    adapters: Callable[..., AnimateAdapter], tmp_path: Path
) -> None:
    adapter = adapters()
    (saved,) = another_process_goes_on_to_the_same_bytes([(adapter, begun(adapter))], tmp_path)
    assert [len(adapter.restore(path.read_bytes()).done) for path in saved] == [0, 0, 1, 1], "segments that are done"


def test_two_films_that_take_turns_do_not_mix(adapters: Callable[..., AnimateAdapter]) -> None:
    """What was read of one film's clip must not drive the other."""
    adapter = adapters()
    asked: list[dict[str, Any]] = [{}, {"clip": film(50, 24), "guidance_scale": 1.0}]
    taking_turns_they_do_not_mix(adapter, [partial(begun, adapter, **one) for one in asked])


def test_a_segment_goes_on_from_the_one_before(adapters: Callable[..., AnimateAdapter]) -> None:
    adapter = adapters()
    state = begun(adapter, guidance_scale=1.0)
    for index in range(2):
        state = adapter.step(state, index)
    known, mask = state.known[4:, 1:], state.known[:4, 1:]
    assert mask[:, 0].eq(1).all() and mask[:, 1:].eq(0).all(), "the first frame alone is known"
    assert not torch.equal(known, begun(adapter).known[4:, 1:]), "and it is the last of the segment before"


def test_a_look_at_a_film_shows_the_first_frame_of_the_segment_that_is_made(
    adapters: Callable[..., AnimateAdapter],
) -> None:
    adapter = adapters("euler")
    state = begun(adapter, guidance_scale=1.0)
    for index in range(2):
        (look,) = adapter.decode(adapter.foreseen(state))
        assert look.frames_THWC.shape == (1, 64, 64, 3)
        state = adapter.step(state, index)
    assert state.heading is not None
    assert torch.allclose(state.heading, state.done[0], atol=1e-4), "of the last step it is what comes out"


def test_every_field_that_the_card_takes_changes_the_film(adapters: Callable[..., AnimateAdapter]) -> None:
    adapter = adapters()
    more = [{"character": picture(2)}, {"clip": film(50, 24)}]
    each_makes_another_film(adapter, (begun(adapter, **change) for change in [*FIELDS, *more]))


@pytest.mark.parametrize(("frames", "expected"), [(3, [0, 1, 2]), (5, [0, 1, 2, 2, 1]), (8, [0, 1, 2, 2, 1, 0, 0, 1])])
def test_a_clip_that_is_too_short_runs_back_and_forth(frames: int, expected: list[int]) -> None:
    assert there_and_back(np.arange(3), frames).tolist() == expected


def test_each_token_looks_at_the_whole_film_and_at_its_own_moment_of_the_clip() -> None:
    frames, places = 2, 3
    looks = mask(frames, places, torch.device("cpu")).mask_mod
    film_tokens, behind = (frames + 1) * places, 128
    for query in range(film_tokens):
        seen = [key for key in range(256) if looks(0, 0, torch.tensor(query), torch.tensor(key))]
        moment = query // places - 1  # of the clip; the character's picture has none
        own = [behind + moment * places + place for place in range(places)] if moment >= 0 else []
        assert seen == [*range(film_tokens), *own]


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("transformer/config.json", {"log_scale": -1.3}, "log_scale, unknown here"),
        ("scheduler/scheduler_config.json", {"algorithm_type": "sde-dpmsolver++"}, "draws no noise of its own"),
        (
            "modular_model_index.json",
            {"scheduler": ["diffusers", "UniPCMultistepScheduler", {}]},
            "scheduler is a UniPC",
        ),
        ("modular_model_index.json", {"image_encoder": [None, None, {}]}, "image_encoder is missing"),
        ("modular_model_index.json", {"_class_name": DISTILLED}, f"names {DISTILLED}"),
    ],
)
def test_a_folder_that_would_make_something_else_is_refused(
    cards: Callable[[str], Card], tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    """The library would drop a number that it does not know from a configuration, and say so in a log."""
    refused_once_changed(check, cards("dpm"), tmp_path, part, change, reason)
