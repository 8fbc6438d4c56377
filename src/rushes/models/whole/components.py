"""The parts of a pipeline by the names in its index: networks that wait in a residency, and what has no weights."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from typing import Any

import diffusers
import torch
from transformers import AutoTokenizer

from rushes.models.kept import Network
from rushes.models.parts import DENOISERS, Residency
from rushes.models.waiting import Waiting, WaitingNetworks, placed
from rushes.weights.checkpoint import INDEX, Checkpoint


class Networks(WaitingNetworks):
    """Those of any pipeline: what can work tile by tile does so where the plan says it, and else at once."""

    def ready(self, name: str, network: Any) -> None:
        super().ready(name, network)
        if not name.startswith(DENOISERS) and hasattr(network, "use_tiling"):
            network.use_tiling = self.how.tiles


def networks_of(found: Checkpoint, device: torch.device, dtype: torch.dtype, residency: Residency) -> WaitingNetworks:
    """The networks of `found`, all in the same numbers. Nothing is loaded."""
    kinds = {name: _kind(library, named) for name, (library, named) in _index(found).items()}
    networks = {name: Network(kind, dtype) for name, kind in kinds.items() if _is_network(kind)}
    return Networks(found, device, residency, networks)


def parts_of(found: Checkpoint, networks: WaitingNetworks) -> dict[str, Any]:
    """Every part of `found` by name. Errors  GenerationFailed, naming it; of a network when it is loaded."""
    parts: dict[str, Any] = {}
    for name, (library, named) in _index(found).items():
        kind = _kind(library, named)
        if _is_network(kind):
            parts[name] = Waiting(networks, name)
        elif kind is None and name.startswith("tokenizer"):
            parts[name] = networks.folder.part(name, AutoTokenizer, trust_remote_code=False)
        else:
            parts[name] = networks.folder.part(name, kind)
    return parts


def piped(found: Checkpoint, networks: WaitingNetworks) -> Any:
    """The pipeline of `found` around its parts. Errors  GenerationFailed with the part at fault."""
    kind, index = getattr(diffusers, found.pipeline), json.loads((found.folder / INDEX).read_bytes())
    parts = parts_of(found, networks)
    for name in inspect.signature(kind).parameters:
        if name in found.settings:
            parts[name] = found.settings[name]
        elif name not in parts and name in index:
            parts[name] = None  # named there, and left out
    pipe = placed(kind(**parts), networks.device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _index(found: Checkpoint) -> dict[str, tuple[str, str]]:
    """Library and class of each part."""
    index = json.loads((found.folder / INDEX).read_bytes())
    return {name: tuple(index[name][:2]) for name in found.parts}


def _kind(library: str, named: str) -> Any:
    return getattr(import_module(library), named, None)


def _is_network(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)
