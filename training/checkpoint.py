"""Checkpoints of a training run: written so that a cut never leaves half a file, read back as what ships."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
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


def resume(
    path: Path, model: nn.Module, average: nn.Module, optimizers: list[torch.optim.Optimizer]
) -> tuple[int, float]:
    """Put back what `save` wrote; returns its step and the seconds spent, both zero where nothing was saved yet."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    average.load_state_dict(state["average"])
    for optimizer, memory in zip(optimizers, state["optimizer"], strict=True):
        optimizer.load_state_dict(memory)
    return state["step"], state["spent_s"]


def averaged(path: Path, model: Model) -> Model:
    """`model` with the running average of its weights that `save` kept."""
    state = torch.load(path, weights_only=True, map_location="cpu")["average"]
    weights = {name.removeprefix("module."): value for name, value in state.items() if name.startswith("module.")}
    model.load_state_dict(weights, strict=False)  # tables that are computed, not learned, are not kept
    return model.eval()


def keep(model: nn.Module, path: Path) -> None:
    """Store `model`'s weights as float16 safetensors: small enough to travel, exact enough to train on from."""
    tensors = {name: value.detach().half().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, path)


def kept(path: Path, model: Model) -> Model:
    """`model` with the weights that `keep` stored."""
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()}, strict=False)
    return model
