"""Puts a plan on a loaded adapter."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from rushes.acceleration.plan import Plan
from rushes.models.parts import Resident


@runtime_checkable
class Networked(Protocol):
    """An adapter over networks of diffusers that are loaded with it."""

    @property
    def device_kind(self) -> str:
        """ "cuda" or "cpu"."""

    def denoisers(self) -> tuple[Any, ...]:
        """The networks that a step runs through."""


def device_of(adapter: object) -> str | None:
    """The kind of device that a plan for `adapter` would be made for; None where it takes none."""
    return adapter.device_kind if isinstance(adapter, Resident | Networked) else None


def accelerate(adapter: object, plan: Plan) -> None:
    """Let `adapter` compute as `plan` says, from its next verb on."""
    if isinstance(adapter, Resident):
        from rushes.acceleration.dress import Dress

        adapter.accelerate(plan.how, Dress(plan.how))
    elif isinstance(adapter, Networked):
        for network in adapter.denoisers():
            network.set_attention_backend(plan.how.attention)
