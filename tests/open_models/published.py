"""Checkpoints of the Wan family as large as they are published, without a weight: headers before empty space.

Their files take no room on a disk that keeps holes. What is read of them, configurations and headers, is what counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel, WanVACETransformer3DModel
from torch.utils._device import _device_constructors
from transformers import CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

from rushes.models.wan.chance import SIZES

_LARGE, _LARGE_VAE, _UMT5 = SIZES["wan2.1-t2v-14b"]
_SMALL = SIZES["wan2.1-t2v-1.3b"][0]
CLIP_H = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "projection_dim": 1024,
}
_SEEN = {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120}
_VACE = {"vace_in_channels": 96}

Shapes = Callable[[str, str], dict[str, tuple[int, ...]]]
"""The tensors of a network by name, of a class and the JSON of a configuration."""

TRANSFORMERS: dict[str, dict[str, Any]] = {
    "wan2.1-t2v-1.3b": _SMALL,
    "wan2.1-t2v-14b": _LARGE,
    "wan2.1-i2v-14b-480p": {**_LARGE, **_SEEN},
    "wan2.1-i2v-14b-720p": {**_LARGE, **_SEEN},
    "wan2.1-flf2v-14b": {**_LARGE, **_SEEN, "pos_embed_seq_len": 514},
    "wan2.1-vace-1.3b": {**_SMALL, **_VACE, "vace_layers": list(range(0, 30, 2))},
    "wan2.1-vace-14b": {**_LARGE, **_VACE, "vace_layers": list(range(0, 40, 5))},
    "wan2.2-ti2v-5b": SIZES["wan2.2-ti2v-5b"][0],
    "wan2.2-t2v-a14b": _LARGE,
    "wan2.2-i2v-a14b": {**_LARGE, "in_channels": 36},
}
"""The transformer, or each of the two, by the card's id."""


def built(id: str, folder: Path) -> Path:
    """The checkpoint of the card `id` in `folder`, which is given back."""
    config = TRANSFORMERS[id]
    vae = SIZES["wan2.2-ti2v-5b"][1] if id == "wan2.2-ti2v-5b" else _LARGE_VAE
    network = "WanVACETransformer3DModel" if "vace_layers" in config else "WanTransformer3DModel"
    parts: dict[str, tuple[str, str, Mapping[str, Any]]] = {
        "text_encoder": ("transformers", "UMT5EncoderModel", _UMT5),
        "transformer": ("diffusers", network, config),
        "vae": ("diffusers", "AutoencoderKLWan", vae),
    }
    if id.endswith("a14b"):
        parts["transformer_2"] = parts["transformer"]
    if "image_dim" in config:
        parts["image_encoder"] = ("transformers", "CLIPVisionModel", CLIP_H)
    index: dict[str, Any] = {"_class_name": "WanPipeline", "expand_timesteps": id == "wan2.2-ti2v-5b"}
    index["boundary_ratio"] = 0.875 if "transformer_2" in parts else None
    index["tokenizer"] = ["transformers", "T5TokenizerFast"]
    index["scheduler"] = ["diffusers", "UniPCMultistepScheduler"]
    return written(folder, index, parts, _shapes)


def count(id: str) -> int:
    """The weights of one transformer of the card `id`."""
    config = TRANSFORMERS[id]
    kind = "WanVACETransformer3DModel" if "vace_layers" in config else "WanTransformer3DModel"
    return sum(torch.Size(shape).numel() for shape in _shapes(kind, json.dumps(config)).values())


@cache
def _shapes(kind: str, said: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a network of this configuration, by name."""
    config = json.loads(said)
    networks: dict[str, Callable[[], Any]] = {
        "UMT5EncoderModel": lambda: UMT5EncoderModel(UMT5Config(**config)),
        "CLIPVisionModel": lambda: CLIPVisionModel(CLIPVisionConfig(**config)),
        "AutoencoderKLWan": lambda: AutoencoderKLWan.from_config(config),
        "WanTransformer3DModel": lambda: WanTransformer3DModel.from_config(config),
        "WanVACETransformer3DModel": lambda: WanVACETransformer3DModel.from_config(config),
    }
    return shapes_of(outlined(networks[kind]))


def outlined(network: Callable[[], Any]) -> Any:
    """The network, without weights."""
    # Torch remembers which functions make tensors, and transformers has another `linspace` in place while it loads.
    _device_constructors.cache_clear()
    with torch.device("meta"):
        return network()


def shapes_of(network: Any) -> dict[str, tuple[int, ...]]:
    """The tensors of a network, by name."""
    return {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}


def written(
    folder: Path, index: Mapping[str, Any], parts: Mapping[str, tuple[str, str, Mapping[str, Any]]], shapes: Shapes
) -> Path:
    """`parts` by library, class and configuration, beside what `index` names; `folder`, which is given back."""
    for name in (*(name for name, said in index.items() if isinstance(said, list)), *parts):
        (folder / name).mkdir(parents=True)
    for name, (_, kind, config) in parts.items():
        (folder / name / "config.json").write_text(json.dumps(config), "utf-8")
        write(folder / name / "model.safetensors", shapes(kind, json.dumps(config)))
    named = {name: [library, kind] for name, (library, kind, _) in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({**index, **named}), "utf-8")
    return folder


def write(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    at, said = 0, {}
    for name, shape in shapes.items():
        size_bytes = 2 * torch.Size(shape).numel()
        said[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [at, at + size_bytes]}
        at += size_bytes
    header = json.dumps(said).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + at)
