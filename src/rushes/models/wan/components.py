"""The parts of a checkpoint of the Wan family, loaded when they are needed."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel
from transformers import CLIPVisionModel, UMT5EncoderModel

from rushes.models.components import Parts
from rushes.models.kept import KeptNetworks, Network
from rushes.models.parts import Residency, here_by_turns
from rushes.models.wan.layout import Layout
from rushes.models.wan.memory import FLOAT32, KEPT_IN_FLOAT32

KINDS = {
    "UMT5EncoderModel": UMT5EncoderModel,
    "WanTransformer3DModel": WanTransformer3DModel,
    "WanVACETransformer3DModel": WanVACETransformer3DModel,
    "AutoencoderKLWan": AutoencoderKLWan,
    "CLIPVisionModel": CLIPVisionModel,
    "CLIPVisionModelWithProjection": CLIPVisionModel,
}


class Networks(KeptNetworks):
    """Those of `layout`. A transformer's size is with what the library keeps in float32 of it."""

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        found = layout.checkpoint

        def network(name: str) -> Network:
            kind = KINDS[found.parts[name]]
            if name not in layout.experts:
                return Network(kind, torch.float32 if name in FLOAT32 else dtype)
            return Network(kind, dtype, here_by_turns(int(found.config(name)["num_layers"])), KEPT_IN_FLOAT32)

        super().__init__(
            found, device, residency, {name: network(name) for name, kind in found.parts.items() if kind in KINDS}
        )


class Components(Parts):
    """The autoencoder computes in float32, where bfloat16 would show as bands. The transformer keeps its time
    embedding, norms and modulation in float32: a cast of the whole model would not.
    """

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        super().__init__(Networks(layout, device, dtype, residency), dtype)
        self.layout, self.residency = layout, residency

    @property
    def image_encoder(self) -> Any | None:
        return self.kept.get("image_encoder") if self.layout.frames_seen else None

    @property
    def experts(self) -> tuple[Any, ...]:
        """One transformer, or the one for high and the one for low noise: both at once where there is room."""
        return tuple(self.expert(name) for name in self.layout.experts)

    def expert(self, name: str) -> Any:
        return self.kept.get(name)
