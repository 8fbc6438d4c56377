"""Tiny checkpoints of Kandinsky 6: random weights in the format that its stock pipeline saves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    FlowMatchEulerDiscreteScheduler,
    Kandinsky6SRLatentUpscalerBank,
    Kandinsky6SRPipeline,
    Kandinsky6SRTransformer3DModel,
    Kandinsky6SRVAE,
    Kandinsky6TI2VAPipeline,
    Kandinsky6Transformer3DModel,
    MMAudioVAE,
    MMAudioVocoder,
    PiflowScheduler,
)
from tiny_text import byte_level
from transformers import CLIPTextConfig, CLIPTextModel, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

KANDINSKY_6, DISTILLED = "Kandinsky 6", "Kandinsky 6, distilled"
CHANNELS, SOUND_CHANNELS, MELS = 4, 6, 8
TEXT_WIDTH, CLIP_WIDTH = 16, 24
GRID = 4
WIDTH, INNER, AXES = 16, 24, (2, 2, 4)  # of the transformer
PIXELS_WIDTH = 8  # of the autoencoder
FINE_CHANNELS, FINE_WIDTH, FINE_AXES = 4, 16, (2, 2, 4)  # of the second stage
FINE_ENCODER, FINE_DECODER = (4, 8, 8, 8), (4, 8, 8, 8)
FINE_UPSCALER = (16, 8, 4)
HOP = 512  # samples, as published; a latent of sound is two of them


def built(folder: Path, kind: str = KANDINSKY_6, seed: int = 0) -> Path:
    """Save a checkpoint of `kind` in `folder`, and give the folder back."""
    torch.manual_seed(seed)
    pipeline(kind).save_pretrained(folder, safe_serialization=True)
    index = folder / "model_index.json"
    said = json.loads(index.read_text())
    # As it is published: the text's tokenizer within a processor of pictures and films.
    said["tokenizer"] = ["transformers", "Qwen2_5_VLProcessor"]
    index.write_text(json.dumps(said, indent=2))
    return folder


def pipeline(kind: str) -> Any:
    said = GRID if kind == DISTILLED else 1
    return Kandinsky6TI2VAPipeline(
        transformer=transformer(said),
        vae=vae(),
        text_encoder=text_encoder(),
        tokenizer=byte_level("$A", pad="<pad>", eos="</s>"),
        text_encoder_2=text_encoder_2(),
        tokenizer_2=byte_level("<s> $A </s>", bos="<s>", eos="</s>", pad="<pad>"),
        scheduler=PiflowScheduler(n_grid=GRID) if kind == DISTILLED else FlowMatchEulerDiscreteScheduler(shift=5.0),
        audio_vae=MMAudioVAE(
            mel_bins=MELS,
            latent_channels=SOUND_CHANNELS,
            hidden_channels=8,
            channel_multipliers=(1, 2),
            layers_per_block=1,
            hop_length=HOP,
            scaling_factor=0.5302,
        ),
        vocoder=MMAudioVocoder(
            num_mels=MELS,
            upsample_initial_channel=64,
            upsample_rates=(8, 4, 2, 2, 2, 2),
            upsample_kernel_sizes=(16, 8, 4, 4, 4, 4),
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1, 3),),
        ),
    )


def transformer(said: int) -> Kandinsky6Transformer3DModel:
    """With the switches that are published; `said` predictions at once."""
    made = Kandinsky6Transformer3DModel(
        in_visual_dim=CHANNELS,
        out_visual_dim=said * CHANNELS,
        in_audio_dim=SOUND_CHANNELS,
        out_audio_dim=said * SOUND_CHANNELS,
        in_text_dim=TEXT_WIDTH,
        in_text_dim2=CLIP_WIDTH,
        time_dim=8,
        time_dim_a=8,
        patch_size=(1, 2, 2),
        model_dim=WIDTH,
        model_dim_a=WIDTH // 2,
        ff_dim=INNER,
        ff_dim_a=INNER // 2,
        num_text_blocks=1,
        num_visual_blocks=2,
        axes_dims=AXES,
        axes_dims_a=AXES,
        audio_freqs_scaling=0.144,
        text_token_padding=True,
        ca_rope=True,
        cross_gates=True,
        fix_modulation=True,
        visual_token_type_num_embeddings=2,
    )
    return made.eval()


def vae() -> AutoencoderKLHunyuanVideo:
    return AutoencoderKLHunyuanVideo(
        latent_channels=CHANNELS,
        block_out_channels=(PIXELS_WIDTH, PIXELS_WIDTH * 2, PIXELS_WIDTH * 4, PIXELS_WIDTH * 4),
        layers_per_block=1,
        norm_num_groups=4,
    ).eval()


def text_encoder() -> Qwen2_5_VLForConditionalGeneration:
    return Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 512,
                "hidden_size": TEXT_WIDTH,
                "intermediate_size": 4 * TEXT_WIDTH,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "rope_scaling": {
                    "mrope_section": [TEXT_WIDTH // 16, TEXT_WIDTH // 16, TEXT_WIDTH // 8],
                    "rope_type": "default",
                    "type": "default",
                },
                "rope_theta": 1_000_000.0,
                "pad_token_id": 0,
                "eos_token_id": 1,
                "bos_token_id": 0,
            },
            vision_config={
                "depth": 1,
                "hidden_size": 8,
                "intermediate_size": 8,
                "num_heads": 1,
                "out_hidden_size": TEXT_WIDTH,
                "fullatt_block_indexes": [0],
            },
        )
    ).eval()


def text_encoder_2() -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=512,
            hidden_size=CLIP_WIDTH,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
        )
    ).eval()


def with_enlarger(folder: Path, seed: int = 0, *, distilled: bool = True, **more: Any) -> Path:
    """Put the super-resolution of its makers beside a checkpoint, as an operator does, and give the folder back."""
    torch.manual_seed(seed)
    enlarger(distilled, **more).save_pretrained(folder / "super_resolution", safe_serialization=True)
    return folder


def enlarger(distilled: bool, **more: Any) -> Any:
    said = GRID if distilled else 1
    transformer = {
        "in_visual_dim": FINE_CHANNELS,
        "out_visual_dim": said * FINE_CHANNELS,
        "time_dim": 8,
        "model_dim": FINE_WIDTH,
        "ff_dim": 4 * FINE_WIDTH,
        "num_visual_blocks": 2,
        "axes_dims": FINE_AXES,
        "nabla_window": (1, 1, 1),
        "nabla_threshold": 0.6,
        "tile_sizes": ((64, 64), (64, 128), (128, 64)),
        **more,
    }
    return Kandinsky6SRPipeline(
        transformer=Kandinsky6SRTransformer3DModel(**transformer).eval(),
        vae=Kandinsky6SRVAE(
            latent_channels=FINE_CHANNELS,
            encoder_block_out_channels=FINE_ENCODER,
            decoder_block_out_channels=FINE_DECODER,
            layers_per_block=1,
        ).eval(),
        latent_upscaler=Kandinsky6SRLatentUpscalerBank(
            in_channels=FINE_CHANNELS,
            stage_channels=FINE_UPSCALER,
            num_pre_blocks=1,
            num_mid_blocks=1,
            num_post_blocks=1,
            num_x2_adapter_blocks=1,
        ).eval(),
        scheduler=PiflowScheduler(n_grid=GRID) if distilled else FlowMatchEulerDiscreteScheduler(shift=5.0),
    )
