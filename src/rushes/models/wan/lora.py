"""The layers of this family that a LoRA may change, by both names they go by. Imports no tensor library."""

from __future__ import annotations

import re
from pathlib import Path

from rushes.models.wan.layout import read
from rushes.weights.lora import Layers, layers

PUBLISHED = (
    (r"^condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"^condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"^condition_embedder\.time_proj", "time_projection.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj", "img_emb.proj.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.2", "img_emb.proj.3"),
    (r"^proj_out", "head.head"),
    (r"^(vace_blocks\.\d+)\.proj_in", r"\1.before_proj"),
    (r"^(vace_blocks\.\d+)\.proj_out", r"\1.after_proj"),
    (r"\.attn1\.", ".self_attn."),
    (r"\.attn2\.", ".cross_attn."),
    (r"\.to_([qkv])$", r".\1"),
    (r"\.to_out\.0$", ".o"),
    (r"\.add_([kv])_proj$", r".\1_img"),
    (r"\.ffn\.net\.0\.proj$", ".ffn.0"),
    (r"\.ffn\.net\.2$", ".ffn.2"),
)
"""From the library's names to those of the makers' own code."""


def networks(folder: Path) -> dict[str, Layers]:
    """The transformers in `folder`, the one for high noise first. Errors  WrongSetup where it is no Wan."""
    return {name: layers(folder / name, published) for name in read(folder).experts}


def published(layer: str) -> str:
    for ours, theirs in PUBLISHED:
        layer = re.sub(ours, theirs, layer)
    return layer
