"""Checkpoints of a training run: written so that a cut never leaves half a file, read back as what ships.

Three forms: `save` keeps everything on the machine that trains; `keep` stores one file beside the code; `put_parts`
makes files small enough to travel between machines, in bytes with a scale for each row.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn

Model = TypeVar("Model", bound=nn.Module)
PART_BYTES = 15 << 20  # what carries files between machines takes 16 MiB at most
LARGE = 4096  # values; a smaller tensor stays float16


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
    model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return model


def put_parts(model: nn.Module, folder: Path, name: str, about: dict[str, object], *, small: bool) -> list[Path]:
    """Store `model` as `name`-…safetensors files of at most `PART_BYTES` and `name`.json, which says `about` and them.

    `small` keeps matrices as int8 with a scale for each row, else as float16. The json is moved into place last, so
    that a cut leaves the parts from before; parts of an older writing go afterwards.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for key, value in model.state_dict().items():
        value = value.detach().float().cpu()
        if small and value.ndim == 2 and value.numel() >= LARGE:
            scale = value.abs().amax(1).clamp(min=1e-8) / 127
            tensors[f"{key}.scale"] = scale
            value = (value / scale[:, None]).round().to(torch.int8)
        else:
            value = value.half()
        tensors[key] = value.contiguous()
    parts: list[dict[str, torch.Tensor]] = [{}]
    room = PART_BYTES
    for key, value in tensors.items():
        size = value.numel() * value.element_size()
        assert size <= PART_BYTES, f"{key} alone is larger than a part: {size} bytes"
        if size > room:
            parts.append({})
            room = PART_BYTES
        parts[-1][key] = value
        room -= size
    index = folder / f"{name}.json"
    before = json.loads(index.read_text())["parts"] if index.exists() else []
    turn = "b" if any(part.startswith(f"{name}-a") for part in before) else "a"
    names = [f"{name}-{turn}{number}.safetensors" for number in range(len(parts))]
    for part_name, part in zip(names, parts, strict=True):
        save_file(part, folder / part_name)
    beside = index.with_suffix(".new")
    beside.write_text(json.dumps({**about, "parts": names}))
    beside.replace(index)
    for part_name in set(before) - set(names):
        (folder / part_name).unlink(missing_ok=True)
    return [index, *(folder / part_name for part_name in names)]


def about_parts(folder: Path, name: str) -> dict[str, object] | None:
    """What `put_parts` was told about `name`; None where it never was."""
    index = folder / f"{name}.json"
    if not index.exists():
        return None
    about: dict[str, object] = json.loads(index.read_text())
    return about


def from_parts(folder: Path, name: str, model: Model) -> Model:
    """`model` with the weights that `put_parts` stored."""
    about = about_parts(folder, name)
    assert about is not None, f"{folder} has no parts of {name}"
    tensors: dict[str, torch.Tensor] = {}
    for part_name in about["parts"]:  # type: ignore[attr-defined]
        tensors.update(load_file(folder / part_name))
    wide = {
        key: value.float() * tensors[f"{key}.scale"][:, None] if value.dtype == torch.int8 else value.float()
        for key, value in tensors.items()
        if not key.endswith(".scale") or key.removesuffix(".scale") not in tensors
    }
    model.load_state_dict(wide, strict=True)
    return model
