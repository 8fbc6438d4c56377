"""The layers of this family that a LoRA may change, by both names they go by. Imports no tensor library."""

from __future__ import annotations

import re
from pathlib import Path

from rushes.models.ltx2.layout import read
from rushes.weights.lora import Layers, layers

PUBLISHED = (
    (r"^proj_in$", "patchify_proj"),
    (r"^audio_proj_in$", "audio_patchify_proj"),
    (r"^time_embed\.", "adaln_single."),
    (r"^audio_time_embed\.", "audio_adaln_single."),
    (r"^prompt_adaln\.", "prompt_adaln_single."),
    (r"^audio_prompt_adaln\.", "audio_prompt_adaln_single."),
    (r"^av_cross_attn_(video|audio)_scale_shift\.", r"av_ca_\1_scale_shift_adaln_single."),
    (r"^av_cross_attn_video_a2v_gate\.", "av_ca_a2v_gate_adaln_single."),
    (r"^av_cross_attn_audio_v2a_gate\.", "av_ca_v2a_gate_adaln_single."),
)
"""From the library's names to those of the makers' own code."""


def networks(folder: Path) -> dict[str, Layers]:
    """The transformer in `folder`. Errors  WrongSetup where it is no LTX-2."""
    read(folder)
    return {"transformer": layers(folder / "transformer", published)}


def published(layer: str) -> str:
    for ours, theirs in PUBLISHED:
        layer = re.sub(ours, theirs, layer)
    return layer
