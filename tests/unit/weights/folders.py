"""Folders of the diffusers format without any library: real safetensors files of a few bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PARTS = {
    "tokenizer": ["transformers", "T5TokenizerFast"],
    "text_encoder": ["transformers", "UMT5EncoderModel"],
    "transformer": ["diffusers", "WanTransformer3DModel"],
    "vae": ["diffusers", "AutoencoderKLWan"],
    "scheduler": ["diffusers", "UniPCMultistepScheduler"],
}
CONFIGS: dict[str, dict[str, Any]] = {
    "transformer": {"in_channels": 16, "patch_size": [1, 2, 2]},
    "vae": {"z_dim": 16},
    "text_encoder": {},
}


def safetensors(**tensors: int) -> bytes:
    """A file of byte tensors by name and length."""
    header, at = {}, 0
    for name, length in tensors.items():
        header[name] = {"dtype": "U8", "shape": [length], "data_offsets": [at, at + length]}
        at += length
    written = json.dumps(header).encode()
    return len(written).to_bytes(8, "little") + written + bytes(at)


def wan_folder(folder: Path, **more: Any) -> Path:
    """What `wan2.1-t2v-1.3b` looks like from outside; `more` goes into model_index.json."""
    folder.mkdir(parents=True)
    index = {"_class_name": "WanPipeline", "_diffusers_version": "0.42.1", **PARTS, "transformer_2": [None, None]}
    (folder / "model_index.json").write_text(json.dumps({**index, **more}))
    for part in PARTS:
        (folder / part).mkdir()
    for part, config in CONFIGS.items():
        (folder / part / "config.json").write_text(json.dumps(config))
        (folder / part / "model.safetensors").write_bytes(safetensors(weight=8))
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    return folder
