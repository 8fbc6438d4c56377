"""LoRA files for tiny networks, of random numbers, in the spellings that trainers give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from rushes.catalogue.card import AddedLora, Card
from rushes.contract.request import Lora
from rushes.weights.checkpoint import hashed, revision_of

PEFT = ("transformer.{}.lora_A.weight", "transformer.{}.lora_B.weight")
ORIGINAL = ("diffusion_model.{}.lora_down.weight", "diffusion_model.{}.lora_up.weight")
RANK = 4


def tensors(
    network: Any, names: Any, spelling: tuple[str, str] = PEFT, *, rank: int = RANK, seed: int = 0, size: float = 0.3
) -> dict[str, torch.Tensor]:
    """A and B for each layer of `names`, which gives the layer's name in the file."""
    draw = torch.Generator().manual_seed(seed)
    found = {}
    for layer, named in names.items():
        out, into = network.get_submodule(layer).weight.shape
        found[spelling[0].format(named)] = torch.randn(rank, into, generator=draw) * size
        found[spelling[1].format(named)] = torch.randn(out, rank, generator=draw) * size
    return found


def linears(network: Any) -> list[str]:
    """The names of all linear layers."""
    return [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]


def saved(path: Path, tensors: dict[str, torch.Tensor], **notes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path, {"format": "pt", **{name: json.dumps(note) for name, note in notes.items()}})
    return path


def registered(card: Card, name: str, *, reads: str | None = None, shrunk: int = 1, **files: Path) -> tuple[Card, Lora]:
    """`card` with the LoRA `name` of `files` by network, and what a settled request says of it."""
    from dataclasses import replace

    revision = revision_of(file for path in files.values() for file in hashed(path.parent, [path]))
    added = AddedLora(name, revision, {network: str(path) for network, path in files.items()}, reads, shrunk)
    return replace(card, rules=card.rules.with_loras((*card.rules.loras, added))), Lora(name, 1.0, revision)
