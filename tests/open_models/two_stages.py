"""A film in two stages by our loop, and by the library's three pipelines in a row, from the same noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTX2LatentUpsamplePipeline, LTX2Pipeline, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2 import LTX2LatentUpsamplerModel, LTX2VideoCondition
from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES, STAGE_2_DISTILLED_SIGMA_VALUES
from PIL import Image
from safetensors.torch import load_file
from small_requests import SIDE, small
from tiny_lora import linears, registered, saved, tensors
from tiny_ltx2 import DISTILLED, FIRST, FULL

from rushes.catalogue.card import Card
from rushes.models.ltx2 import refine, sound
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.given import KEYFRAMES_STREAM, Held
from rushes.models.ltx2.guidance import Guidance, Scales
from rushes.models.ltx2.state import Ltx2State

LARGE = 2 * SIDE
NONE = Guidance(Scales(), Scales(), None)


class Worn(torch.nn.Module):
    """A linear layer with a LoRA at a weight of 1, as peft computes it where alpha is the rank."""

    def __init__(self, plain: torch.nn.Module, down: torch.Tensor, up: torch.Tensor) -> None:
        super().__init__()
        self.plain = plain
        self.lora_A, self.lora_B = (torch.nn.Linear(*reversed(part.shape), bias=False) for part in (down, up))
        self.lora_A.weight, self.lora_B.weight = (torch.nn.Parameter(part) for part in (down, up))

    def forward(self, x: torch.Tensor) -> Any:
        return self.plain(x) + self.lora_B(self.lora_A(x)) * 1.0


Changes = Mapping[str, tuple[torch.Tensor, torch.Tensor]]
"""What a LoRA adds, A and B, by layer."""


def put_on(network: Any, changes: Changes) -> None:
    """`network` computes with `changes` from now on."""
    for name, (down, up) in changes.items():
        network.set_submodule(name, Worn(network.get_submodule(name), down, up))


def beside_a_clip(card: Card, place: Path, shrunk: int = 1) -> tuple[Card, Changes]:
    """`card` with a LoRA that looks at a clip in `reference_videos`, so many times smaller, and what it adds."""
    network = Ltx2Adapter(card).parts.transformer
    names = linears(network)
    file = saved(place / "beside.safetensors", tensors(network, {name: name for name in names}, size=0.05))
    added = load_file(file)
    card, _ = registered(card, "beside", reads="reference_videos", shrunk=shrunk, transformer=file)
    return card, {name: tuple(added[f"transformer.{name}.lora_{half}.weight"] for half in "AB") for name in names}


def large(card: Card, **asked: Any) -> Any:
    return small(card, **{"width": LARGE, "height": LARGE, "steps": 8, "negative_prompt": None, **asked})


def begun(adapter: Ltx2Adapter, given: tuple[Held, ...] = (), **asked: Any) -> Ltx2State:
    request = large(adapter.describe(), **asked)
    return adapter.prepare(adapter.condition(request, given), 7)


def ended(adapter: Ltx2Adapter, state: Ltx2State) -> Ltx2State:
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def stock(
    kind: Any,
    adapter: Ltx2Adapter,
    first: Ltx2State,
    given: Sequence[tuple[int, Held]],
    monkeypatch: pytest.MonkeyPatch,
    worn: Changes | None = None,
    negative: str | None = None,
) -> tuple[Any, Any]:
    """Frames of 0 … 1 and samples of the library's three pipelines in a row, with our noise.

    `worn` is what a LoRA adds to the layers by name in the second stage, of a checkpoint that is not distilled.
    """
    folder = Path(adapter.layout.checkpoint.folder)
    full = LTX2VideoTransformer3DModel.from_pretrained(folder / FULL) if (folder / FULL).is_dir() else None
    pipe = kind.from_pretrained(folder, local_files_only=True, **({} if full is None else {"transformer": full}))
    pipe.set_progress_bar_config(disable=True)
    as_they_are = type(pipe.scheduler).from_config(
        pipe.scheduler.config, use_dynamic_shifting=False, shift_terminal=None
    )
    distilled = adapter.describe().weights.layout.endswith(DISTILLED)
    if distilled:
        pipe.scheduler = as_they_are
    guidance = adapter.guidance(first.condition.numbers.guidance_scale)
    enlarging = LTX2LatentUpsamplePipeline(
        vae=pipe.vae, latent_upsampler=LTX2LatentUpsamplerModel.from_pretrained(folder / "latent_upsampler")
    )
    enlarging.set_progress_bar_config(disable=True)
    drawn: list[torch.Tensor] = []
    monkeypatch.setattr(f"{kind.__module__}.randn_tensor", lambda shape, **named: drawn.pop(0).reshape(shape).clone())

    def noise(stage: int) -> None:
        condition = first.condition if stage == 0 else first.condition.next
        assert condition is not None
        numbers, offset = condition.numbers, stage * refine.STREAM
        film = adapter._noise(7, numbers.places, adapter.layout.channels, offset)
        if "held" in condition.given:
            behind = condition.given["held"].shape[1] - numbers.places
            more = adapter._noise(7, behind, adapter.layout.channels, offset + KEYFRAMES_STREAM)
            film = torch.cat([film, more], dim=1)
        drawn[:] = [film, adapter._noise(7, numbers.sounds, adapter.layout.sound_width, offset + sound.STREAM)]

    def called(
        side: int, sigmas: list[float] | None, guidance: Guidance, more: dict[str, Any], output_type: str
    ) -> Any:
        if given:
            more["conditions"] = [
                LTX2VideoCondition(_pictures(held, side), index=index, strength=held.strength) for index, held in given
            ]
        return pipe(
            prompt="A penguin waddles",
            negative_prompt=negative,
            width=side,
            height=side,
            num_frames=first.condition.numbers.num_frames,
            frame_rate=first.condition.numbers.fps,
            num_inference_steps=first.condition.numbers.steps if sigmas is None else len(sigmas),
            sigmas=sigmas,
            guidance_scale=guidance.picture.words,
            stg_scale=guidance.picture.attention,
            modality_scale=guidance.picture.other,
            guidance_rescale=guidance.picture.spread,
            audio_guidance_scale=guidance.sound.words,
            audio_stg_scale=guidance.sound.attention,
            audio_modality_scale=guidance.sound.other,
            audio_guidance_rescale=guidance.sound.spread,
            spatio_temporal_guidance_blocks=[guidance.block or 0],
            use_cross_timestep=adapter.layout.kind != FIRST,
            output_type=output_type,
            return_dict=False,
            **more,
        )

    noise(0)
    more: dict[str, Any] = {}
    if kind is LTX2Pipeline:  # it draws latents, and makes tokens of them; ours are tokens from the beginning on
        begin = pipe.prepare_latents, pipe.prepare_audio_latents
        pipe.prepare_latents = lambda *given, **named: first.latent_BNC.clone()
        pipe.prepare_audio_latents = lambda *given, **named: first.sound_BNC.clone()
    latents, heard = called(SIDE, [*DISTILLED_SIGMA_VALUES] if distilled else None, guidance, more, "latent")
    if kind is LTX2Pipeline:
        pipe.prepare_latents, pipe.prepare_audio_latents = begin
    latents = enlarging(latents=latents, height=SIDE, width=SIDE, output_type="latent", return_dict=False)[0]
    noise(1)
    pipe.scheduler = as_they_are
    put_on(pipe.transformer, worn or {})
    more = {"latents": latents, "audio_latents": heard, "noise_scale": STAGE_2_DISTILLED_SIGMA_VALUES[0]}
    frames, samples = called(LARGE, [*STAGE_2_DISTILLED_SIGMA_VALUES], NONE, more, "np")
    return frames[0], samples[0]


def _pictures(held: Held, side: int) -> Any:
    frames = held.frames_THWC if side == LARGE else refine.halved([held])[0].frames_THWC
    images = [Image.fromarray(frame) for frame in frames]
    return images if len(images) > 1 else images[0]


def same(adapter: Ltx2Adapter, state: Ltx2State, frames: Any, samples: torch.Tensor) -> bool:
    made = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
    parts = adapter.parts
    row = sound.denormalised(state.sound_BNC, parts.audio_vae)
    latent = row.unflatten(2, (-1, adapter.layout.sound_bins)).transpose(1, 2)
    heard = parts.vocoder(parts.audio_vae.decode(latent, return_dict=False)[0])[0]
    return np.array_equal(made, (frames * 255).round().astype("u1")) and torch.equal(heard, samples)
