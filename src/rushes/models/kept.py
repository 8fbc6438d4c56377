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
from rushes.models.int8 import SCALE_BYTES, shrunk
from rushes.models.loading import Folder, read_by, usual_device, usual_dtype, weights_of
from rushes.models.parts import BLOCKS, Residency
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
        self._device = device
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

    def in_eight_bits(self, name: str) -> Any:
        """The network `name` with its blocks' matrices in eight bits: a part of its own, beside the plain one."""
        network, host = self._networks[name], Folder(self._checkpoint.folder, torch.device("cpu"))
        # Rounded in the host's memory, where there is room for all of it.
        return self._residency.part(
            f"{self.keys[name]} int8",
            self.int8_bytes(name),
            lambda: shrunk(host.network(name, network.kind, network.dtype, network.tied)).to(self._device),
        )

    def int8_bytes(self, name: str) -> int:
        """What `in_eight_bits` takes, by the headers of its files."""
        return stored_bytes(self._files(name), self._networks[name].dtype.itemsize, int8=True)

    def _files(self, name: str) -> list[Path]:
        return [path for path in self._checkpoint.files if path.parent.name == name]


def stored_bytes(files: list[Path], number_bytes: int, *, int8: bool = False) -> int:
    """What the tensors in `files` take in numbers of so many bytes; with `int8`, matrices of blocks in eight bits."""
    total = 0
    for path in files:
        if path.suffix != ".safetensors":
            continue
        for name, tensor in header.tensors(path).items():
            if int8 and len(tensor.shape) == 2 and name.endswith(".weight") and name.startswith(BLOCKS):
                total += prod(tensor.shape) + SCALE_BYTES * tensor.shape[0]
            else:
                total += prod(tensor.shape) * number_bytes
    return total


def least_bytes(card: Card) -> int:
    """What all parts of `card` take in the usual numbers, by the headers of their files.

    Errors  GenerationFailed where they are not there.
    """
    weights = weights_of(card)
    return stored_bytes(list(read_by(looked_at, weights).files), usual_dtype(usual_device()).itemsize)
