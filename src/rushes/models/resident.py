"""What adapters have in common whose networks are kept in a residency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch

from rushes.catalogue.card import Card
from rushes.models.loading import usual_device, usual_dtype, weights_of
from rushes.models.parts import DENOISERS, How, Residency, Unbounded
from rushes.models.waiting import natively


class ResidentAdapter:
    """A checkpoint on the accelerator where there is one; together with `needs` it is a `parts.Resident`."""

    def __init__(
        self,
        card: Card,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        residency: Residency | None = None,
    ) -> None:
        """Read what the folder that `card.weights` names holds. bfloat16 on an accelerator, else float32, unless told.

        Errors  GenerationFailed with the reason when it is not there, here or when a part is loaded.
        """
        self._card, self._weights = card, weights_of(card)
        self.device = device or usual_device()
        self._dtype = dtype or usual_dtype(self.device)
        self._residency = residency or Unbounded()
        self.how = How()
        self.dress: Callable[[Any], None] = natively
        """Shown a denoiser before it works: whoever accelerates it sets this."""

    @classmethod
    def resident(cls, card: Card, residency: Residency) -> Self:
        return cls(card, residency=residency)

    def describe(self) -> Card:
        return self._card

    @property
    def device_kind(self) -> str:
        return str(self.device.type)

    def accelerate(self, how: How, dress: Callable[[Any], None]) -> None:
        self.how, self.dress = how, dress

    def ready(self, name: str, network: Any) -> None:
        """Make the part `name` work as the plan says; it may have worked for another model since."""
        if name.startswith(DENOISERS):
            self.dress(network)
            return
        natively(network)
        if hasattr(network, "use_tiling"):
            network.use_tiling = self.how.tiles
