"""An LTX-2 at the race of `race.py`: a film with its sound."""

from __future__ import annotations

from typing import Any

from diffusers import LTX2Pipeline

from rushes.cli.race import Runner, Side, Watch
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.film import denormalised, latent_of, scale_of
from rushes.models.ltx2.guidance import Guidance
from rushes.models.solver import SCHEDULERS


def guidance_of_stock(guidance: Guidance) -> dict[str, Any]:
    """What the library's pipeline is told so that it guides like this."""
    picture, sound = guidance.picture, guidance.sound
    return {
        "guidance_scale": picture.words,
        "stg_scale": picture.attention,
        "modality_scale": picture.other,
        "guidance_rescale": picture.spread,
        "audio_guidance_scale": sound.words,
        "audio_stg_scale": sound.attention,
        "audio_modality_scale": sound.other,
        "audio_guidance_rescale": sound.spread,
        "spatio_temporal_guidance_blocks": [guidance.block or 0],
    }


class Ltx2Side(Side):
    opened = Ltx2Adapter

    def stock(self) -> Any:
        parts, config = self.adapter.parts, self.adapter.layout.checkpoint.config("scheduler")
        pipe: Any = LTX2Pipeline(
            scheduler=SCHEDULERS["FlowMatchEulerDiscreteScheduler"].from_config(config),
            vae=parts.vae,
            audio_vae=parts.audio_vae,
            text_encoder=parts.text_encoder,
            tokenizer=parts.tokenizer,
            connectors=parts.connectors,
            transformer=self.network(),
            vocoder=parts.vocoder,
        )
        # It draws latents and makes tokens of them; ours are tokens from the beginning on.
        pipe.prepare_latents = lambda *given, **named: self.start.latent_BNC.clone()
        pipe.prepare_audio_latents = lambda *given, **named: self.start.sound_BNC.clone()
        return pipe

    def network(self) -> Any:
        return self.adapter.parts.transformer

    def latent(self, state: Any) -> Any:
        return denormalised(latent_of(state.latent_BNC, state.condition.numbers), scale_of(self.adapter.parts.vae))

    def by_stock(self, runner: Runner, watch: Watch) -> None:
        pipe, request, native = self.pipe, self.request, self.adapter.native(self.request)
        guidance = self.adapter.guidance(request.guidance_scale)
        words, counts, negative, negative_counts = pipe.encode_prompt(
            request.prompt, request.negative_prompt, guidance.by_words, device=self.adapter.device
        )
        watch.lap()
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
            use_cross_timestep=not self.adapter.layout.first,
            output_type="latent",
            return_dict=False,
            **guidance_of_stock(guidance),
        )
        watch.lap()
        runner.film = self.film(pipe.vae.decode(latents.to(pipe.vae.dtype), None, return_dict=False)[0])
        pipe.vocoder(pipe.audio_vae.decode(heard.to(pipe.audio_vae.dtype), return_dict=False)[0])
        watch.lap()
        runner.latent = latents


SIDE = Ltx2Side
