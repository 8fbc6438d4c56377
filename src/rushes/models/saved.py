"""Tensors by name as bytes and back: safetensors, which hold numbers and no code, and a few words beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from rushes.diffusion.reuse import Computed


def written(tensors: Mapping[str, torch.Tensor], said: Mapping[str, Any]) -> bytes:
    """`tensors` and what is `said` of them (JSON) as bytes; equal ones give equal bytes."""
    # Each is copied: two names for one stretch of memory are refused by the format.
    own = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    content: bytes = save(own, metadata={"rushes": json.dumps(said)})
    return content


def read(content: bytes, layout: str, device: torch.device) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """What was `written` with `layout` said of it. Errors  ValueError when these bytes are no such thing."""
    try:
        tensors = {name: tensor.to(device) for name, tensor in load(content).items()}
        length = int.from_bytes(content[:8], "little")
        said: dict[str, Any] = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["rushes"])
        found = said["layout"]
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"these bytes are no checkpoint of layout {layout}") from error
    if found != layout:
        raise ValueError(f"a state of layout {found}")
    return tensors, said


def below(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def of_computed(steps: Mapping[str, Computed]) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """What is remembered of each stream as tensors, and as what is said beside them."""
    tensors = {f"computed.{name}.latent": step.latent for name, step in steps.items()}
    tensors |= {f"computed.{name}.velocity": step.velocity for name, step in steps.items()}
    return tensors, {name: step.rate for name, step in steps.items()}


def computed_of(tensors: Mapping[str, torch.Tensor], rates: Mapping[str, float]) -> dict[str, Computed]:
    """And back. Errors  TypeError where it is incomplete."""
    return {name: Computed(**below(f"computed.{name}.", tensors), rate=float(rate)) for name, rate in rates.items()}
