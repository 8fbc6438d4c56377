"""What adapters have in common whose networks are kept in a residency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import torch

from rushes.catalogue.card import Card
from rushes.models.kept import KeptNetworks
from rushes.models.loading import arithmetic, usual_device, usual_dtype, weights_of
from rushes.models.parts import PUBLISHED, How, Residency, Unbounded


class ResidentAdapter:
    """A checkpoint on the accelerator where there is one; together with `needs` it is a `parts.Resident`."""

    saved_as: ClassVar[str]
    """The layout of a state's bytes."""
    networks: KeptNetworks
    """What the checkpoint has, loaded when it is needed. Each family sets it when it is built."""

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

    @classmethod
    def resident(cls, card: Card, residency: Residency) -> Self:
        return cls(card, residency=residency)

    def describe(self) -> Card:
        return self._card

    @property
    def device_kind(self) -> str:
        return str(self.device.type)

    @property
    def how(self) -> How:
        return self.networks.how

    def accelerate(self, how: How, dress: Callable[[Any], None]) -> None:
        self.networks.how, self.networks.dress = how, dress

    def state_format(self) -> str:
        how = self.how
        changes = {
            "compiled": how.compiled,
            f"{how.pieces} pieces": how.pieces > 1,
            how.matrices: how.matrices != PUBLISHED,
        }
        changes["together"] = how.together
        said = " ".join([how.attention, *(name for name, here in changes.items() if here)])
        return f"{self.saved_as} {self._card.revision} {arithmetic(self.device, self._dtype)} {said}"

    @property
    def _number_bytes(self) -> int:
        return int(self._dtype.itemsize)
