"""The networks of a checkpoint in a residency: each known by its files and by the numbers that it is loaded in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import torch

from rushes.catalogue.card import Card
from rushes.models.loading import Folder, read_by, usual_device, usual_dtype, weights_of
from rushes.models.parts import Residency
from rushes.weights import header
from rushes.weights.checkpoint import Checkpoint, looked_at


@dataclass(frozen=True, slots=True)
class Network:
    """How one part is loaded. `tied` are two names of one tensor, of which the file has one."""

    kind: Any
    dtype: torch.dtype
    tied: frozenset[str] = frozenset()


class KeptNetworks:
    """`networks` of a checkpoint by name, in evaluation mode on `device`, each loaded when it is asked for.

    Ask again instead of keeping one: the residency may give it up for another.
    Errors  GenerationFailed, with the part at fault, where one is loaded.
    """

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, residency: Residency, networks: Mapping[str, Network]
    ) -> None:
        self._checkpoint, self._residency, self._networks = checkpoint, residency, networks
        self.folder = Folder(checkpoint.folder, device)

    @cached_property
    def keys(self) -> dict[str, str]:
        """What the residency knows each network by."""
        return {
            name: f"{self._residency.key(self._files(name))} {network.dtype}"
            for name, network in self._networks.items()
        }

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The bytes that each takes once it is loaded, by the headers of its files."""
        return {
            name: stored_bytes(self._files(name), network.dtype.itemsize) for name, network in self._networks.items()
        }

    def get(self, name: str) -> Any:
        network = self._networks[name]
        return self._residency.part(
            self.keys[name],
            self.sizes[name],
            lambda: self.folder.network(name, network.kind, network.dtype, network.tied),
        )

    def _files(self, name: str) -> list[Path]:
        return [path for path in self._checkpoint.files if path.parent.name == name]


def stored_bytes(files: list[Path], number_bytes: int) -> int:
    """What the tensors in `files` take in numbers of so many bytes."""
    weights = (path for path in files if path.suffix == ".safetensors")
    return sum(prod(tensor.shape) * number_bytes for path in weights for tensor in header.tensors(path).values())


def least_bytes(card: Card) -> int:
    """What all parts of `card` take in the usual numbers, by the headers of their files.

    Errors  GenerationFailed where they are not there.
    """
    weights = weights_of(card)
    return stored_bytes(list(read_by(looked_at, weights).files), usual_dtype(usual_device()).itemsize)
