"""A clip between two steps of a block loop: the values that the blocks hand on to each other, and bytes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers.modular_pipelines.modular_pipeline import PipelineState

from rushes.models.saved import below, read, written

LAYOUT = "blocks 1"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    width: int
    height: int
    num_frames: int
    steps: int
    guidance_scale: float
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BlocksState:
    """values   what blocks read by name, never written to in place; `groups` the names that they ask for together.
    sigmas   how noisy each step is, as the scheduler was set for this clip.
    """

    numbers: Numbers
    values: Mapping[str, Any]
    groups: Mapping[str, list[str]]
    sigmas: torch.Tensor
    index: int = 0

    @property
    def num_steps(self) -> int:
        return self.numbers.steps

    def opened(self) -> PipelineState:
        """As the library's blocks take it; what they change in it stays outside this state."""
        groups = {kind: list(names) for kind, names in self.groups.items()}
        return PipelineState(values=dict(self.values), kwargs_mapping=groups)

    def to_bytes(self) -> bytes:
        tensors = {f"value.{name}": value for name, value in self.values.items() if isinstance(value, torch.Tensor)}
        others = {name: value for name, value in self.values.items() if not isinstance(value, torch.Tensor)}
        dtypes = {name: str(value) for name, value in others.items() if isinstance(value, torch.dtype)}
        plain = {name: value for name, value in others.items() if name not in dtypes}
        said = {
            "layout": LAYOUT,
            "numbers": asdict(self.numbers),
            "groups": dict(self.groups),
            "plain": plain,
            "dtypes": dtypes,
            "index": self.index,
        }
        return written({**tensors, "sigmas": self.sigmas}, said)


def restored(checkpoint: bytes, device: torch.device) -> BlocksState:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        dtypes = {name: getattr(torch, word.removeprefix("torch.")) for name, word in said["dtypes"].items()}
        return BlocksState(
            Numbers(**said["numbers"]),
            {**below("value.", tensors), **said["plain"], **dtypes},
            said["groups"],
            tensors["sigmas"],
            int(said["index"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these bytes are no checkpoint of a clip made block by block") from error
