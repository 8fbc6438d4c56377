"""A clip between two steps of a block loop: the values that the blocks hand on to each other, and bytes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers.modular_pipelines.modular_pipeline import PipelineState

from rushes.models.saved import below, read, written
from rushes.models.solver import Memory

LAYOUT = "blocks 3"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    width: int
    height: int
    num_frames: int
    steps: int
    guidance_scale: float
    sound: bool = False
    picture: bool = False  # whether it begins with one
    way: str = ""  # through the blocks, where more than that decides it
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class BlocksState:
    """values   what blocks read by name, never written to in place; `groups` the names that they ask for together.
    sigmas   how noisy each step is, as the scheduler was set for this clip.
    memories what the schedulers of film and sound know of the steps before, by the name that the blocks call them by.
    """

    numbers: Numbers
    values: Mapping[str, Any]
    groups: Mapping[str, list[str]]
    sigmas: torch.Tensor
    memories: Mapping[str, Memory]
    index: int = 0

    @property
    def num_steps(self) -> int:
        return self.numbers.steps

    def opened(self) -> PipelineState:
        """As the library's blocks take it; what they change in it stays outside this state."""
        groups = {kind: list(names) for kind, names in self.groups.items()}
        return PipelineState(values=dict(self.values), kwargs_mapping=groups)

    def to_bytes(self) -> bytes:
        tensors: dict[str, torch.Tensor] = {"sigmas": self.sigmas}
        said = {
            "layout": LAYOUT,
            "numbers": asdict(self.numbers),
            "groups": dict(self.groups),
            "values": {name: _put(value, f"value.{name}", tensors) for name, value in self.values.items()},
            "memories": {name: [memory.lower_order_nums, memory.this_order] for name, memory in self.memories.items()},
            "index": self.index,
        }
        for name, memory in self.memories.items():
            tensors |= {f"memory.{name}.{part}": tensor for part, tensor in memory.tensors.items()}
        return written(tensors, said)


def restored(checkpoint: bytes, device: torch.device) -> BlocksState:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        return BlocksState(
            Numbers(**said["numbers"]),
            {name: _taken(value, tensors) for name, value in said["values"].items()},
            said["groups"],
            tensors["sigmas"],
            {name: Memory(below(f"memory.{name}.", tensors), *counts) for name, counts in said["memories"].items()},
            int(said["index"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these bytes are no checkpoint of a clip made block by block") from error


def _put(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    """`value` in words of JSON, its tensors beside them under names that begin with `name`.

    Errors  TypeError where it is of a kind that could not be read again.
    """
    match value:
        case torch.Tensor():
            tensors[name] = value
            return {"tensor": name}
        case torch.dtype():
            return {"dtype": str(value).removeprefix("torch.")}
        case dict():
            return {"dict": {key: _put(inner, f"{name}.{key}", tensors) for key, inner in value.items()}}
        case list() | tuple():
            kind = "list" if isinstance(value, list) else "tuple"
            return {kind: [_put(inner, f"{name}.{at}", tensors) for at, inner in enumerate(value)]}
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{name} is a {type(value).__name__}, which no checkpoint holds")


def _taken(said: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(said, dict):
        return said
    ((kind, value),) = said.items()
    match kind:
        case "tensor":
            return tensors[value]
        case "dtype":
            return getattr(torch, value)
        case "dict":
            return {key: _taken(inner, tensors) for key, inner in value.items()}
    inner = [_taken(one, tensors) for one in value]
    return inner if kind == "list" else tuple(inner)
