"""A pipeline with all of its parts, loaded from its folder one by one, so that none is filled with chance unnoticed."""

from __future__ import annotations

import inspect
import json
from importlib import import_module
from typing import Any

import diffusers
import torch
from transformers import AutoTokenizer

from rushes.models.loading import Folder
from rushes.models.parts import ATTENTION
from rushes.weights.checkpoint import INDEX, Checkpoint


def loaded(found: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """The pipeline of `found`, its networks on `device` and in evaluation mode.

    Errors  GenerationFailed with the part at fault.
    """
    kind, index = getattr(diffusers, found.pipeline), _index(found)
    parts = parts_of(found, device, dtype)
    for name in inspect.signature(kind).parameters:
        if name in found.settings:
            parts[name] = found.settings[name]
        elif name not in parts and name in index:
            parts[name] = None  # named there, and left out
    pipe = kind(**parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def parts_of(found: Checkpoint, device: torch.device, dtype: torch.dtype) -> dict[str, Any]:
    """Every part of `found` by name, networks with torch's own attention. Errors  GenerationFailed, naming a part."""
    folder, index = Folder(found.folder, device), _index(found)
    return {name: _part(folder, name, index[name][0], index[name][1], dtype) for name in found.parts}


def _index(found: Checkpoint) -> dict[str, Any]:
    index: dict[str, Any] = json.loads((found.folder / INDEX).read_bytes())
    return index


def _part(folder: Folder, name: str, library: str, named: str, dtype: torch.dtype) -> Any:
    kind = getattr(import_module(library), named, None)
    if kind is None and name.startswith("tokenizer"):
        return folder.part(name, AutoTokenizer, trust_remote_code=False)
    if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
        return folder.part(name, kind)
    network = folder.network(name, kind, dtype, _tied(kind))
    if hasattr(network, "set_attention_backend"):
        network.set_attention_backend(ATTENTION)
    return network


def _tied(kind: Any) -> frozenset[str]:
    """Names of one tensor, of which a file has one."""
    tied = getattr(kind, "_tied_weights_keys", None) or {}
    return frozenset((*tied, *tied.values())) if isinstance(tied, dict) else frozenset(tied)
