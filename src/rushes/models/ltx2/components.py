"""The parts of an LTX-2 checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder, LTX2VocoderWithBWE
from transformers import AutoTokenizer, Gemma3ForConditionalGeneration

from rushes.models.loading import Folder
from rushes.models.ltx2.layout import Layout
from rushes.models.parts import ATTENTION

VOCODERS = {"LTX2Vocoder": LTX2Vocoder, "LTX2VocoderWithBWE": LTX2VocoderWithBWE}
TIED = frozenset({"lm_head.weight", "model.language_model.embed_tokens.weight"})
"""One of the two is in the file, and the other is the same tensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Loaded and in evaluation mode."""

    tokenizer: Any
    text_encoder: Any
    connectors: Any
    transformer: Any
    vae: Any
    audio_vae: Any
    vocoder: Any
    device: torch.device
    dtype: torch.dtype


def loaded(layout: Layout, device: torch.device, dtype: torch.dtype) -> Components:
    """The components on `device`. What turns latents into frames and samples computes in float32.

    Errors  GenerationFailed, with the part at fault.
    """
    folder = Folder(layout.checkpoint.folder, device)
    connectors = folder.network("connectors", LTX2TextConnectors, dtype)
    connectors.set_attention_backend(ATTENTION)  # as the plan does it for the transformer
    return Components(
        tokenizer=folder.part("tokenizer", AutoTokenizer, trust_remote_code=False),
        text_encoder=folder.network("text_encoder", Gemma3ForConditionalGeneration, dtype, TIED),
        connectors=connectors,
        transformer=folder.network("transformer", LTX2VideoTransformer3DModel, dtype),
        vae=folder.network("vae", AutoencoderKLLTX2Video, torch.float32),
        audio_vae=folder.network("audio_vae", AutoencoderKLLTX2Audio, torch.float32),
        vocoder=folder.network("vocoder", VOCODERS[layout.checkpoint.parts["vocoder"]], torch.float32),
        device=device,
        dtype=dtype,
    )
