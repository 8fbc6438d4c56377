"""Checkpoints of the Wan family that are complete and tiny: random weights in the real folder format, built here.

`built(kind, folder)` saves one. They are made from configurations alone: nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from tiny_text import T5, T5_WIDTH, t5_tokenizer
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    CLIPVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)

SEEN_WIDTH = 16

TEXT = "text"
EXPERTS = "text, by two experts"
TEXT_OR_FIRST = "text or first frame"
FIRST_SEEN = "first frame"
FIRST_AND_LAST = "first and last frame"
FIRST_EXPERTS = "first or first and last frame, by two experts"
ANY = "any frames"

KINDS = (TEXT, EXPERTS, TEXT_OR_FIRST, FIRST_SEEN, FIRST_AND_LAST, FIRST_EXPERTS, ANY)


def built(kind: str, folder: Path, *, scheduler: str = "unipc", seed: int = 0) -> Path:
    """Save a checkpoint of `kind` in `folder`, and give the folder back."""
    torch.manual_seed(seed)
    # Saved as they are published: in the library's own format, by the pipeline that it belongs to.
    pipeline(kind, scheduler).save_pretrained(folder, safe_serialization=True)
    return folder


def pipeline(kind: str, scheduler: str = "unipc") -> Any:
    shared: dict[str, Any] = {
        "tokenizer": t5_tokenizer(),
        "text_encoder": text_encoder(),
        "vae": wide_vae() if kind == TEXT_OR_FIRST else vae(),
        "scheduler": SCHEDULERS[scheduler](),
    }
    match kind:
        case "text":
            return WanPipeline(**shared, transformer=transformer())
        case "text, by two experts":
            return WanPipeline(**shared, transformer=transformer(), transformer_2=transformer(), boundary_ratio=0.875)
        case "text or first frame":
            return WanPipeline(**shared, transformer=transformer(48, 48), expand_timesteps=True)
        case "any frames":
            return WanVACEPipeline(**shared, transformer=control_transformer())
    if kind == FIRST_EXPERTS:
        experts = {"transformer": transformer(36), "transformer_2": transformer(36)}
        return WanImageToVideoPipeline(
            **shared, **experts, boundary_ratio=0.9, image_encoder=None, image_processor=None
        )
    seen: dict[str, Any] = {"image_dim": SEEN_WIDTH, "added_kv_proj_dim": 32}
    if kind == FIRST_AND_LAST:
        seen["pos_embed_seq_len"] = 2 * (1 + (224 // 32) ** 2)
    return WanImageToVideoPipeline(
        **shared,
        transformer=transformer(36, **seen),
        image_encoder=image_encoder(),
        image_processor=CLIPImageProcessor(),
    )


SCHEDULERS = {
    "unipc": lambda: UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    ),
    "euler": lambda: FlowMatchEulerDiscreteScheduler(shift=5.0),
}


def transformer(in_channels: int = 16, out_channels: int = 16, **more: Any) -> WanTransformer3DModel:
    return WanTransformer3DModel(in_channels=in_channels, out_channels=out_channels, **BLOCKS, **more)


def control_transformer() -> WanVACETransformer3DModel:
    return WanVACETransformer3DModel(
        in_channels=16, out_channels=16, **BLOCKS, vace_layers=[0, 2], vace_in_channels=2 * 16 + 64
    )


BLOCKS: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 16,
    "text_dim": T5_WIDTH,
    "freq_dim": 256,
    "ffn_dim": 32,
    "num_layers": 3,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 64,
}


def vae() -> AutoencoderKLWan:
    return AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )


def wide_vae() -> AutoencoderKLWan:
    """As TI2V-5B has it: 48 channels, 16 pixels to a place, two by two pixels folded into channels."""
    return AutoencoderKLWan(
        base_dim=3,
        z_dim=48,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        is_residual=True,
        in_channels=12,
        out_channels=12,
        patch_size=2,
        latents_mean=[0.01 * channel for channel in range(48)],
        latents_std=[1.0 + 0.01 * channel for channel in range(48)],
        scale_factor_spatial=16,
        scale_factor_temporal=4,
    )


def text_encoder() -> UMT5EncoderModel:
    return UMT5EncoderModel(UMT5Config(**T5)).eval()


def image_encoder() -> CLIPVisionModel:
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=SEEN_WIDTH,
            projection_dim=SEEN_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=224,
            patch_size=32,
        )
    ).eval()
