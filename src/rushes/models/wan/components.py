"""The parts of a checkpoint of the Wan family, loaded when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel
from transformers import AutoTokenizer, CLIPVisionModel, UMT5EncoderModel

from rushes.models.int8 import shrunk
from rushes.models.loading import Folder
from rushes.models.parts import Residency
from rushes.models.wan.layout import Layout
from rushes.models.wan.memory import FLOAT32, part_bytes

KINDS = {
    "UMT5EncoderModel": UMT5EncoderModel,
    "WanTransformer3DModel": WanTransformer3DModel,
    "WanVACETransformer3DModel": WanVACETransformer3DModel,
    "AutoencoderKLWan": AutoencoderKLWan,
    "CLIPVisionModel": CLIPVisionModel,
    "CLIPVisionModelWithProjection": CLIPVisionModel,
}
TIED = frozenset({"encoder.embed_tokens.weight", "shared.weight"})
"""One of the two is in the file, and the other is the same tensor."""


class Components:
    """The parts, in evaluation mode on `device`. A residency keeps them, which may give one up for another.

    The autoencoder computes in float32, where bfloat16 would show as bands. The transformer keeps its time embedding,
    norms and modulation in float32: a cast of the whole model would not.
    Errors  GenerationFailed, with the part at fault, wherever one is asked for.
    """

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        self.layout, self.device, self.dtype = layout, device, dtype
        self.residency = residency
        self.dress: Callable[[Any], None] = lambda network: None
        """Shown each expert before it works: whoever accelerates it sets this."""
        self.int8 = False
        """Whether experts work in eight bits; set likewise."""
        self._folder = Folder(layout.checkpoint.folder, device)

    @cached_property
    def tokenizer(self) -> Any:
        return self._folder.part("tokenizer", AutoTokenizer, trust_remote_code=False)

    @property
    def text_encoder(self) -> Any:
        return self._network("text_encoder")

    @property
    def vae(self) -> Any:
        return self._network("vae")

    @property
    def image_encoder(self) -> Any | None:
        return self._network("image_encoder") if self.layout.frames_seen else None

    @property
    def experts(self) -> tuple[Any, ...]:
        """One transformer, or the one for high and the one for low noise: both at once where there is room."""
        return tuple(self.expert(name) for name in self.layout.experts)

    def expert(self, name: str) -> Any:
        """A transformer, dressed for work. In eight bits it is a part of its own: the plain one stays what it is."""
        network = self._in_eight_bits(name) if self.int8 else self._network(name)
        self.dress(network)
        return network

    @cached_property
    def keys(self) -> dict[str, str]:
        """What the residency knows each network by: its files, and the numbers they are loaded in."""
        networks = [name for name, kind in self.layout.checkpoint.parts.items() if kind in KINDS]
        return {name: f"{self.residency.key(self._files(name))} {self._dtype(name)}" for name in networks}

    def _network(self, name: str) -> Any:
        size_bytes = part_bytes(self.layout, name, self.dtype.itemsize)
        return self.residency.part(self.keys[name], size_bytes, lambda: self._loaded(name, self.device))

    def _in_eight_bits(self, name: str) -> Any:
        size_bytes = part_bytes(self.layout, name, self.dtype.itemsize, int8=True)
        # Rounded in the host's memory, where there is room for all of it.
        return self.residency.part(
            f"{self.keys[name]} int8",
            size_bytes,
            lambda: shrunk(self._loaded(name, torch.device("cpu"))).to(self.device),
        )

    def _loaded(self, name: str, device: torch.device) -> Any:
        kind, tied = KINDS[self.layout.checkpoint.parts[name]], TIED if name == "text_encoder" else frozenset()
        return Folder(self.layout.checkpoint.folder, device).network(name, kind, self._dtype(name), tied)

    def _files(self, name: str) -> list[Any]:
        return [path for path in self.layout.checkpoint.files if path.parent.name == name]

    def _dtype(self, name: str) -> torch.dtype:
        return torch.float32 if name in FLOAT32 else self.dtype
