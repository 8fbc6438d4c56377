"""A tiny checkpoint of Cosmos 3: random weights in the format that its stock pipeline saves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    Cosmos3AVAEAudioTokenizer,
    Cosmos3OmniPipeline,
    Cosmos3OmniTransformer,
    UniPCMultistepScheduler,
)
from tiny_text import byte_level
from tiny_wan import wide_vae

from rushes.models.blocks.chance import CHAT

OLD_NORM = "ignore:.torch.nn.utils.weight_norm. is deprecated:FutureWarning"
"""A warning that the library earns for its sound decoder."""

COSMOS_3 = "Cosmos3OmniPipeline"
SOUND_WIDTH = 8


def built(folder: Path, seed: int = 0) -> Path:
    """Save a checkpoint in `folder`, and give the folder back."""
    torch.manual_seed(seed)
    pipeline().save_pretrained(folder, safe_serialization=True)
    return folder


def pipeline() -> Any:
    chatty = byte_level("$A", pad="<pad>", eos="</s>")
    chatty.add_special_tokens({"additional_special_tokens": ["<|vision_start|>"]})
    chatty.chat_template = CHAT
    return Cosmos3OmniPipeline(
        transformer=Cosmos3OmniTransformer(
            head_dim=12,
            hidden_size=24,
            intermediate_size=32,
            latent_channel=48,
            latent_patch_size=2,
            num_attention_heads=2,
            num_hidden_layers=2,
            num_key_value_heads=1,
            patch_latent_dim=192,
            vocab_size=512,
            rope_axes_dim=[2, 2, 2],
            sound_dim=SOUND_WIDTH,
            sound_gen=True,
        ),
        text_tokenizer=chatty,
        vae=wide_vae(),
        scheduler=UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=10.0
        ),
        sound_tokenizer=Cosmos3AVAEAudioTokenizer(
            vocoder_input_dim=SOUND_WIDTH, dec_dim=4, enc_dim=8, enc_latent_dim=2 * SOUND_WIDTH, enc_num_blocks=1
        ),
        enable_safety_checker=False,
    )
