"""Our loop and the library's own pipeline on the same tiny weights: bit for bit, guidance on.

A version of diffusers that changes a pipeline turns these red. That is what they are for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline, WanImageToVideoPipeline, WanPipeline, WanVACEPipeline
from PIL import Image
from small_requests import FRAMES, INPUTS, SIDE, film, picture, small
from tiny_cards import folder_of
from tiny_wan import ANY, EXPERTS, FIRST_AND_LAST, FIRST_EXPERTS, FIRST_SEEN, TEXT, TEXT_OR_FIRST

from rushes.catalogue.card import Card
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.wan.adapter import WanAdapter

GREY = np.full((SIDE, SIDE, 3), 127.5, np.float32)


def ours(card: Card, inputs: Inputs, guidance: float) -> tuple[WanAdapter, Any]:
    adapter = WanAdapter(card)
    state = adapter.prepare(adapter.encode(small(card, guidance_scale=guidance), inputs), 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return adapter, state


def stock(kind: Any, folder: Any, noise: torch.Tensor, num_frames: int, guidance: float, **more: Any) -> Any:
    """Frames of the library's pipeline, and its latents, from the same noise."""
    pipe = kind.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)

    def made(output_type: str) -> Any:
        return pipe(
            prompt="A penguin waddles",
            negative_prompt="blurry, text",
            width=SIDE,
            height=SIDE,
            num_frames=num_frames,
            num_inference_steps=4,
            guidance_scale=guidance,
            latents=noise.clone(),
            output_type=output_type,
            max_sequence_length=512,
            **more,
        ).frames

    return made("latent"), made("np")[0]


def held_together(card: Card, inputs: Inputs, kind: Any, guidance: float = 5.0, **more: Any) -> None:
    adapter, state = ours(card, inputs, guidance)
    noise, num_frames = adapter.prepare(state.condition, 7).latent_BCTHW, state.condition.numbers.num_frames
    latents, frames = stock(kind, folder_of(card), noise, num_frames, guidance, **more)
    latents = latents[:, :, state.condition.numbers.references :]
    assert torch.equal(adapter.finished(state), latents), (adapter.finished(state) - latents).abs().max()
    chunks = [chunk.frames_THWC for chunk in adapter.decode(state)]
    assert [len(chunk) for chunk in chunks] == [1] + [4] * ((num_frames - 1) // 4)
    assert np.array_equal(np.concatenate(chunks), (frames * 255).round().astype(np.uint8))


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_text_to_video_is_the_stock_pipelines(tiny_card: Callable[..., Card], scheduler: str, guidance: float) -> None:
    held_together(tiny_card(TEXT, scheduler), NO_INPUTS, WanPipeline, guidance)


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_two_experts_share_a_clip_as_in_the_stock_pipeline(tiny_card: Callable[..., Card], scheduler: str) -> None:
    held_together(tiny_card(EXPERTS, scheduler), NO_INPUTS, WanPipeline, 4.0, guidance_scale_2=3.0)


def test_both_experts_have_a_part_in_that_clip(tiny_card: Callable[..., Card]) -> None:
    adapter = WanAdapter(tiny_card(EXPERTS))
    solver = adapter._solver(4)
    assert {adapter._expert(solver, index) for index in range(4)} == set(adapter.layout.experts)


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_a_time_for_each_token_from_words_alone_is_the_stock_pipelines(
    tiny_card: Callable[..., Card], scheduler: str
) -> None:
    held_together(tiny_card(TEXT_OR_FIRST, scheduler), NO_INPUTS, WanPipeline)


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_a_time_for_each_token_with_a_first_frame_is_the_stock_pipelines(
    tiny_card: Callable[..., Card], scheduler: str
) -> None:
    held_together(
        tiny_card(TEXT_OR_FIRST, scheduler),
        Inputs(keyframes=((0, picture(1)),)),
        WanImageToVideoPipeline,
        image=Image.fromarray(picture(1)),
    )


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_a_first_frame_that_clip_sees_is_the_stock_pipelines(tiny_card: Callable[..., Card], scheduler: str) -> None:
    held_together(
        tiny_card(FIRST_SEEN, scheduler),
        INPUTS[FIRST_SEEN],
        WanImageToVideoPipeline,
        image=Image.fromarray(picture(1)),
    )


@pytest.mark.parametrize("kind", [FIRST_AND_LAST, FIRST_EXPERTS])
@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_a_first_and_a_last_frame_are_the_stock_pipelines(
    tiny_card: Callable[..., Card], kind: str, scheduler: str
) -> None:
    held_together(
        tiny_card(kind, scheduler),
        INPUTS[kind],
        WanImageToVideoPipeline,
        image=Image.fromarray(picture(1)),
        last_image=Image.fromarray(picture(2)),
    )


def test_a_first_frame_without_clip_is_the_stock_pipelines(tiny_card: Callable[..., Card]) -> None:
    held_together(
        tiny_card(FIRST_EXPERTS),
        Inputs(keyframes=((0, picture(1)),)),
        WanImageToVideoPipeline,
        image=Image.fromarray(picture(1)),
    )


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_a_keyframe_and_a_clip_to_continue_are_the_stock_vace_pipelines(
    tiny_card: Callable[..., Card], scheduler: str
) -> None:
    given = film(20, 5)
    shown = {**dict(enumerate(given)), 9: picture(1)}
    held_together(
        tiny_card(ANY, scheduler),
        INPUTS[ANY],
        WanVACEPipeline,
        video=_video([shown.get(frame) for frame in range(FRAMES)]),
        mask=_masks([frame not in shown for frame in range(FRAMES)]),
    )


def test_a_clip_made_anew_is_the_stock_vace_pipelines(tiny_card: Callable[..., Card]) -> None:
    source = film(40, FRAMES)
    held_together(
        tiny_card(ANY),
        Inputs(source_THWC=source),
        WanVACEPipeline,
        video=_video(list(source)),
        mask=_masks([True] * FRAMES),
    )


def test_vace_from_words_alone_is_the_stock_pipelines(tiny_card: Callable[..., Card]) -> None:
    held_together(tiny_card(ANY), NO_INPUTS, WanVACEPipeline)


def test_the_folders_are_opened_by_the_library_without_us(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    pipe = DiffusionPipeline.from_pretrained(folder_of(card), local_files_only=True)
    assert type(pipe) is WanPipeline


def _video(frames: list[Any]) -> torch.Tensor:
    """(1, T, 3, H, W) between 0 and 1: grey is 127.5 of 255, which no picture of bytes can say."""
    known = [GREY if frame is None else frame.astype(np.float32) for frame in frames]
    return torch.from_numpy(np.stack(known).transpose(0, 3, 1, 2) / np.float32(255.0))[None]


def _masks(changed: list[bool]) -> torch.Tensor:
    """(1, T, 1, H, W): one where the frame is to be made."""
    return torch.tensor(changed, dtype=torch.float32)[None, :, None, None, None].expand(1, -1, 1, SIDE, SIDE).clone()
