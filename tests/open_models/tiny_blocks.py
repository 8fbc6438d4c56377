"""Tiny checkpoints of what diffusers has as blocks: random weights in the format that its stock pipelines save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tiny_whole
import torch
from tiny_text import t5_tokenizer

from rushes.models.blocks import chance

HUNYUAN_1_5, LTX = "HunyuanVideo15Pipeline", "LTXPipeline"


def built(kind: str, folder: Path, seed: int = 0) -> Path:
    """Save a checkpoint whose model_index.json names the pipeline `kind` in `folder`, and give the folder back."""
    if kind == LTX:
        return tiny_whole.built(kind, folder, seed)
    torch.manual_seed(seed)
    hunyuan_1_5().save_pretrained(folder, safe_serialization=True)
    return folder


def hunyuan_1_5() -> Any:
    return chance.pipeline(
        t5_tokenizer(),
        heads=2,
        head=8,
        layers=1,
        axes=(2, 2, 4),
        mlp_ratio=2.0,
        text=16,
        glyphs=32,
        channels=4,
        widths=(16, 16, 16, 16),
    )
