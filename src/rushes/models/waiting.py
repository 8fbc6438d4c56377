"""Networks of a residency in the hands of the library's own code, which holds on to what it is given."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial, update_wrapper
from inspect import ismethod
from types import NoneType
from typing import Any

import torch
from transformers import PreTrainedConfig

from rushes.models.kept import KeptNetworks, Network
from rushes.models.parts import Residency
from rushes.weights.checkpoint import Checkpoint

SAID = (bool, int, float, str, list, tuple, dict, NoneType, PreTrainedConfig)
"""What a network without a weight says of itself as it would with them."""


class WaitingNetworks(KeptNetworks):
    """Kept networks of which each says, before it is loaded, what its configuration does."""

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, residency: Residency, networks: Mapping[str, Network]
    ) -> None:
        super().__init__(checkpoint, device, residency, networks)
        self.outline = cache(self._outlined)

    def share_by_turns(self, name: str) -> float:
        outline = self.outline(name)
        return 1.0 if outline is None else _share_by_turns(outline)

    def config(self, name: str) -> dict[str, Any]:
        """What the configuration of a network says, with the defaults of what it leaves out."""
        said = (self.outline(name) or self.get(name)).config
        return dict(said if isinstance(said, dict) else said.to_dict())

    def _outlined(self, name: str) -> Any:
        """The network without weights and memory. None where it makes sums of them while it is built."""
        return self.folder.outline(name, self.kinds[name].kind)


def _share_by_turns(network: Any) -> float:
    """Of its weights two blocks and what is no block: one works while the next one comes."""
    rows = (child for child in network.children() if isinstance(child, torch.nn.ModuleList | torch.nn.Sequential))
    blocks = [sum(weight.numel() for weight in block.parameters()) for row in rows for block in row]
    every = sum(weight.numel() for weight in network.parameters())
    return min(1.0, (every - sum(blocks) + 2 * max(blocks)) / every) if blocks else 1.0


class Waiting:
    """A network in the hands of the library's code, loaded whenever it works: the residency may have given it up.

    What only its configuration has to say is said without loading it.
    """

    def __init__(self, networks: WaitingNetworks, name: str) -> None:
        self._networks, self._name = networks, name

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # what the library's code takes it for
        return type(self._known())

    @property
    def device(self) -> torch.device:
        return self._networks.device

    @property
    def dtype(self) -> torch.dtype:
        return self._networks.kinds[self._name].dtype

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._loaded()(*given, **named)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._known(), name)
        if isinstance(value, SAID):
            return value
        if ismethod(value):
            return update_wrapper(partial(self._do, name), value)  # some ask what it takes
        return getattr(self._loaded(), name)

    def _reset_stateful_cache(self) -> None:
        """Asked of every network at the end of a call; none here has such a cache, and none is loaded for that."""

    def _do(self, verb: str, *given: Any, **named: Any) -> Any:
        return getattr(self._loaded(), verb)(*given, **named)

    def _known(self) -> Any:
        outline = self._networks.outline(self._name)
        return self._loaded() if outline is None else outline

    def _loaded(self) -> Any:
        return self._networks.get(self._name)


def placed(pipe: Any, device: torch.device) -> Any:
    """The library's `pipe`, told where it is: it would ask each of its networks, which would be loaded for that."""
    kind, here = type(pipe), property(lambda pipe: device)
    said = {"__module__": kind.__module__, "device": here, "_execution_device": here}
    pipe.__class__ = type(kind.__name__, (kind,), said)
    return pipe
