"""Checkpoints of a training run: written so that a cut never leaves half a file, read back as what ships."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def save(
    path: Path, model: nn.Module, average: nn.Module, optimizers: list[torch.optim.Optimizer], step: int, spent_s: float
) -> None:
    """Written beside and moved over: a cut never leaves half a file."""
    beside = path.with_suffix(".new")
    torch.save(
        {
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimizer": [optimizer.state_dict() for optimizer in optimizers],
            "step": step,
            "spent_s": spent_s,
        },
        beside,
    )
    beside.replace(path)


def averaged(path: Path, model: Model) -> Model:
    """`model` with the running average of its weights that `save` kept."""
    state = torch.load(path, weights_only=True, map_location="cpu")["average"]
    weights = {name.removeprefix("module."): value for name, value in state.items() if name.startswith("module.")}
    model.load_state_dict(weights, strict=False)  # tables that are computed, not learned, are not kept
    return model.eval()
