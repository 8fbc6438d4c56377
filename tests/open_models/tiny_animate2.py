"""A tiny checkpoint of Wan-Animate-2: random weights in the format that the library's own blocks save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler, WanAnimate2Transformer3DModel
from diffusers.modular_pipelines.wan_animate_2.modular_blocks_wan_animate_2 import WanAnimate2Blocks
from diffusers.modular_pipelines.wan_animate_2.modular_blocks_wan_animate_2_distilled import WanAnimate2DistilledBlocks
from tiny_text import T5_WIDTH, t5_tokenizer
from tiny_wan import text_encoder, vae
from transformers import CLIPVisionConfig, CLIPVisionModel

BASE, DISTILLED = "WanAnimate2ModularPipeline", "WanAnimate2DistilledModularPipeline"
UNCOMPILED = "ignore:flex_attention called without torch.compile:UserWarning"
"""A warning that the library earns on a CPU, where nothing is gained by compiling."""

OLD_ARRAYS = "ignore:__array__ implementation:DeprecationWarning"
"""Another, for how its scheduler turns tensors into arrays."""

SCHEDULERS = {
    "dpm": lambda: DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=5.0
    ),
    "euler": lambda: FlowMatchEulerDiscreteScheduler(shift=5.0),
}


def built(folder: Path, kind: str = BASE, scheduler: str = "dpm", seed: int = 0) -> Path:
    """Save a checkpoint whose index names `kind` in `folder`, and give the folder back."""
    torch.manual_seed(seed)
    pipeline(kind, scheduler).save_pretrained(str(folder), safe_serialization=True, overwrite_modular_index=True)
    assert json.loads((folder / "modular_model_index.json").read_text())["_class_name"] == kind
    return folder


def pipeline(kind: str = BASE, scheduler: str = "dpm") -> Any:
    pipe = (WanAnimate2Blocks() if kind == BASE else WanAnimate2DistilledBlocks()).init_pipeline()
    pipe.update_components(
        tokenizer=t5_tokenizer(),
        text_encoder=text_encoder(),
        # As wide as the transformer expects, which states no number for it.
        image_encoder=CLIPVisionModel(
            CLIPVisionConfig(
                hidden_size=1280,
                intermediate_size=8,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=224,
                patch_size=112,
            )
        ).eval(),
        # Ten layers: the pass without words leaves out the tenth.
        transformer=WanAnimate2Transformer3DModel(
            dim=24, ffn_dim=32, text_dim=T5_WIDTH, num_heads=2, num_layers=10
        ).eval(),
        vae=vae(),
        scheduler=SCHEDULERS[scheduler](),
    )
    return pipe
