"""An LTX-2 at the race of `race.py`: a film with its sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import LTX2Pipeline
from torch.utils.flop_counter import FlopCounterMode

from rushes.catalogue.card import Card
from rushes.cli.race import Runner, Watch
from rushes.contract.request import ResolvedRequest
from rushes.models.loading import usual_device, usual_dtype
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.chance import SIZES, by_chance
from rushes.models.ltx2.film import denormalised, latent_of, scale_of
from rushes.models.solver import SCHEDULERS

CHANCES = tuple(SIZES)


def chosen(card: Card, size: str, folder: Path) -> Ltx2Adapter:
    """The model of `card` by chance, as large as `size`, one of `CHANCES`."""
    device = usual_device()
    return by_chance(card, size, folder, device, usual_dtype(device))


def opened(card: Card) -> Ltx2Adapter:
    return Ltx2Adapter(card)


class Ltx2Side:
    def __init__(self, adapter: Ltx2Adapter, card: Card, request: ResolvedRequest) -> None:
        self.adapter, self.card, self.request = adapter, card, request
        parts, layout = adapter.parts, adapter.layout
        scheduler = SCHEDULERS["FlowMatchEulerDiscreteScheduler"]
        self._pipe: Any = LTX2Pipeline(
            scheduler=scheduler.from_config(layout.checkpoint.config("scheduler")),
            vae=parts.vae,
            audio_vae=parts.audio_vae,
            text_encoder=parts.text_encoder,
            tokenizer=parts.tokenizer,
            connectors=parts.connectors,
            transformer=self.network(),
            vocoder=parts.vocoder,
        )
        self._pipe.set_progress_bar_config(disable=True)
        self._start = start = adapter.prepare(adapter.encode(request), request.seed)
        # It draws latents and makes tokens of them; ours are tokens from the beginning on.
        self._pipe.prepare_latents = lambda *given, **named: start.latent_BNC.clone()
        self._pipe.prepare_audio_latents = lambda *given, **named: start.sound_BNC.clone()

    def network(self) -> Any:
        return self.adapter.parts.transformer

    def by_rushes(self, runner: Runner, watch: Watch) -> None:
        adapter = self.adapter
        condition = adapter.encode(self.request)
        watch.lap()
        state = adapter.prepare(condition, self.request.seed)
        while state.index < state.num_steps:
            state = adapter.step(state, state.index)
        watch.lap()
        runner.film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
        watch.lap()
        latent = latent_of(state.latent_BNC, state.condition.numbers)
        runner.latent = denormalised(latent, scale_of(adapter.parts.vae))

    def by_stock(self, runner: Runner, watch: Watch) -> None:
        pipe, request, native = self._pipe, self.request, self.adapter.native(self.request)
        guidance = self.adapter.guidance(request.guidance_scale)
        words, counts, negative, negative_counts = pipe.encode_prompt(
            request.prompt, request.negative_prompt, guidance.by_words, device=self.adapter.device
        )
        watch.lap()
        picture, sound = guidance.picture, guidance.sound
        latents, heard = pipe(
            prompt_embeds=words,
            prompt_attention_mask=counts,
            negative_prompt_embeds=negative,
            negative_prompt_attention_mask=negative_counts,
            width=native.width,
            height=native.height,
            num_frames=native.num_frames,
            frame_rate=float(native.fps),
            num_inference_steps=request.steps,
            guidance_scale=picture.words,
            stg_scale=picture.attention,
            modality_scale=picture.other,
            guidance_rescale=picture.spread,
            audio_guidance_scale=sound.words,
            audio_stg_scale=sound.attention,
            audio_modality_scale=sound.other,
            audio_guidance_rescale=sound.spread,
            spatio_temporal_guidance_blocks=[guidance.block or 0],
            use_cross_timestep=not self.adapter.layout.first,
            output_type="latent",
            return_dict=False,
        )
        watch.lap()
        pixels = pipe.vae.decode(latents.to(pipe.vae.dtype), None, return_dict=False)[0]
        film = pipe.video_processor.postprocess_video(pixels, output_type="np")[0]
        runner.film = (film * 255).round().astype(np.uint8)
        pipe.vocoder(pipe.audio_vae.decode(heard.to(pipe.audio_vae.dtype), return_dict=False)[0])
        watch.lap()
        runner.latent = latents

    def pass_flops(self) -> float:
        """Of the passes of one step together, by how many they are: some read two prompts, some one."""
        passes: list[int] = []
        hook = self.network().register_forward_pre_hook(lambda *told: passes.append(1))
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            self.adapter.step(self._start, 0)
        hook.remove()
        return float(counted.get_total_flops()) / len(passes)


SIDE = Ltx2Side
