"""Checkpoints as large as published of what runs by blocks, of Wan-Animate-2 and LTX-2: headers before empty space.

What has no weights, tokenizers and schedulers, is the tiny ones'. Where no number is said, a network has the library's
own defaults, which are those of what its makers published.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import published
import tiny_animate2
import tiny_blocks
import tiny_cosmos3
import tiny_ltx2
import torch
from diffusers import (
    AutoencoderKLHunyuanVideo15,
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    Cosmos3AVAEAudioTokenizer,
    Cosmos3OmniTransformer,
    HunyuanVideo15Transformer3DModel,
    LTX2VideoTransformer3DModel,
    LTXVideoTransformer3DModel,
    WanAnimate2Transformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Qwen2_5_VLTextConfig,
    Qwen2_5_VLTextModel,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from rushes.models.wan.chance import SIZES

_QWEN_7B = {
    "vocab_size": 152_064,
    "hidden_size": 3584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"},
}
_GEMMA_12B = {
    "text_config": {
        "vocab_size": 262_208,
        "hidden_size": 3840,
        "intermediate_size": 15_360,
        "num_hidden_layers": 48,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 256,
    },
    "vision_config": {
        "hidden_size": 1152,
        "intermediate_size": 4304,
        "num_hidden_layers": 27,
        "num_attention_heads": 16,
        "image_size": 896,
        "patch_size": 14,
    },
}
_GATED = {"feed_forward_proj": "gated-gelu"}
_T5_XXL = {"vocab_size": 32_128, "d_model": 4096, "d_ff": 10_240, "num_layers": 24, "num_heads": 64, **_GATED}
_BYT5_SMALL = {"vocab_size": 1510, "d_model": 1472, "d_ff": 3584, "num_layers": 12, "num_heads": 6, **_GATED}
_WIDE_VAE = SIZES["wan2.2-ti2v-5b"][1]
_SMALL_VAE = SIZES["wan2.1-t2v-14b"][1]
_UMT5 = SIZES["wan2.1-t2v-14b"][2]

Build = Callable[[], Any]
_HUNYUAN: dict[str, Build] = {
    "text_encoder": lambda: Qwen2_5_VLTextModel(Qwen2_5_VLTextConfig(**_QWEN_7B)),
    "text_encoder_2": lambda: T5EncoderModel(T5Config(**_BYT5_SMALL)),
    "transformer": lambda: HunyuanVideo15Transformer3DModel(task_type="t2v"),
    "vae": AutoencoderKLHunyuanVideo15,
}
NETWORKS: dict[str, dict[str, Build]] = {
    "hunyuanvideo-1.5-480p-t2v": _HUNYUAN,
    "hunyuanvideo-1.5-720p-t2v": _HUNYUAN,
    "ltx-video-2b": {
        "text_encoder": lambda: T5EncoderModel(T5Config(**_T5_XXL)),
        "transformer": LTXVideoTransformer3DModel,
        "vae": AutoencoderKLLTXVideo,
    },
    "cosmos3-nano": {
        "transformer": lambda: Cosmos3OmniTransformer(sound_gen=True, sound_dim=64, rope_axes_dim=[24, 20, 20]),
        "vae": lambda: AutoencoderKLWan.from_config(_WIDE_VAE),
        "sound_tokenizer": Cosmos3AVAEAudioTokenizer,
    },
    "ltx-2": {
        "text_encoder": lambda: Gemma3ForConditionalGeneration(Gemma3Config(**_GEMMA_12B)),
        "connectors": LTX2TextConnectors,
        "transformer": LTX2VideoTransformer3DModel,
        "vae": AutoencoderKLLTX2Video,
        "audio_vae": AutoencoderKLLTX2Audio,
        "vocoder": LTX2Vocoder,
    },
    "wan2.2-animate-2-14b": {
        "text_encoder": lambda: UMT5EncoderModel(UMT5Config(**_UMT5)),
        "image_encoder": lambda: CLIPVisionModel(CLIPVisionConfig(**published.CLIP_H)),
        "transformer": WanAnimate2Transformer3DModel,
        "vae": lambda: AutoencoderKLWan.from_config(_SMALL_VAE),
    },
}


def built(id: str, folder: Path) -> Path:
    """The checkpoint of the card `id` in `folder`, which is given back."""
    if id.startswith("hunyuan"):
        tiny_blocks.built(tiny_blocks.HUNYUAN_1_5, folder)
    elif id == "ltx-2":
        tiny_ltx2.built(tiny_ltx2.FIRST, folder)
    elif id.startswith("ltx"):
        tiny_blocks.built(tiny_blocks.LTX, folder)
    elif id.startswith("cosmos"):
        tiny_cosmos3.built(folder)
    else:
        tiny_animate2.built(folder)
    for part in NETWORKS[id]:
        shapes, said = network(id, part)
        for old in (folder / part).glob("*.safetensors"):
            old.unlink()
        (folder / part / "config.json").write_text(said, "utf-8")
        published.write(folder / part / "model.safetensors", shapes)
    return folder


@cache
def network(id: str, part: str) -> tuple[Mapping[str, tuple[int, ...]], str]:
    """The tensors of a part by name, and its configuration as it is written."""
    made = published.outlined(NETWORKS[id][part])
    said = made.config.to_json_string() if hasattr(made.config, "to_json_string") else json.dumps(dict(made.config))
    return published.shapes_of(made), said


def count(id: str, part: str) -> int:
    return sum(torch.Size(shape).numel() for shape in network(id, part)[0].values())
