"""A film between two steps: the segments that are done, as latents, and the one that is being made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from rushes.models.saved import below, read, written
from rushes.models.solver import FRESH, Memory

LAYOUT = "animate2 1"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """`segment` frames are made at a time, of which the first `carried` repeat the last of the segment before."""

    width: int
    height: int
    num_frames: int
    steps: int
    guidance_scale: float
    segment: int
    carried: int
    seed: int = 0

    @property
    def segments(self) -> int:
        return max(1, math.ceil((self.num_frames - self.carried) / (self.segment - self.carried)))

    @property
    def frames_driven(self) -> int:
        """Frames of all segments, which are more than the film's: the last is a whole one too."""
        return self.carried + self.segments * (self.segment - self.carried)

    @property
    def guided(self) -> bool:
        return not math.isclose(self.guidance_scale, 1.0)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class AnimateCondition:
    """What was given, as tensors by name: "prompt", "negative" with guidance, "driver_prompt", "character_seen",
    "driver_seen", "character", and "driver.0", "driver.1" … for each segment.
    """

    numbers: Numbers
    given: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class AnimateState:
    """latent  (16, 1 + T, h, w) of the segment that is made; `known` what stands of it: (20, 1 + T, h, w).
    done     latents of the finished segments, in order.
    heading  where the segment was heading at the last step, for those who watch; not saved.
    """

    condition: AnimateCondition
    latent: Tensor
    known: Tensor
    done: tuple[Tensor, ...] = ()
    memory: Memory = FRESH
    index: int = 0
    heading: Tensor | None = None

    @property
    def num_steps(self) -> int:
        return self.condition.numbers.steps * self.condition.numbers.segments

    def to_bytes(self) -> bytes:
        tensors = {f"given.{name}": tensor for name, tensor in self.condition.given.items()}
        tensors |= {f"done.{number:03}": tensor for number, tensor in enumerate(self.done)}
        tensors |= {f"memory.{name}": tensor for name, tensor in self.memory.tensors.items()}
        said = {
            "layout": LAYOUT,
            "numbers": asdict(self.condition.numbers),
            "memory": [self.memory.lower_order_nums, self.memory.this_order],
            "index": self.index,
        }
        return written({**tensors, "latent": self.latent, "known": self.known}, said)

    def seeded(self, seed: int) -> AnimateState:
        numbers = replace(self.condition.numbers, seed=seed)
        return replace(self, condition=AnimateCondition(numbers, self.condition.given))


def restored(checkpoint: bytes, device: torch.device) -> AnimateState:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        return AnimateState(
            AnimateCondition(Numbers(**said["numbers"]), below("given.", tensors)),
            tensors["latent"],
            tensors["known"],
            tuple(tensor for _, tensor in sorted(below("done.", tensors).items())),
            Memory(below("memory.", tensors), *said["memory"]),
            int(said["index"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("these bytes are no checkpoint of a film of this family") from error
