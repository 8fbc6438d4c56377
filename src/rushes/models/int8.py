"""A denoiser whose blocks keep their matrices in eight bits: half the memory of bfloat16, and other numbers.

Each row of a matrix is rounded to 255 steps of its largest number, and made numbers of the layer's own kind again while
it is multiplied with. Why it is not torchao's weight-only int8: docs/decisions/0016.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rushes.models.parts import BLOCKS

STEPS = 127
SCALE_BYTES = 4  # to a row


class Int8Linear(nn.Module):  # type: ignore[misc, unused-ignore]
    """`plain` with its matrix (out, in) in eight bits, and a scale for each row."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        wide, self._dtype = plain.weight.detach().float(), plain.weight.dtype
        scale = (wide.abs().amax(dim=1) / STEPS).clamp(min=torch.finfo(torch.float32).tiny)
        self.register_buffer("steps", (wide / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach())

    @property
    def weight(self) -> Tensor:
        """The matrix that it multiplies with, in the layer's own numbers: made for whoever asks."""
        return (self.steps * self.scale[:, None]).to(self._dtype)

    def forward(self, x: Tensor) -> Tensor:
        # Whole numbers up to 127 are exact in every kind of number that a layer computes in.
        made = linear(x, self.steps.to(x.dtype)) * self.scale.to(x.dtype)
        return made if self.bias is None else made + self.bias


def shrunk(network: Any) -> Any:
    """`network` with the matrices of its blocks in eight bits; what it had is given up."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear) and name.startswith(BLOCKS):
            network.set_submodule(name, Int8Linear(module))
    return network
