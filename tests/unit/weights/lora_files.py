"""LoRA files of zeros, without any library, and a Wan whose transformer has layers for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from folders import wan_folder

BYTES = {"F32": 4, "BF16": 2, "U8": 1, "I64": 8}
LAYERS = {
    "blocks.0.attn1.to_q": (8, 8),
    "blocks.0.attn1.to_out.0": (8, 8),
    "blocks.0.ffn.net.0.proj": (16, 8),
    "blocks.0.ffn.net.2": (8, 16),
    "condition_embedder.time_proj": (48, 8),
    "proj_out": (4, 8),
}
RANK = 2


def written(
    path: Path, tensors: dict[str, tuple[int, ...]], dtypes: dict[str, str] | None = None, **notes: Any
) -> Path:
    """A file of tensors by name and shape, F32 unless told."""
    header: dict[str, Any] = {"__metadata__": {name: json.dumps(note) for name, note in notes.items()}}
    at = 0
    for name, shape in tensors.items():
        dtype, size = (dtypes or {}).get(name, "F32"), 1
        for side in shape:
            size *= side
        end = at + size * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, end]}
        at = end
    said = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(said).to_bytes(8, "little") + said + bytes(at))
    return path


def wan(folder: Path, experts: int = 1) -> Path:
    """A Wan of one transformer, or of two."""
    wan_folder(folder)
    weights = {f"{name}.weight": shape for name, shape in LAYERS.items()}
    weights |= {"blocks.0.attn1.norm_q.weight": (8,), "patch_embedding.weight": (8, 4, 1, 2, 2)}
    written(folder / "transformer" / "model.safetensors", weights)
    if experts == 2:
        (folder / "transformer_2").mkdir()
        (folder / "transformer_2" / "config.json").write_text((folder / "transformer" / "config.json").read_text())
        written(folder / "transformer_2" / "model.safetensors", weights)
        index = json.loads((folder / "model_index.json").read_text())
        index |= {"transformer_2": ["diffusers", "WanTransformer3DModel"], "boundary_ratio": 0.875}
        (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def pairs(
    *layers: str, down: str = "transformer.{}.lora_A.weight", up: str = "transformer.{}.lora_B.weight", rank: int = RANK
) -> dict[str, tuple[int, ...]]:
    """A and B by key, for layers as `LAYERS` names them."""
    found: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        out, into = LAYERS[layer]
        found |= {down.format(layer): (rank, into), up.format(layer): (out, rank)}
    return found
