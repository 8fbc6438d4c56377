"""Checkpoints of stock video pipelines other than Wan's, complete and tiny: random weights in the real format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    CogVideoXDDIMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    HunyuanVideoPipeline,
    HunyuanVideoTransformer3DModel,
    LattePipeline,
    LatteTransformer3DModel,
    LTXPipeline,
    LTXVideoTransformer3DModel,
    MochiPipeline,
    MochiTransformer3DModel,
)
from tiny_text import T5, T5_WIDTH, t5_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, LlamaConfig, LlamaModel, T5Config, T5EncoderModel

COGVIDEOX, COGVIDEOX_FROM_PICTURE, LTX, HUNYUAN, MOCHI, LATTE = (
    "CogVideoXPipeline",
    "CogVideoXImageToVideoPipeline",
    "LTXPipeline",
    "HunyuanVideoPipeline",
    "MochiPipeline",
    "LattePipeline",
)


def built(kind: str, folder: Path, seed: int = 0) -> Path:
    """Save a checkpoint whose model_index.json names the pipeline `kind` in `folder`, and give the folder back."""
    torch.manual_seed(seed)
    BUILDERS[kind]().save_pretrained(folder, safe_serialization=True)
    return folder


def t5() -> T5EncoderModel:
    return T5EncoderModel(T5Config(**T5)).eval()


def cogvideox(pictures: bool = False) -> Any:
    kind = CogVideoXImageToVideoPipeline if pictures else CogVideoXPipeline
    return kind(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        transformer=CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=8 if pictures else 4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=T5_WIDTH,
            num_layers=1,
            sample_width=8,
            sample_height=8,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=226,
        ),
        vae=AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        scheduler=CogVideoXDDIMScheduler(),
    )


def ltx() -> Any:
    return LTXPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        transformer=LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=T5_WIDTH,
        ),
        vae=AutoencoderKLLTXVideo(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False, False, False, False, False),
            upsample_residual=(False, False, False, False),
            upsample_factor=(1, 1, 1, 1),
            timestep_conditioning=False,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


def hunyuan() -> Any:
    llama = LlamaModel(
        LlamaConfig(
            bos_token_id=0,
            eos_token_id=1,
            hidden_size=16,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=2,
            pad_token_id=0,
            vocab_size=512,
            max_position_embeddings=1024,
        )
    ).eval()
    clip = CLIPTextModel(
        CLIPTextConfig(
            bos_token_id=0,
            eos_token_id=1,
            hidden_size=8,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=2,
            pad_token_id=0,
            vocab_size=512,
            projection_dim=8,
        )
    ).eval()
    return HunyuanVideoPipeline(
        text_encoder=llama,
        tokenizer=t5_tokenizer(),
        text_encoder_2=clip,
        tokenizer_2=t5_tokenizer(),
        transformer=HunyuanVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=10,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=2,
            patch_size_t=1,
            guidance_embeds=True,
            text_embed_dim=16,
            pooled_projection_dim=8,
            rope_axes_dim=(2, 4, 4),
        ),
        vae=AutoencoderKLHunyuanVideo(
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            down_block_types=("HunyuanVideoDownBlock3D",) * 4,
            up_block_types=("HunyuanVideoUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            layers_per_block=1,
            act_fn="silu",
            norm_num_groups=4,
            scaling_factor=0.476986,
            spatial_compression_ratio=8,
            temporal_compression_ratio=4,
            mid_block_add_attention=True,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
    )


def mochi() -> Any:
    return MochiPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        transformer=MochiTransformer3DModel(
            patch_size=2,
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=2,
            pooled_projection_dim=16,
            in_channels=12,
            text_embed_dim=T5_WIDTH,
            time_embed_dim=4,
            activation_fn="swiglu",
            max_sequence_length=16,
        ),
        vae=AutoencoderKLMochi(
            latent_channels=12,
            out_channels=3,
            encoder_block_out_channels=(32, 32, 32, 32),
            decoder_block_out_channels=(32, 32, 32, 32),
            layers_per_block=(1, 1, 1, 1, 1),
            latents_mean=[0.0] * 12,
            latents_std=[1.0] * 12,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(),
    )


def latte() -> Any:
    return LattePipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(),
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            norm_num_groups=4,
        ),
        transformer=LatteTransformer3DModel(
            sample_size=8,
            video_length=8,
            num_layers=1,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=T5_WIDTH,
            in_channels=4,
            cross_attention_dim=24,
            out_channels=8,
            attention_bias=True,
            activation_fn="gelu-approximate",
            num_embeds_ada_norm=1000,
            norm_type="ada_norm_single",
            norm_elementwise_affine=False,
            norm_eps=1e-6,
        ),
        scheduler=DDIMScheduler(),
    )


BUILDERS = {
    COGVIDEOX: cogvideox,
    COGVIDEOX_FROM_PICTURE: lambda: cogvideox(pictures=True),
    LTX: ltx,
    HUNYUAN: hunyuan,
    MOCHI: mochi,
    LATTE: latte,
}
