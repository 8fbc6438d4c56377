"""Checkpoints of Kandinsky 6 as large as they are published, without a weight: headers before empty space.

The numbers are those of the published configurations, as others copied them; the counts at the end hold them to what
others counted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from diffusers import (
    AutoencoderKLHunyuanVideo,
    Kandinsky6SRLatentUpscalerBank,
    Kandinsky6SRTransformer3DModel,
    Kandinsky6SRVAE,
    Kandinsky6Transformer3DModel,
    MMAudioVAE,
    MMAudioVocoder,
)
from published import outlined, shapes_of, written
from transformers import CLIPTextConfig, CLIPTextModel, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

LITE: dict[str, Any] = {
    "in_visual_dim": 16,
    "out_visual_dim": 16,
    "in_audio_dim": 40,
    "out_audio_dim": 40,
    "in_text_dim": 3584,
    "in_text_dim2": 768,
    "patch_size": [1, 2, 2],
    "model_dim": 1792,
    "model_dim_a": 896,
    "ff_dim": 7168,
    "ff_dim_a": 3584,
    "time_dim": 512,
    "time_dim_a": 512,
    "axes_dims": [16, 24, 24],
    "axes_dims_a": [16, 24, 24],
    "num_text_blocks": 2,
    "num_visual_blocks": 32,
    "audio_freqs_scaling": 0.144,
    "visual_cond": True,
    "visual_token_type_num_embeddings": 2,
    "text_token_padding": True,
    "ca_rope": True,
    "cross_gates": True,
    "fix_modulation": True,
}
PRO = {
    **LITE,
    "model_dim": 4096,
    "model_dim_a": 2048,
    "ff_dim": 16384,
    "ff_dim_a": 7168,
    "time_dim": 1024,
    "time_dim_a": 1024,
    "axes_dims": [32, 48, 48],
    "axes_dims_a": [32, 48, 48],
    "num_text_blocks": 4,
    "num_visual_blocks": 60,
}
GRID = {"out_visual_dim": 160, "out_audio_dim": 400}
"""Of a distilled one: ten predictions at once."""
TRANSFORMERS = {
    "kandinsky-6-lite": LITE,
    "kandinsky-6-lite-distilled": {**LITE, **GRID},
    "kandinsky-6-pro": PRO,
    "kandinsky-6-pro-distilled": {**PRO, **GRID},
}
"""By the card's id."""

_QWEN: dict[str, Any] = {
    "text_config": {
        "vocab_size": 152064,
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    },
    "vision_config": {
        "depth": 32,
        "hidden_size": 1280,
        "intermediate_size": 3420,
        "num_heads": 16,
        "out_hidden_size": 3584,
    },
    "tie_word_embeddings": False,
}
_CLIP = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_VAE = {"latent_channels": 16, "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2}


def built(id: str, folder: Path) -> Path:
    """The checkpoint of the card `id` in `folder`, which is given back."""
    distilled = "PiflowScheduler" if id.endswith("-distilled") else "FlowMatchEulerDiscreteScheduler"
    parts: dict[str, tuple[str, str, dict[str, Any]]] = {
        "text_encoder": ("transformers", "Qwen2_5_VLForConditionalGeneration", _QWEN),
        "text_encoder_2": ("transformers", "CLIPTextModel", _CLIP),
        "transformer": ("diffusers", "Kandinsky6Transformer3DModel", TRANSFORMERS[id]),
        "vae": ("diffusers", "AutoencoderKLHunyuanVideo", _VAE),
        "audio_vae": ("diffusers", "MMAudioVAE", {}),
        "vocoder": ("diffusers", "MMAudioVocoder", {}),
    }
    index: dict[str, Any] = {
        "_class_name": "Kandinsky6TI2VAPipeline",
        "tokenizer": ["transformers", "Qwen2_5_VLProcessor"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", distilled],
    }
    written(folder, index, parts, shapes)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"shift": 5.0}), "utf-8")
    return folder


def with_enlarger(folder: Path) -> Path:
    """Put the super-resolution of its makers beside a checkpoint: its numbers are the library's own."""
    networks = {
        "transformer": "Kandinsky6SRTransformer3DModel",
        "vae": "Kandinsky6SRVAE",
        "latent_upscaler": "Kandinsky6SRLatentUpscalerBank",
    }
    index = {"_class_name": "Kandinsky6SRPipeline", "scheduler": ["diffusers", "PiflowScheduler"]}
    written(
        folder / "super_resolution", index, {name: ("diffusers", kind, {}) for name, kind in networks.items()}, shapes
    )
    (folder / "super_resolution" / "scheduler" / "scheduler_config.json").write_text("{}", "utf-8")
    return folder


@cache
def shapes(kind: str, said: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a network of this configuration, by name."""
    config = json.loads(said)
    networks: dict[str, Callable[[], Any]] = {
        "Qwen2_5_VLForConditionalGeneration": lambda: Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**config)),
        "CLIPTextModel": lambda: CLIPTextModel(CLIPTextConfig(**config)),
        "Kandinsky6Transformer3DModel": lambda: Kandinsky6Transformer3DModel.from_config(config),
        "AutoencoderKLHunyuanVideo": lambda: AutoencoderKLHunyuanVideo.from_config(config),
        "MMAudioVAE": lambda: MMAudioVAE.from_config(config),
        "MMAudioVocoder": lambda: MMAudioVocoder.from_config(config),
        "Kandinsky6SRTransformer3DModel": lambda: Kandinsky6SRTransformer3DModel.from_config(config),
        "Kandinsky6SRVAE": lambda: Kandinsky6SRVAE.from_config(config),
        "Kandinsky6SRLatentUpscalerBank": lambda: Kandinsky6SRLatentUpscalerBank.from_config(config),
    }
    return shapes_of(outlined(networks[kind]))


def transformer(id: str) -> dict[str, tuple[int, ...]]:
    """The tensors of the transformer of the card `id`, by name."""
    return shapes("Kandinsky6Transformer3DModel", json.dumps(TRANSFORMERS[id]))
