"""The parts of a checkpoint of the Wan family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel
from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

from rushes.models.loading import Folder
from rushes.models.wan.layout import Layout

TRANSFORMERS = {
    "WanTransformer3DModel": WanTransformer3DModel,
    "WanVACETransformer3DModel": WanVACETransformer3DModel,
}
TIED = frozenset({"encoder.embed_tokens.weight", "shared.weight"})
"""One of the two is in the file, and the other is the same tensor."""


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Loaded and in evaluation mode. `experts` has one transformer, or the one for high and the one for low noise."""

    tokenizer: Any
    text_encoder: Any
    experts: tuple[Any, ...]
    vae: Any
    image_encoder: Any | None
    device: torch.device
    dtype: torch.dtype

    @property
    def modules(self) -> tuple[Any, ...]:
        others = () if self.image_encoder is None else (self.image_encoder,)
        return (self.text_encoder, *self.experts, self.vae, *others)


def loaded(layout: Layout, device: torch.device, dtype: torch.dtype) -> Components:
    """The components on `device`. The autoencoder computes in float32, where bfloat16 would show as bands.

    The transformer keeps its time embedding, norms and modulation in float32: a cast of the whole model would not.
    Errors  GenerationFailed, with the part at fault.
    """
    parts, folder = layout.checkpoint.parts, Folder(layout.checkpoint.folder, device)
    return Components(
        tokenizer=folder.part("tokenizer", AutoTokenizer, trust_remote_code=False),
        text_encoder=folder.network("text_encoder", UMT5EncoderModel, dtype, TIED),
        experts=tuple(folder.network(name, TRANSFORMERS[parts[name]], dtype) for name in layout.experts),
        vae=folder.network("vae", AutoencoderKLWan, torch.float32),
        image_encoder=folder.network("image_encoder", CLIPVisionModel, torch.float32) if layout.frames_seen else None,
        device=device,
        dtype=dtype,
    )
