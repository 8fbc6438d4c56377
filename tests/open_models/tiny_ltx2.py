"""Checkpoints of the LTX-2 family that are complete and tiny: random weights in the real folder format, built here.

`built(kind, folder)` saves one. They are made from configurations alone: nothing is fetched. What compresses and how
much is as published (8 frames, 32 × 32 pixels, 4 hops of sound); only the widths and depths are small.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import (
    LTX2LatentUpsamplerModel,
    LTX2TextConnectors,
    LTX2Vocoder,
)
from tiny_text import byte_level
from transformers import (
    Gemma4UnifiedConfig,
    Gemma4UnifiedForConditionalGeneration,
    PreTrainedTokenizerFast,
)

from rushes.models.ltx2 import chance
from rushes.models.ltx2.chance import MEL_BINS

FIRST, SECOND, THIRD = "LTX-2", "LTX-2.3", "LTX-2.5"
DISTILLED, FULL = ", distilled", "transformer_full"
KINDS = (FIRST, SECOND, THIRD)

TEXT_WIDTH, INNER = 16, 24
VIDEO_CHANNELS = 8
VIDEO_WIDTH, SOUND_WIDTH = 32, 16
HEADS = 2


def built(kind: str, folder: Path, *, seed: int = 0) -> Path:
    """Save a checkpoint of `kind` in `folder`, and give the folder back. A distilled one has an upsampler beside it.

    Of the third generation a full one has its transformer beside the distilled one, as it is published.
    """
    generation = kind.removesuffix(DISTILLED)
    torch.manual_seed(seed)
    # Saved as they are published: in the library's own format, by the pipeline that it belongs to.
    pipeline(generation).save_pretrained(folder, safe_serialization=True)
    if kind == THIRD:
        transformer(THIRD).save_pretrained(folder / FULL)
    if generation != kind:
        upsampler().save_pretrained(folder / "latent_upsampler")
    return folder


def pipeline(kind: str) -> LTX2Pipeline:
    return LTX2Pipeline(
        scheduler=chance.scheduler(),
        vae=vae(),
        audio_vae=audio_vae(),
        text_encoder=newest_text_encoder() if kind == THIRD else chance.text_encoder(TEXT_WIDTH, INNER),
        tokenizer=tokenizer(),
        connectors=connectors(kind),
        transformer=transformer(kind),
        vocoder=vocoder(kind),
    )


def transformer(kind: str) -> LTX2VideoTransformer3DModel:
    newer: dict[str, bool] = {} if kind == FIRST else chance.SINCE_2_3
    if kind == THIRD:
        newer = {**newer, "ff_bias": False, "use_prompt_adaln_single": False, "use_keyframes_abs_pos_embedding": True}
    # The guidance skips attention in the 29th or 30th layer: they have to be there.
    return chance.transformer(**widths(), layers=30, channels=VIDEO_CHANNELS, **newer)


def connectors(kind: str) -> LTX2TextConnectors:
    if kind != FIRST:
        return chance.connectors(**widths())
    heads = {f"{stream}_connector_attention_head_dim": TEXT_WIDTH // HEADS for stream in ("video", "audio")}
    return chance.connectors(**widths(), **heads, per_modality_projections=False, proj_bias=False)


def widths() -> dict[str, int]:
    return {"width": VIDEO_WIDTH, "sound": SOUND_WIDTH, "heads": HEADS, "text": TEXT_WIDTH}


def vae() -> AutoencoderKLLTX2Video:
    made = chance.vae(VIDEO_CHANNELS, encoder=(4, 4, 8, 8), decoder=(16, 32, 64))
    made.latents_mean += 0.01 * torch.arange(VIDEO_CHANNELS)
    made.latents_std += 0.05 * torch.arange(VIDEO_CHANNELS)
    return made


def audio_vae() -> AutoencoderKLLTX2Audio:
    made = chance.audio_vae()
    made.latents_mean += 0.02 * torch.arange(len(made.latents_mean))
    made.latents_std += 0.05 * torch.arange(len(made.latents_std))
    return made


def vocoder(kind: str) -> Any:
    """From 100 hops a second to 24,000 samples; the newer ones by way of 16,000 to 48,000."""
    if kind == FIRST:
        return LTX2Vocoder(
            in_channels=2 * MEL_BINS,
            hidden_channels=16,
            upsample_kernel_sizes=[24, 20],
            upsample_factors=[12, 20],
            resnet_kernel_sizes=[3],
            resnet_dilations=[[1, 3]],
        )
    made = chance.vocoder()
    # Published ones hold a Fourier transform and a filter bank here; what has to be there is something.
    for name, buffer in made.mel_stft.named_buffers():
        buffer += 0.05 * torch.rand_like(buffer) if "mel" in name else 0.05 * torch.randn_like(buffer)
    return made


def upsampler(**how: Any) -> LTX2LatentUpsamplerModel:
    # Its norms have 32 groups of channels, whatever is asked.
    return LTX2LatentUpsamplerModel(in_channels=VIDEO_CHANNELS, mid_channels=32, num_blocks_per_stage=1, **how)


def newest_text_encoder() -> Gemma4UnifiedForConditionalGeneration:
    return Gemma4UnifiedForConditionalGeneration(
        Gemma4UnifiedConfig(
            text_config={
                **chance.reader(TEXT_WIDTH, INNER),
                "layer_types": ["sliding_attention", "full_attention"],
            },
            vision_config={"patch_size": 4, "mm_embed_dim": 8, "mm_posemb_size": 8, "output_proj_dims": 8},
            audio_config={"audio_embed_dim": 8},
        )
    ).eval()


def tokenizer() -> PreTrainedTokenizerFast:
    """With the mark that Gemma puts before every prompt."""
    made = byte_level("<bos> $A", pad="<pad>", eos="<eos>", bos="<bos>")
    made.padding_side, made.model_max_length = "left", 1024
    return made
