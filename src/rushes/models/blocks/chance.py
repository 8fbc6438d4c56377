"""A HunyuanVideo 1.5 with weights by chance, in a folder of the real format: networks that take time, no more.

What it makes looks like nothing. What compresses and how much is as published; only widths and depths are small.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)
from transformers import ByT5Tokenizer, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel, T5Config, T5EncoderModel

from rushes.catalogue.card import Card
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.wan.chance import bytes_tokenizer

SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "heads": 4,
        "head": 64,
        "layers": 8,
        "axes": (16, 24, 24),
        "mlp_ratio": 4.0,
        "text": 128,
        "glyphs": 64,
        "channels": 32,
        "widths": (16, 32, 32, 64, 64),
    },
}
PICTURE_WIDTH = 12
CHAT = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def by_chance(card: Card, size: str, folder: Path) -> BlocksAdapter:
    """The model of `card`, sized as `SIZES[size]`, written to `folder`."""
    torch.manual_seed(0)
    pipeline(bytes_tokenizer(), **SIZES[size]).save_pretrained(folder, safe_serialization=True)
    return BlocksAdapter(card.in_folder(folder))


def pipeline(
    tokenizer: Any,
    *,
    heads: int,
    head: int,
    layers: int,
    axes: tuple[int, int, int],
    mlp_ratio: float,
    text: int,
    glyphs: int,
    channels: int,
    widths: tuple[int, ...],
) -> HunyuanVideo15Pipeline:
    """`heads` of width `head`, of which `axes` stand for time, rows and columns; an autoencoder of these `widths`."""
    tokenizer.chat_template = CHAT
    return HunyuanVideo15Pipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder(text),
        tokenizer_2=ByT5Tokenizer(),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=384, d_model=glyphs, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
        ).eval(),
        transformer=HunyuanVideo15Transformer3DModel(
            in_channels=2 * channels + 1,
            out_channels=channels,
            num_attention_heads=heads,
            attention_head_dim=head,
            num_layers=layers,
            num_refiner_layers=1,
            mlp_ratio=mlp_ratio,
            patch_size=1,
            patch_size_t=1,
            text_embed_dim=text,
            text_embed_2_dim=glyphs,
            image_embed_dim=PICTURE_WIDTH,
            rope_axes_dim=axes,
            target_size=16,
            task_type="t2v",
        ),
        vae=AutoencoderKLHunyuanVideo15(
            in_channels=3,
            out_channels=3,
            latent_channels=channels,
            block_out_channels=widths,
            layers_per_block=1,
            spatial_compression_ratio=2 ** (len(widths) - 1),
            temporal_compression_ratio=4,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )


def text_encoder(width: int) -> Qwen2_5_VLTextModel:
    """Of two heads, whose positions are of time, rows and columns too."""
    eighth = width // 16
    config = Qwen2_5_VLTextConfig(
        vocab_size=512,
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        rope_scaling={"mrope_section": [eighth, eighth, 2 * eighth], "rope_type": "default", "type": "default"},
        rope_theta=1_000_000.0,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=0,
    )
    return Qwen2_5_VLTextModel(config).eval()
