"""A clip between two steps, and the bytes it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch

from rushes.contract.request import Lora
from rushes.diffusion.reuse import Computed
from rushes.models.saved import below, read, written
from rushes.models.solver import FRESH, Memory

LAYOUT = "wan 3"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a clip; sizes in latent places.

    references  latent frames before those of the film, for pictures of whom it is about
    reuse       how far the velocity may drift before it is computed again; 0 computes it in every step
    loras       what the transformers are changed by while they make this clip
    """

    frames: int
    rows: int
    cols: int
    num_frames: int
    steps: int
    guidance_scale: float
    references: int = 0
    reuse: float = 0.0
    loras: tuple[Lora, ...] = ()

    @property
    def guided(self) -> bool:
        """Whether a step takes a second pass; at a scale of 1 that would change nothing."""
        return self.guidance_scale > 1.0


@dataclass(frozen=True, slots=True, eq=False)
class WanCondition:
    """What the transformer reads besides the noise. `given` are tensors that its layout needs, by name (`given.py`)."""

    numbers: Numbers
    prompt_PW: torch.Tensor
    negative_PW: torch.Tensor | None  # None where there is no guidance
    given: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def words_PW(self) -> tuple[torch.Tensor, ...]:
        """Of each pass of a step, the prompt before the negative one."""
        return (self.prompt_PW,) if self.negative_PW is None else (self.prompt_PW, self.negative_PW)


@dataclass(frozen=True, slots=True, eq=False)
class WanState:
    """latent_BCTHW   float32, batch of one, references first; never written to in place.

    computed       the last step that was computed, where steps may take its velocity
    heading_BCTHW  where the last step saw the clip end, for those who watch; not saved
    """

    condition: WanCondition
    latent_BCTHW: torch.Tensor
    index: int = 0
    memory: Memory = FRESH
    computed: Computed | None = None
    heading_BCTHW: torch.Tensor | None = None

    @property
    def num_steps(self) -> int:
        return self.condition.numbers.steps

    def to_bytes(self) -> bytes:
        condition, memory = self.condition, self.memory
        tensors = {"latent": self.latent_BCTHW, "prompt": condition.prompt_PW}
        if condition.negative_PW is not None:
            tensors["negative"] = condition.negative_PW
        tensors |= {f"given.{name}": tensor for name, tensor in condition.given.items()}
        tensors |= {f"memory.{name}": tensor for name, tensor in memory.tensors.items()}
        said = {
            "layout": LAYOUT,
            "index": self.index,
            "numbers": asdict(condition.numbers),
            "lower_order_nums": memory.lower_order_nums,
            "this_order": memory.this_order,
        }
        if self.computed is not None:
            tensors |= {"computed.latent": self.computed.latent, "computed.velocity": self.computed.velocity}
            said["rate"] = self.computed.rate
        return written(tensors, said)


def restored(checkpoint: bytes, device: torch.device) -> WanState:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        # Timesteps never left the CPU's arithmetic; the scheduler compares them there.
        return WanState(
            WanCondition(
                Numbers(**{**said["numbers"], "loras": tuple(Lora(**lora) for lora in said["numbers"]["loras"])}),
                tensors["prompt"],
                tensors.get("negative"),
                below("given.", tensors),
            ),
            tensors["latent"],
            int(said["index"]),
            Memory(below("memory.", tensors), int(said["lower_order_nums"]), int(said["this_order"])),
            Computed(**below("computed.", tensors), rate=float(said["rate"])) if "rate" in said else None,
        )
    except (KeyError, TypeError) as error:
        raise ValueError("these bytes are no checkpoint of a Wan clip") from error
