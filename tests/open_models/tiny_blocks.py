"""Tiny checkpoints of what diffusers has as blocks: random weights in the format that its stock pipelines save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_whole
import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    ClassifierFreeGuidance,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideo15Pipeline,
    HunyuanVideo15Transformer3DModel,
)
from tiny_text import CHAT, t5_tokenizer
from transformers import ByT5Tokenizer, Qwen2_5_VLTextConfig, Qwen2_5_VLTextModel, T5Config, T5EncoderModel

HUNYUAN_1_5, LTX = "HunyuanVideo15Pipeline", "LTXPipeline"
TEXT_WIDTH, GLYPH_WIDTH = 16, 32


def built(kind: str, folder: Path, seed: int = 0) -> Path:
    """Save a checkpoint whose model_index.json names the pipeline `kind` in `folder`, and give the folder back."""
    if kind == LTX:
        return tiny_whole.built(kind, folder, seed)
    torch.manual_seed(seed)
    hunyuan_1_5().save_pretrained(folder, safe_serialization=True)
    return folder


def hunyuan_1_5() -> Any:
    chatty = t5_tokenizer()
    chatty.chat_template = CHAT
    return HunyuanVideo15Pipeline(
        tokenizer=chatty,
        text_encoder=Qwen2_5_VLTextModel(
            Qwen2_5_VLTextConfig(
                vocab_size=512,
                hidden_size=TEXT_WIDTH,
                intermediate_size=16,
                num_hidden_layers=3,
                num_attention_heads=2,
                num_key_value_heads=2,
                rope_scaling={"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
                rope_theta=1_000_000.0,
                pad_token_id=0,
                eos_token_id=1,
                bos_token_id=0,
            )
        ).eval(),
        tokenizer_2=ByT5Tokenizer(),
        text_encoder_2=T5EncoderModel(
            T5Config(vocab_size=384, d_model=GLYPH_WIDTH, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
        ).eval(),
        transformer=HunyuanVideo15Transformer3DModel(
            in_channels=9,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            num_refiner_layers=1,
            mlp_ratio=2.0,
            patch_size=1,
            patch_size_t=1,
            text_embed_dim=TEXT_WIDTH,
            text_embed_2_dim=GLYPH_WIDTH,
            image_embed_dim=12,
            rope_axes_dim=(2, 2, 4),
            target_size=16,
            task_type="t2v",
        ),
        vae=AutoencoderKLHunyuanVideo15(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            block_out_channels=(16, 16, 16, 16),
            layers_per_block=1,
            spatial_compression_ratio=8,
            temporal_compression_ratio=4,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        guider=ClassifierFreeGuidance(guidance_scale=6.0),
    )
