"""The parts of a Wan-Animate-2 checkpoint, loaded when they are needed."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanAnimate2Transformer3DModel
from transformers import CLIPVisionModel, UMT5EncoderModel

from rushes.models.components import Parts, network
from rushes.models.kept import KeptNetworks, Network, natively
from rushes.models.parts import Residency
from rushes.weights.checkpoint import Checkpoint


class _Kept(KeptNetworks):
    def ready(self, name: str, network: Any) -> None:
        """Between the film and the clip the transformer looks through a mask of blocks, for which there is one kernel,
        whatever is set; elsewhere it takes what is set on it.
        """
        if name == "transformer" and self.device.type == "cuda" and not hasattr(network, "attends"):
            network.compile_repeated_blocks()  # uncompiled, that kernel writes out every pair of tokens
        natively(network)


class Components(Parts):
    """What sees pictures and what makes them compute in float32."""

    def __init__(self, found: Checkpoint, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        networks = {
            "text_encoder": Network(UMT5EncoderModel, dtype),
            "image_encoder": Network(CLIPVisionModel, torch.float32),
            "transformer": Network(WanAnimate2Transformer3DModel, dtype),
            "vae": Network(AutoencoderKLWan, torch.float32),
        }
        super().__init__(_Kept(found, device, residency, networks), dtype)

    image_encoder = network("image_encoder")
