"""A model of this family with weights by chance, in a folder of the real format: networks that take time, no more.

What it makes looks like nothing. What compresses and how much is as published; only widths and depths are small.
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
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2VocoderWithBWE
from transformers import Gemma3Config, Gemma3ForConditionalGeneration

from rushes.catalogue.card import Card
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.wan.chance import bytes_tokenizer

SIZES: dict[str, dict[str, int]] = {
    "small": {"width": 192, "sound": 96, "heads": 4, "layers": 30, "text": 64, "channels": 16, "decoder": 32},
}
"""30 layers at the least: guidance leaves out the attention of the 29th."""
MEL_BINS, SOUND_CHANNELS, TEXT_LAYERS = 16, 2, 2
SOUND_TOKEN = SOUND_CHANNELS * MEL_BINS // 4
SINCE_2_3 = dict.fromkeys(
    ("gated_attn", "cross_attn_mod", "audio_gated_attn", "audio_cross_attn_mod", "perturbed_attn"), True
) | {"use_prompt_embeddings": False}
"""The switches of the transformer's later generations."""


def by_chance(card: Card, size: str, folder: Path) -> Ltx2Adapter:
    """The model of `card`, of the generation of LTX-2.3, sized as `SIZES[size]`, written to `folder`."""
    torch.manual_seed(0)
    _pipeline(**SIZES[size]).save_pretrained(folder, safe_serialization=True)
    return Ltx2Adapter(card.in_folder(folder))


def _pipeline(
    *, width: int, sound: int, heads: int, layers: int, text: int, channels: int, decoder: int
) -> LTX2Pipeline:
    half, widths = decoder // 2, {"width": width, "sound": sound, "heads": heads, "text": text}
    return LTX2Pipeline(
        scheduler=scheduler(),
        vae=vae(channels, encoder=(half, half, decoder, decoder), decoder=(decoder, 2 * decoder, 4 * decoder)),
        audio_vae=audio_vae(),
        text_encoder=text_encoder(text, inner=2 * text),
        tokenizer=bytes_tokenizer(),
        connectors=connectors(**widths),
        transformer=transformer(**widths, layers=layers, channels=channels, **SINCE_2_3),
        vocoder=vocoder(),
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


def vae(channels: int, *, encoder: tuple[int, ...], decoder: tuple[int, ...]) -> AutoencoderKLLTX2Video:
    return AutoencoderKLLTX2Video(
        latent_channels=channels,
        block_out_channels=encoder,
        decoder_block_out_channels=decoder,
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        decoder_causal=False,
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )


def audio_vae() -> AutoencoderKLLTX2Audio:
    """As wide as a token of sound is: the width doubles as the number of its statistics."""
    return AutoencoderKLLTX2Audio(
        base_channels=SOUND_TOKEN,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        resolution=32,
        latent_channels=SOUND_CHANNELS,
        mel_bins=MEL_BINS,
    )


def connectors(*, width: int, sound: int, heads: int, text: int, **otherwise: Any) -> LTX2TextConnectors:
    """As since LTX-2.3, but where it is said `otherwise`."""
    since = {
        "caption_channels": text,
        "text_proj_in_factor": TEXT_LAYERS + 1,
        "video_connector_num_attention_heads": heads,
        "video_connector_attention_head_dim": width // heads,
        "video_connector_num_layers": 1,
        "video_connector_num_learnable_registers": 128,
        "audio_connector_num_attention_heads": heads,
        "audio_connector_attention_head_dim": sound // heads,
        "audio_connector_num_layers": 1,
        "audio_connector_num_learnable_registers": 128,
        "rope_type": "split",
        "per_modality_projections": True,
        "video_hidden_dim": width,
        "audio_hidden_dim": sound,
        "proj_bias": True,
    }
    return LTX2TextConnectors(**{**since, **otherwise})


def transformer(
    *, width: int, sound: int, heads: int, text: int, layers: int, channels: int, **generation: Any
) -> LTX2VideoTransformer3DModel:
    """Of the generation that these switches say: LTX-2 where none is said."""
    return LTX2VideoTransformer3DModel(
        in_channels=channels,
        out_channels=channels,
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        cross_attention_dim=width,
        audio_in_channels=SOUND_TOKEN,
        audio_out_channels=SOUND_TOKEN,
        audio_num_attention_heads=heads,
        audio_attention_head_dim=sound // heads,
        audio_cross_attention_dim=sound,
        num_layers=layers,
        caption_channels=text,
        rope_type="split",
        **generation,
    )


def reader(width: int, inner: int) -> dict[str, Any]:
    """What a text encoder reads words with."""
    return {
        "vocab_size": 512,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": TEXT_LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": width // 2,
        "sliding_window": 64,
    }


def text_encoder(width: int, inner: int) -> Any:
    eyes = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(
        text_config=reader(width, inner),
        vision_config=eyes,
        mm_tokens_per_image=4,
        image_token_index=511,
        boi_token_index=510,
        eoi_token_index=509,
    )
    return Gemma3ForConditionalGeneration(config).eval()


def vocoder() -> Any:
    """From 100 hops a second to 16,000 samples, and on to 48,000."""
    layers: dict[str, Any] = {"resnet_kernel_sizes": [3], "resnet_dilations": [[1, 3]]}
    return LTX2VocoderWithBWE(
        in_channels=2 * MEL_BINS,
        hidden_channels=16,
        upsample_kernel_sizes=[32, 20],
        upsample_factors=[16, 10],
        bwe_in_channels=2 * MEL_BINS,
        bwe_hidden_channels=16,
        bwe_upsample_kernel_sizes=[24, 20],
        bwe_upsample_factors=[12, 20],
        num_mel_channels=MEL_BINS,
        **layers,
        **{f"bwe_{name}": value for name, value in layers.items()},
    )
