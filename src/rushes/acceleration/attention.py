"""The attention kernel, chosen by name for each network."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from rushes.acceleration.plan import Plan, planned
from rushes.catalogue.card import Card


@runtime_checkable
class Networked(Protocol):
    """An adapter over networks of diffusers."""

    @property
    def device_kind(self) -> str:
        """ "cuda" or "cpu"."""

    def denoisers(self) -> tuple[Any, ...]:
        """The networks that a step runs through."""


def accelerated(adapter: object, card: Card) -> Plan | None:
    """Put the plan for `card` on the loaded `adapter`, and give it back; None where there is nothing to put it on."""
    if not isinstance(adapter, Networked):
        return None
    plan = planned(card, adapter.device_kind)
    if plan is not None:
        for network in adapter.denoisers():
            network.set_attention_backend(plan.attention)
    return plan
