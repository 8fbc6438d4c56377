"""The parts of a Wan-Animate-2 checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanAnimate2Transformer3DModel
from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

from rushes.models.loading import Folder
from rushes.models.parts import ATTENTION
from rushes.weights.checkpoint import Checkpoint

TIED = frozenset({"encoder.embed_tokens.weight", "shared.weight"})
"""One of the two is in the file, and the other is the same tensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    tokenizer: Any
    text_encoder: Any
    image_encoder: Any
    transformer: Any
    vae: Any
    device: torch.device

    @classmethod
    def loaded(cls, found: Checkpoint, device: torch.device, dtype: torch.dtype) -> Components:
        """All parts of `found`, in evaluation mode; the autoencoder computes in float32.

        Errors  GenerationFailed, with the part at fault.
        """
        folder = Folder(found.folder, device)
        transformer = folder.network("transformer", WanAnimate2Transformer3DModel, dtype)
        # Between the film and the clip it looks through a mask of blocks, for which there is one kernel, whatever is
        # set; elsewhere it takes what is set on it.
        transformer.set_attention_backend(ATTENTION)
        if device.type == "cuda":
            transformer.compile_repeated_blocks()  # uncompiled, that kernel writes out every pair of tokens
        return cls(
            tokenizer=folder.part("tokenizer", AutoTokenizer, trust_remote_code=False),
            text_encoder=folder.network("text_encoder", UMT5EncoderModel, dtype, TIED),
            image_encoder=folder.network("image_encoder", CLIPVisionModel, torch.float32),
            transformer=transformer,
            vae=folder.network("vae", AutoencoderKLWan, torch.float32),
            device=device,
        )
