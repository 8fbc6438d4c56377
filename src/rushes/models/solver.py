"""One step of the sampler that a checkpoint names, with its memory outside: the library's scheduler keeps it within.

A fresh scheduler for every step costs a millisecond, and leaves nothing that two clips could share by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    PiflowScheduler,
    UniPCMultistepScheduler,
)

SCHEDULERS = {
    "UniPCMultistepScheduler": UniPCMultistepScheduler,
    "DPMSolverMultistepScheduler": DPMSolverMultistepScheduler,
    "FlowMatchEulerDiscreteScheduler": FlowMatchEulerDiscreteScheduler,
    "PiflowScheduler": PiflowScheduler,
}
MULTISTEP = (UniPCMultistepScheduler, DPMSolverMultistepScheduler)
LISTS = ("model_outputs", "timestep_list")


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What a multi-step solver knows of the steps before: tensors by name, and two counts. Euler knows nothing."""

    tensors: Mapping[str, torch.Tensor]
    lower_order_nums: int = 0
    this_order: int = 0


FRESH = Memory({})


class Solver:
    """The schedule of a clip of `steps` steps; `shape` is what else the library's scheduler wants to know of it."""

    def __init__(self, kind: str, config: Mapping[str, Any], steps: int, device: torch.device, **shape: Any) -> None:
        self._kind, self._config, self._steps, self._device, self._shape = kind, dict(config), steps, device, shape
        scheduler = self._scheduler()
        self.timesteps: torch.Tensor = scheduler.timesteps
        self.sigmas: torch.Tensor = scheduler.sigmas
        self.train_timesteps: int = scheduler.config.num_train_timesteps

    def step(
        self, velocity: torch.Tensor, index: int, latent: torch.Tensor, memory: Memory
    ) -> tuple[torch.Tensor, Memory]:
        """The latent after step `index` and what the next step has to know. `memory` and `latent` stay as they were."""
        scheduler = self._scheduler()
        scheduler._step_index = index
        if isinstance(scheduler, MULTISTEP):
            remember(scheduler, memory)
        moved = scheduler.step(velocity, self.timesteps[index], latent, return_dict=False)[0]
        return moved, remembered(scheduler) if isinstance(scheduler, MULTISTEP) else FRESH

    def _scheduler(self) -> Any:
        scheduler = SCHEDULERS[self._kind].from_config(self._config)
        scheduler.set_timesteps(self._steps, device=self._device, **self._shape)
        scheduler.set_begin_index(0)
        return scheduler


def remember(scheduler: Any, memory: Memory) -> None:
    """Give a fresh scheduler of several steps what `remembered` read of another."""
    for name in _lists(scheduler):
        for place in range(len(getattr(scheduler, name))):
            getattr(scheduler, name)[place] = memory.tensors.get(f"{name}.{place}")
    scheduler.last_sample = memory.tensors.get("last_sample")
    scheduler.lower_order_nums = memory.lower_order_nums
    scheduler.this_order = memory.this_order


def remembered(scheduler: Any) -> Memory:
    """What a scheduler of several steps knows of those it took; nothing of it is written to later."""
    last = getattr(scheduler, "last_sample", None)
    tensors = {} if last is None else {"last_sample": last}
    for name in _lists(scheduler):
        tensors |= {f"{name}.{place}": held for place, held in enumerate(getattr(scheduler, name)) if held is not None}
    return Memory(tensors, scheduler.lower_order_nums, getattr(scheduler, "this_order", 0))


def _lists(scheduler: Any) -> tuple[str, ...]:
    """DPM++ keeps what the model said; UniPC also when, and the sample before."""
    return tuple(name for name in LISTS if hasattr(scheduler, name))
