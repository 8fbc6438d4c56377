"""Layers that come to the device for as long as they compute: a text encoder in the memory of its largest layer.

Not the library's group offload, which denoisers have: that copies what it brought back, so that files that are mapped
into memory come to take all of it, and knows blocks by where they stand. A prompt is read once; its layers come once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def visiting(network: Any, device: torch.device) -> Any:
    """`network`, of which a layer's tensors are on `device` while it computes, and the host's before and after."""
    for module in network.modules():
        if _own(module):
            visit = _Visit(device)
            module.register_forward_pre_hook(visit.come)
            module.register_forward_hook(visit.go, always_call=True)  # also where the layer ran out of memory
    return network


class _Visit:
    """One layer's: what stays in the host's memory meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._home: dict[str, torch.Tensor] = {}

    def come(self, module: Any, given: Any) -> None:
        self._home = _own(module)
        for name, tensor in self._home.items():
            here = torch.empty_like(tensor, device=self._device).copy_(tensor)
            setattr(module, name, nn.Parameter(here, requires_grad=False) if isinstance(tensor, nn.Parameter) else here)

    def go(self, module: Any, given: Any, made: Any) -> None:
        for name, tensor in self._home.items():
            setattr(module, name, tensor)
        self._home = {}


def _own(module: Any) -> dict[str, torch.Tensor]:
    """The tensors of the module itself, without those of its parts."""
    return {**dict(module.named_parameters(recurse=False)), **dict(module.named_buffers(recurse=False))}
