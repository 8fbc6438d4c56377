"""What a LoRA file says of itself, held against the networks that it is to change. Reads headers alone.

A LoRA changes linear layers: y = W x + weight · (alpha / rank) · B A x, with A of (rank, in) and B of (out, rank).
Trainers spell the layers, and A and B, in their own ways; whatever a file holds has to find its place, or the file is
refused: a change that was half taken looks like a bad LoRA, and nobody would know.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rushes.errors import WrongSetup
from rushes.weights import header

ROLES = {
    "down": (".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lora.down.weight"),
    "up": (".lora_B.weight", ".lora_B.default.weight", ".lora_up.weight", ".lora.up.weight"),
    "bias": (".lora_B.bias", ".lora_up.bias", ".diff_b"),
    "alpha": (".alpha",),
}
PREFIXES = ("transformer.", "model.diffusion_model.", "diffusion_model.", "base_model.model.", "")
FLAT = ("lora_unet_", "lora_transformer_")
"""Before a layer whose dots became underscores."""
SECOND = "transformer_2."
"""In a file for two networks, what is the second one's; the first one's begins with `transformer.`."""
NOTE = "lora_adapter_metadata"
"""Where diffusers notes down what the layers' alpha is."""
SHRUNK, SLOWED = "reference_downscale_factor", "reference_temporal_scale_factor"
"""Where LTX-2's makers note how many times smaller each way, and slower, than the film the clip was that it was taught
beside."""
NUMBERS = frozenset({"F16", "BF16", "F32", "F64"})
MOST_SHRUNK = 8
SHOWN = 3  # keys of a file that is refused


@dataclass(frozen=True, slots=True)
class Layers:
    """The linear layers of a network: (out, in) by name. `published` gives a layer's name in the makers' own code."""

    shapes: Mapping[str, tuple[int, int]]
    published: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Change:
    """Of one layer: the tensors of a file, by key. `alpha` is a tensor of one number, or the number; None is `rank`."""

    layer: str
    rank: int
    down: str
    up: str
    bias: str | None = None
    alpha: str | float | None = None


