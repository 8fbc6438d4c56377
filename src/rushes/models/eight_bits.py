"""A denoiser whose blocks keep their matrices in eight bits: half the memory of bfloat16, and other numbers.

Each row of a matrix has a scale of its own. As whole numbers (int8) they are made numbers of the layer's own kind again
while it is multiplied with; as floats (fp8) they are multiplied with as they are, and so is what comes in, each token
by a scale of its own. Why none of it is torchao's: docs/decisions/0016.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import ScalingType, linear, scaled_mm

from rushes.models.parts import BLOCKS, FP8, INT8

SCALE_BYTES = 4  # to a row
EVEN = 16
"""What a product of eight-bit floats wants both sides of a matrix to be a multiple of."""


class EightBitLinear(nn.Module):  # type: ignore[misc, unused-ignore]
    """`plain` with its matrix (out, in) in eight bits, and a scale for each row."""

    largest: ClassVar[float]
    """What the largest number of a row becomes."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        wide, self._dtype = plain.weight.detach().float(), plain.weight.dtype
        scale = (wide.abs().amax(dim=1) / self.largest).clamp(min=torch.finfo(torch.float32).tiny)
        self.register_buffer("steps", self.rounded(wide / scale[:, None]))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach())

    def rounded(self, steps: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def weight(self) -> Tensor:
        """The matrix that it multiplies with, in the layer's own numbers: made for whoever asks."""
        return (self.steps.float() * self.scale[:, None]).to(self._dtype)


class Int8Linear(EightBitLinear):
    largest = 127.0

    def rounded(self, steps: Tensor) -> Tensor:
        return steps.round().to(torch.int8)

    def forward(self, x: Tensor) -> Tensor:
        # Whole numbers up to 127 are exact in every kind of number that a layer computes in.
        made = linear(x, self.steps.to(x.dtype)) * self.scale.to(x.dtype)
        return made if self.bias is None else made + self.bias


class Fp8Linear(EightBitLinear):
    largest = torch.finfo(torch.float8_e4m3fn).max

    def rounded(self, steps: Tensor) -> Tensor:
        return steps.to(torch.float8_e4m3fn)

    def forward(self, x: Tensor) -> Tensor:
        tokens_NI = x.reshape(-1, x.shape[-1])
        least, most = tokens_NI.aminmax(dim=1, keepdim=True)
        # Rounded to the layer's own numbers first: what is divided by is then what is multiplied by again.
        scale = (torch.maximum(most, -least) / self.largest).clamp(min=torch.finfo(x.dtype).tiny)
        made = scaled_mm(
            self.rounded(tokens_NI / scale),
            self.steps.t(),
            scale.float(),
            ScalingType.RowWise,
            self.scale[None],
            ScalingType.RowWise,
            output_dtype=x.dtype,
            use_fast_accum=True,
        ).reshape(*x.shape[:-1], -1)
        return made if self.bias is None else made + self.bias


KINDS: dict[str, type[EightBitLinear]] = {INT8: Int8Linear, FP8: Fp8Linear}


def narrows(matrices: str, sides: tuple[int, ...]) -> bool:
    """Whether a matrix of the blocks with these sides is kept as `matrices` says; others stay as they are."""
    return bool(matrices) and len(sides) == 2 and (matrices != FP8 or all(side % EVEN == 0 for side in sides))


def narrowed(network: Any, matrices: str) -> Any:
    """`network` with the matrices of its blocks in eight bits; what it had is given up."""
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.Linear) and name.startswith(BLOCKS) and narrows(matrices, tuple(module.weight.shape)):
            network.set_submodule(name, KINDS[matrices](module))
    return network
