"""The parts of a Wan-Animate-2 checkpoint, loaded when they are needed."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanAnimate2Transformer3DModel
from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

from rushes.models.kept import KeptNetworks, Network
from rushes.models.parts import Residency
from rushes.models.waiting import natively
from rushes.weights.checkpoint import Checkpoint

TIED = frozenset({"encoder.embed_tokens.weight", "shared.weight"})
"""One of the two is in the file, and the other is the same tensor."""


class Components:
    """The parts of `found`, in evaluation mode on `device`. A residency keeps them, which may give one up for another.

    What sees pictures and what makes them compute in float32.
    Errors  GenerationFailed, with the part at fault, wherever one is asked for.
    """

    def __init__(self, found: Checkpoint, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        self.device, self.dtype = device, dtype
        networks = {
            "text_encoder": Network(UMT5EncoderModel, dtype, TIED),
            "image_encoder": Network(CLIPVisionModel, torch.float32),
            "transformer": Network(WanAnimate2Transformer3DModel, dtype),
            "vae": Network(AutoencoderKLWan, torch.float32),
        }
        self.kept = KeptNetworks(found, device, residency, networks)

    @cached_property
    def tokenizer(self) -> Any:
        return self.kept.folder.part("tokenizer", AutoTokenizer, trust_remote_code=False)

    @property
    def text_encoder(self) -> Any:
        return self.kept.get("text_encoder")

    @property
    def image_encoder(self) -> Any:
        return self.kept.get("image_encoder")

    @property
    def transformer(self) -> Any:
        """Between the film and the clip it looks through a mask of blocks, for which there is one kernel, whatever is
        set; elsewhere it takes what is set on it.
        """
        network = self.kept.get("transformer")
        if self.device.type == "cuda" and not hasattr(network, "attends"):
            network.compile_repeated_blocks()  # uncompiled, that kernel writes out every pair of tokens
        natively(network)
        return network

    @property
    def vae(self) -> Any:
        return self.kept.get("vae")