def layers(folder: Path, published: Callable[[str], str]) -> Layers:
    """The linear layers of the network in `folder`: whatever has a weight of two dimensions."""
    shapes: dict[str, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        for name, tensor in header.tensors(path).items():
            if name.endswith(".weight") and len(tensor.shape) == 2:
                shapes[name.removesuffix(".weight")] = (tensor.shape[0], tensor.shape[1])
    return Layers(shapes, published)


def read(path: Path, networks: Mapping[str, Layers]) -> dict[str, tuple[Change, ...]]:
    """What the file at `path` changes of each of `networks`, in the order of their layers.

    A file that speaks of a `transformer_2` is split between the two; of any other, every network takes all.
    Errors  WrongSetup, with what does not fit; OSError where it cannot be read.
    """
    if path.suffix.lower() != ".safetensors":
        raise refused(path, "a .safetensors file", "others may hold code, and are not opened")
    try:
        tensors, notes = header.tensors(path), header.notes(path)
    except header.Damaged as damage:
        raise refused(path, "a safetensors file as it was written", f"{path.name} {damage}") from None
    if not tensors:
        raise refused(path, "a LoRA", f"{path.name} holds no tensor")
    split = any(key.startswith(SECOND) for key in tensors)
    found: dict[str, tuple[Change, ...]] = {}
    placed: set[str] = set()
    for network, its_layers in networks.items():
        keys = [key for key in tensors if not split or key.startswith(f"{network}.")]
        places = _places(keys, its_layers, f"{network}." if split else "")
        placed |= places.keys()
        alphas = _Noted(path, notes, network)
        changes = _changes(path, places, tensors, its_layers, alphas)
        if not changes and split:
            raise refused(path, f"changes for {network}", f"{path.name} has none")
        found[network] = changes
    strange = sorted(set(tensors) - placed)
    if strange:
        raise refused(
            path,
            "a file whose every key is of a linear layer of this model",
            f"{len(strange)} of {len(tensors)} keys are not: {_shown(strange)}",
        )
    return found


def shrunk_by(path: Path) -> int | None:
    """How many times smaller each way than the film the clip was that the LoRA at `path` was taught beside.

    None where it notes nothing of one. Errors  WrongSetup where the clip was slower too, or the note no such number.
    """
    notes = header.notes(path)
    said = {name: notes[name] for name in (SHRUNK, SLOWED) if name in notes}
    for name, most in ((SHRUNK, MOST_SHRUNK), (SLOWED, 1)):
        if said.get(name, "1") not in map(str, range(1, most + 1)):
            raise refused(
                path, f"a {name} of {'1' if most == 1 else f'1 to {most}'}", f"its notes say {said[name][:40]}"
            )
    return int(said.get(SHRUNK, "1")) if said else None


def refused(path: Path, allowed: str, reason: str) -> WrongSetup:
    return WrongSetup(field="from", given=path, allowed=allowed, hint=reason)


def _places(keys: Iterable[str], layers: Layers, prefix: str) -> dict[str, tuple[str, str]]:
    """Layer and role of every key that has one."""
    spelled = {name: layer for layer in layers.shapes for name in (layers.published(layer), layer)}
    flat = {name.replace(".", "_"): layer for name, layer in spelled.items()}
    found = {}
    for key in keys:
        for role, endings in ROLES.items():
            ending = next((ending for ending in endings if key.endswith(ending)), None)
            if ending is not None:
                layer = _layer(key.removeprefix(prefix).removesuffix(ending), spelled, flat)
                if layer is not None:
                    found[key] = layer, role
                break
    return found


def _layer(stem: str, spelled: Mapping[str, str], flat: Mapping[str, str]) -> str | None:
    for begins in FLAT:
        if stem.startswith(begins):
            return flat.get(stem.removeprefix(begins))
    for prefix in PREFIXES:
        if stem.startswith(prefix) and stem.removeprefix(prefix) in spelled:
            return spelled[stem.removeprefix(prefix)]
    return None


def _changes(
    path: Path,
    places: Mapping[str, tuple[str, str]],
    tensors: Mapping[str, header.Tensor],
    layers: Layers,
    noted: _Noted,
) -> tuple[Change, ...]:
    """One change a layer, its tensors held against the layer's shape."""
    keys: dict[str, dict[str, str]] = {}
    for key, (layer, role) in places.items():
        of_layer = keys.setdefault(layer, {})
        if role in of_layer:
            raise refused(path, "one change of each layer", f"{of_layer[role]} and {key} are of the same")
        of_layer[role] = key
    found = []
    for layer in (layer for layer in layers.shapes if layer in keys):
        of_layer = keys[layer]
        for role, said in (("down", "A"), ("up", "B")):
            if role not in of_layer:
                other = next(iter(of_layer.values()))
                raise refused(path, "whole changes, A and B of each", f"{other} has no {said} beside it")
        out, into = layers.shapes[layer]
        down = tensors[of_layer["down"]]
        rank = down.shape[0] if down.shape else 0
        wanted: dict[str, tuple[tuple[int, ...], ...]] = {
            "down": ((rank, into),),
            "up": ((out, rank),),
            "bias": ((out,),),
            "alpha": ((), (1,)),
        }
        for role, key in of_layer.items():
            tensor = tensors[key]
            if rank < 1 or tensor.shape not in wanted[role]:
                reason = f"{key} is {_shape(tensor.shape)}, and {layer} here {out} by {into}"
                raise refused(path, "changes of the layers' own shapes", f"{reason}, with rank {rank}")
            if tensor.dtype not in NUMBERS:
                raise refused(path, f"numbers of {', '.join(sorted(NUMBERS))}", f"{key} holds {tensor.dtype}")
        found.append(
            Change(
                layer,
                rank,
                of_layer["down"],
                of_layer["up"],
                of_layer.get("bias"),
                of_layer.get("alpha", noted.alpha(layer, rank)),
            )
        )
    return tuple(found)


class _Noted:
    """What diffusers noted in the file at `path` of the alpha of one network's layers."""

    def __init__(self, path: Path, notes: Mapping[str, str], network: str) -> None:
        self._path = path
        said = self._read(notes.get(NOTE, "{}"))
        begins = f"{network}."
        self._said = {key.removeprefix(begins): value for key, value in said.items() if key.startswith(begins)}
        if not self._said:  # one network's notes stand for both where the file is for both
            self._said = {key.partition(".")[2] if "." in key else key: value for key, value in said.items()}
        if self._said.get("use_dora"):
            raise refused(path, "plain LoRA", "its notes say use_dora")
        patterns = self._said.get("alpha_pattern") or {}
        plain = isinstance(patterns, dict) and all(re.fullmatch(r"[\w.]+", name) for name in patterns)
        if not plain:
            raise refused(path, "an alpha by the names of layers", "its notes give alpha_pattern otherwise")
        self._patterns: dict[str, Any] = patterns

    def alpha(self, layer: str, rank: int) -> float | None:
        """Of `layer`; None where nothing is noted of it."""
        for name, alpha in (*self._patterns.items(), (layer, self._said.get("lora_alpha"))):
            if alpha is not None and (layer == name or layer.endswith(f".{name}")):
                if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
                    raise refused(self._path, "an alpha that is a number", f"its notes give {layer} another")
                # Rank-stabilised: divided by the root of the rank, where others divide by the rank.
                return alpha * math.sqrt(rank) if self._said.get("use_rslora") else float(alpha)
        return None

    def _read(self, note: str) -> dict[str, Any]:
        try:
            said = json.loads(note)
        except (ValueError, RecursionError):
            said = None
        if not isinstance(said, dict):
            raise refused(self._path, "notes that are a JSON object", f"its {NOTE} is none")
        return said


def _shown(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(key[:80] for key in keys[:SHOWN]) + more


def _shape(shape: tuple[int, ...]) -> str:
    return " by ".join(map(str, shape)) or "a single number"
