"""A HunyuanVideo 1.5 at the race of `race.py`."""

from __future__ import annotations

from typing import Any

from diffusers import HunyuanVideo15Pipeline

from rushes.cli.race import Runner, Side, Watch
from rushes.models.blocks.adapter import BlocksAdapter


class BlocksSide(Side):
    opened = BlocksAdapter

    def stock(self) -> Any:
        ours = self.adapter.pipe
        names = ("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2", "vae", "scheduler")
        guider = ours.guider.new(guidance_scale=self.request.guidance_scale)
        parts = {name: getattr(ours, name) for name in names}
        return HunyuanVideo15Pipeline(**parts, transformer=self.network(), guider=guider)

    def network(self) -> Any:
        return self.adapter.networks.get("transformer")

    def latent(self, state: Any) -> Any:
        return state.values["latents"]

    def by_stock(self, runner: Runner, watch: Watch) -> None:
        pipe, request, native = self.pipe, self.request, self.adapter.native(self.request)
        names = ("prompt_embeds", "prompt_embeds_mask", "prompt_embeds_2", "prompt_embeds_mask_2")
        words = dict(zip(names, pipe.encode_prompt(request.prompt), strict=True))
        negative = pipe.encode_prompt(request.negative_prompt)
        words |= {f"negative_{name}": value for name, value in zip(names, negative, strict=True)}
        watch.lap()
        latents = pipe(
            **words,
            width=native.width,
            height=native.height,
            num_frames=native.num_frames,
            num_inference_steps=request.steps,
            latents=self.start.values["latents"].clone(),
            output_type="latent",
        ).frames
        watch.lap()
        vae = self.adapter.networks.get("vae")
        vae.disable_tiling()  # as it is where nobody asks for tiles
        runner.film = self.film(vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0])
        watch.lap()
        runner.latent = latents


SIDE = BlocksSide
