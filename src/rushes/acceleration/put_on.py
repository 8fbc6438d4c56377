"""Puts a plan on a loaded adapter."""

from __future__ import annotations

from rushes.acceleration.plan import Plan
from rushes.models.parts import Resident


def device_of(adapter: object) -> str | None:
    """The kind of device that a plan for `adapter` would be made for; None where it takes none."""
    return adapter.device_kind if isinstance(adapter, Resident) else None


def accelerate(adapter: object, plan: Plan) -> None:
    """Let `adapter` compute as `plan` says, from its next verb on."""
    if isinstance(adapter, Resident):
        from rushes.acceleration.dress import Dress

        adapter.accelerate(plan.how, Dress(plan.how))
