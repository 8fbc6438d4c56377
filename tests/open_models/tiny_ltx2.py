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
    FlowMatchEulerDiscreteScheduler,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import (
    LTX2LatentUpsamplerModel,
    LTX2TextConnectors,
    LTX2Vocoder,
    LTX2VocoderWithBWE,
)
from tiny_text import byte_level
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma4UnifiedConfig,
    Gemma4UnifiedForConditionalGeneration,
    PreTrainedTokenizerFast,
)

FIRST, SECOND, THIRD = "LTX-2", "LTX-2.3", "LTX-2.5"
DISTILLED, FULL = ", distilled", "transformer_full"
KINDS = (FIRST, SECOND, THIRD)

TEXT_WIDTH, TEXT_LAYERS = 16, 2
VIDEO_CHANNELS = 8
SOUND_CHANNELS, MEL_BINS = 2, 16
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
        scheduler=scheduler(),
        vae=vae(),
        audio_vae=audio_vae(),
        text_encoder=newest_text_encoder() if kind == THIRD else text_encoder(),
        tokenizer=tokenizer(),
        connectors=connectors(kind),
        transformer=transformer(kind),
        vocoder=vocoder(kind),
    )


def scheduler() -> FlowMatchEulerDiscreteScheduler:
    """With the numbers that are published."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_shift=0.95,
        max_shift=2.05,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        shift_terminal=0.1,
    )


def transformer(kind: str) -> LTX2VideoTransformer3DModel:
    newer: dict[str, Any] = {}
    if kind != FIRST:
        newer = dict.fromkeys(
            ("gated_attn", "cross_attn_mod", "audio_gated_attn", "audio_cross_attn_mod", "perturbed_attn"), True
        )
        newer["use_prompt_embeddings"] = False
    if kind == THIRD:
        newer |= {"ff_bias": False, "use_prompt_adaln_single": False, "use_keyframes_abs_pos_embedding": True}
    return LTX2VideoTransformer3DModel(
        in_channels=VIDEO_CHANNELS,
        out_channels=VIDEO_CHANNELS,
        num_attention_heads=HEADS,
        attention_head_dim=VIDEO_WIDTH // HEADS,
        cross_attention_dim=VIDEO_WIDTH,
        audio_in_channels=SOUND_CHANNELS * MEL_BINS // 4,
        audio_out_channels=SOUND_CHANNELS * MEL_BINS // 4,
        audio_num_attention_heads=HEADS,
        audio_attention_head_dim=SOUND_WIDTH // HEADS,
        audio_cross_attention_dim=SOUND_WIDTH,
        num_layers=30,  # the guidance skips attention in the 29th or 30th: they have to be there
        caption_channels=TEXT_WIDTH,
        rope_type="split",
        **newer,
    )


def connectors(kind: str) -> LTX2TextConnectors:
    video, sound = (TEXT_WIDTH, TEXT_WIDTH) if kind == FIRST else (VIDEO_WIDTH, SOUND_WIDTH)
    return LTX2TextConnectors(
        caption_channels=TEXT_WIDTH,
        text_proj_in_factor=TEXT_LAYERS + 1,
        video_connector_num_attention_heads=HEADS,
        video_connector_attention_head_dim=video // HEADS,
        video_connector_num_layers=1,
        video_connector_num_learnable_registers=128,
        audio_connector_num_attention_heads=HEADS,
        audio_connector_attention_head_dim=sound // HEADS,
        audio_connector_num_layers=1,
        audio_connector_num_learnable_registers=128,
        rope_type="split",
        per_modality_projections=kind != FIRST,
        video_hidden_dim=VIDEO_WIDTH,
        audio_hidden_dim=SOUND_WIDTH,
        proj_bias=kind != FIRST,
    )


def vae() -> AutoencoderKLLTX2Video:
    made = AutoencoderKLLTX2Video(
        latent_channels=VIDEO_CHANNELS,
        block_out_channels=(4, 4, 8, 8),
        decoder_block_out_channels=(16, 32, 64),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        decoder_causal=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    made.latents_mean += 0.01 * torch.arange(VIDEO_CHANNELS)
    made.latents_std += 0.05 * torch.arange(VIDEO_CHANNELS)
    return made


def audio_vae() -> AutoencoderKLLTX2Audio:
    """As wide as a token of sound is: the width doubles as the number of its statistics."""
    made = AutoencoderKLLTX2Audio(
        base_channels=SOUND_CHANNELS * MEL_BINS // 4,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        resolution=32,
        latent_channels=SOUND_CHANNELS,
        mel_bins=MEL_BINS,
    )
    made.latents_mean += 0.02 * torch.arange(len(made.latents_mean))
    made.latents_std += 0.05 * torch.arange(len(made.latents_std))
    return made


def vocoder(kind: str) -> Any:
    """From 100 hops a second to 24,000 samples; the newer ones by way of 16,000 to 48,000."""
    small: dict[str, Any] = {"resnet_kernel_sizes": [3], "resnet_dilations": [[1, 3]]}
    if kind == FIRST:
        return LTX2Vocoder(
            in_channels=2 * MEL_BINS,
            hidden_channels=16,
            upsample_kernel_sizes=[24, 20],
            upsample_factors=[12, 20],
            **small,
        )
    made = LTX2VocoderWithBWE(
        in_channels=2 * MEL_BINS,
        hidden_channels=16,
        upsample_kernel_sizes=[32, 20],
        upsample_factors=[16, 10],
        bwe_in_channels=2 * MEL_BINS,
        bwe_hidden_channels=16,
        bwe_upsample_kernel_sizes=[24, 20],
        bwe_upsample_factors=[12, 20],
        num_mel_channels=MEL_BINS,
        **small,
        **{f"bwe_{name}": value for name, value in small.items()},
    )
    # Published ones hold a Fourier transform and a filter bank here; what has to be there is something.
    for name, buffer in made.mel_stft.named_buffers():
        buffer += 0.05 * torch.rand_like(buffer) if "mel" in name else 0.05 * torch.randn_like(buffer)
    return made


def upsampler(**how: Any) -> LTX2LatentUpsamplerModel:
    # Its norms have 32 groups of channels, whatever is asked.
    return LTX2LatentUpsamplerModel(in_channels=VIDEO_CHANNELS, mid_channels=32, num_blocks_per_stage=1, **how)


READER: dict[str, Any] = {
    "vocab_size": 512,
    "hidden_size": TEXT_WIDTH,
    "intermediate_size": 24,
    "num_hidden_layers": TEXT_LAYERS,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "sliding_window": 64,
}


def text_encoder() -> Gemma3ForConditionalGeneration:
    return Gemma3ForConditionalGeneration(
        Gemma3Config(
            text_config={**READER},
            vision_config={
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_hidden_layers": 1,
                "num_attention_heads": 1,
                "image_size": 28,
                "patch_size": 14,
            },
            mm_tokens_per_image=4,
            image_token_index=511,
            boi_token_index=510,
            eoi_token_index=509,
        )
    ).eval()


def newest_text_encoder() -> Gemma4UnifiedForConditionalGeneration:
    return Gemma4UnifiedForConditionalGeneration(
        Gemma4UnifiedConfig(
            text_config={
                **READER,
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
