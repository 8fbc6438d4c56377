"""Checkpoints that run block by block, tiny and middling: wide enough that no constant hides the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tiny_blocks
import tiny_cosmos3
import tiny_whole
import torch
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cards import published_card
from tiny_cosmos3 import COSMOS_3

from rushes.catalogue.card import Card

KINDS = (HUNYUAN_1_5, LTX, COSMOS_3)
PIPELINES = {HUNYUAN_1_5: tiny_blocks.hunyuan_1_5, LTX: tiny_whole.ltx, COSMOS_3: tiny_cosmos3.pipeline}

MIDDLING: dict[str, dict[str, Mapping[str, Any]]] = {
    HUNYUAN_1_5: {
        "text_encoder": {
            "hidden_size": 64,
            "intermediate_size": 512,
            "rope_scaling": {"mrope_section": [4, 4, 8], "rope_type": "default", "type": "default"},
            "rope_theta": 1_000_000.0,
        },
        "transformer": {
            "num_attention_heads": 4,
            "attention_head_dim": 32,
            "rope_axes_dim": (8, 12, 12),
            "mlp_ratio": 4.0,
            "text_embed_dim": 64,
        },
        "vae": {"block_out_channels": (16, 32, 32, 64)},
    },
    LTX: {
        "transformer": {"attention_head_dim": 32, "cross_attention_dim": 128, "num_layers": 2},
        "vae": {"decoder_block_out_channels": (32, 32, 64, 64)},
    },
    COSMOS_3: {
        "transformer": {
            "hidden_size": 128,
            "head_dim": 16,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "intermediate_size": 384,
            "rope_axes_dim": (4, 2, 2),
        },
        "vae": {"base_dim": 32, "decoder_base_dim": 48, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2},
    },
}


def card_of(kind: str, folder: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> Card:
    """The card of a published checkpoint of that kind, with one in `folder` whose parts are changed."""
    torch.manual_seed(0)
    pipe = PIPELINES[kind]()
    for name, more in (changes or {}).items():
        part = getattr(pipe, name)
        if hasattr(part.config, "to_dict"):
            made = type(part)(type(part.config)(**{**part.config.to_dict(), **more})).eval()
        else:
            made = type(part).from_config({**part.config, **more})
        pipe.register_modules(**{name: made})
    pipe.save_pretrained(folder, safe_serialization=True)
    return published_card(kind).in_folder(folder)
