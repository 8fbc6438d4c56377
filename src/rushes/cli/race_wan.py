"""A Wan at the race of `race.py`."""

from __future__ import annotations

from typing import Any

from diffusers import WanPipeline

from rushes.cli.race import Runner, Side, Watch
from rushes.models.solver import SCHEDULERS
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.film import statistics


class WanSide(Side):
    opened = WanAdapter

    def stock(self) -> Any:
        parts, layout = self.adapter.parts, self.adapter.layout
        return WanPipeline(
            tokenizer=parts.tokenizer,
            text_encoder=parts.text_encoder,
            transformer=self.network(),
            vae=parts.vae,
            scheduler=SCHEDULERS[layout.scheduler].from_config(layout.checkpoint.config("scheduler")),
            expand_timesteps=layout.kind == "text or first frame",
        )

    def network(self) -> Any:
        return self.adapter.parts.expert("transformer")

    def by_rushes(self, runner: Runner, watch: Watch) -> None:
        self.adapter._words.clear()  # reading them is part of the race
        super().by_rushes(runner, watch)

    def latent(self, state: Any) -> Any:
        return state.latent_BCTHW

    def by_stock(self, runner: Runner, watch: Watch) -> None:
        pipe, request, native = self.pipe, self.request, self.adapter.native(self.request)
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
            latents=self.start.latent_BCTHW.clone(),
            output_type="latent",
        ).frames
        watch.lap()
        mean, spread = statistics(pipe.vae, latents)
        runner.film = self.film(pipe.vae.decode(latents.to(pipe.vae.dtype) / spread + mean, return_dict=False)[0])
        watch.lap()
        runner.latent = latents

    def pass_flops(self) -> float:
        """Projections, both attentions, feed-forward."""
        config, layout = self.network().config, self.adapter.layout
        frames, rows, cols = self.start.latent_BCTHW.shape[2:]
        tokens, text = frames * (rows // layout.patch) * (cols // layout.patch), 512
        width = config.num_attention_heads * config.attention_head_dim
        linear = 2 * tokens * width * (4 * width + 2 * width + 2 * config.ffn_dim) + 2 * text * width * 2 * width
        attention = 4 * tokens * tokens * width + 4 * tokens * text * width
        return float(config.num_layers * (linear + attention))


SIDE = WanSide
