"""A Wan at the race of `race.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from diffusers import WanPipeline

from rushes.catalogue.card import Card
from rushes.cli.race import Runner, Watch
from rushes.contract.request import ResolvedRequest
from rushes.models.loading import usual_device, usual_dtype
from rushes.models.solver import SCHEDULERS
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.chance import SIZES, by_chance
from rushes.models.wan.film import statistics

CHANCES = tuple(SIZES)


def chosen(card: Card, size: str, folder: Path) -> WanAdapter:
    """The model of `card` by chance, as large as `size`, one of `CHANCES`."""
    device = usual_device()
    return by_chance(card, size, folder, device, usual_dtype(device))


def opened(card: Card) -> WanAdapter:
    return WanAdapter(card)


class WanSide:
    def __init__(self, adapter: WanAdapter, card: Card, request: ResolvedRequest) -> None:
        self.adapter, self.card, self.request = adapter, card, request
        parts, layout = adapter.parts, adapter.layout
        self._pipe: Any = WanPipeline(
            tokenizer=parts.tokenizer,
            text_encoder=parts.text_encoder,
            transformer=self.network(),
            vae=parts.vae,
            scheduler=SCHEDULERS[layout.scheduler].from_config(layout.checkpoint.config("scheduler")),
            expand_timesteps=layout.kind == "text or first frame",
        )
        self._pipe.set_progress_bar_config(disable=True)
        self._start = adapter.prepare(adapter.encode(request), request.seed)

    def network(self) -> Any:
        return self.adapter.parts.expert("transformer")

    def by_rushes(self, runner: Runner, watch: Watch) -> None:
        adapter = self.adapter
        adapter._words.clear()  # reading them is part of the race
        condition = adapter.encode(self.request)
        watch.lap()
        state = adapter.prepare(condition, self.request.seed)
        while state.index < state.num_steps:
            state = adapter.step(state, state.index)
        watch.lap()
        runner.film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
        watch.lap()
        runner.latent = state.latent_BCTHW

    def by_stock(self, runner: Runner, watch: Watch) -> None:
        pipe, request, native = self._pipe, self.request, self.adapter.native(self.request)
        words, negative = pipe.encode_prompt(request.prompt, request.negative_prompt, True, max_sequence_length=512)
        watch.lap()
        latents = pipe(
            prompt_embeds=words,
            negative_prompt_embeds=negative,
            width=native.width,
            height=native.height,
            num_frames=native.num_frames,
            num_inference_steps=request.steps,
            guidance_scale=request.guidance_scale,
            latents=self._start.latent_BCTHW.clone(),
            output_type="latent",
        ).frames
        watch.lap()
        mean, spread = statistics(pipe.vae, latents)
        pixels = pipe.vae.decode(latents.to(pipe.vae.dtype) / spread + mean, return_dict=False)[0]
        film = pipe.video_processor.postprocess_video(pixels, output_type="np")[0]
        runner.film = (film * 255).round().astype(np.uint8)
        watch.lap()
        runner.latent = latents

    def pass_flops(self) -> float:
        """Projections, both attentions, feed-forward."""
        config, layout = self.network().config, self.adapter.layout
        frames, rows, cols = self._start.latent_BCTHW.shape[2:]
        tokens, text = frames * (rows // layout.patch) * (cols // layout.patch), 512
        width = config.num_attention_heads * config.attention_head_dim
        linear = 2 * tokens * width * (4 * width + 2 * width + 2 * config.ffn_dim) + 2 * text * width * 2 * width
        attention = 4 * tokens * tokens * width + 4 * tokens * text * width
        return float(config.num_layers * (linear + attention))


SIDE = WanSide
