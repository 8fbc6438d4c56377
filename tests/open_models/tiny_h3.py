"""A tiny checkpoint of MiniMax-H3: random weights in the format that the library's own blocks save."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLMiniMaxH3,
    AutoencoderKLMiniMaxH3Audio,
    MiniMaxH3Scheduler,
    MiniMaxH3Transformer3DModel,
)
from diffusers.modular_pipelines.minimax_h3.modular_blocks_minimax_h3 import MiniMaxH3Blocks
from tiny_text import byte_level
from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

H3 = "MiniMaxH3ModularPipeline"
OLD_NORM = "ignore:.torch.nn.utils.weight_norm. is deprecated:FutureWarning"
"""A warning that the library earns for its sound decoder."""

MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
WIDTH, SOUND_WIDTH = 16, 4
SEEN = {"do_resize": True, "patch_size": 16, "temporal_patch_size": 2, "merge_size": 2}
SEEN |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
EDGE = 64
"""Pixels of the short edge that reference clips and images are brought to, in place of 768 and 2048."""


def built(folder: Path, seed: int = 0, *, wide: bool = False) -> Path:
    """Save a checkpoint in `folder`, and give the folder back; `wide` for one whose memory is counted."""
    torch.manual_seed(seed)
    pipe = pipeline(wide=wide)
    pipe.save_pretrained(str(folder), safe_serialization=True, overwrite_modular_index=True)
    _processor(folder, pipe.tokenizer)
    path = folder / "modular_model_index.json"
    index = json.loads(path.read_text())
    assert index["_class_name"] == H3
    index["processor"] = ["transformers", "Qwen3VLProcessor", index["processor"][2]]
    edges = {"canvas_short_edge": EDGE, "reference_image_short_edge": EDGE, "canvas_max_pixels": EDGE**2}
    path.write_text(json.dumps({**index, **edges}))
    return folder


def pipeline(*, wide: bool = False) -> Any:
    """All parts but the processor, which the library cannot build without torchvision."""
    times = 4 if wide else 1
    chatty = byte_level("$A", pad="<pad>", eos="</s>")
    chatty.add_special_tokens({"additional_special_tokens": list(MARKS)})
    pipe = MiniMaxH3Blocks().init_pipeline()
    pipe.update_components(
        tokenizer=chatty,
        text_encoder=_reader(chatty),
        transformer=_transformer(times),
        transformer_ref=_transformer(times),
        vae=AutoencoderKLMiniMaxH3(
            latent_channels=4,
            block_out_channels=(4 * times, 4 * times, 4 * times, 4 * times, 4 * times, 8),
            layers_per_block=1,
            norm_num_groups=2,
            decoder_num_layers=1,
            decoder_num_attention_heads=2 * times,
            decoder_attention_head_dim=8,
            decoder_ffn_mult=2,
            latents_mean=(0.1, -0.1, 0.2, 0.0),
            latents_std=(1.0, 1.5, 0.5, 1.0),
        ).eval(),
        audio_vae=AutoencoderKLMiniMaxH3Audio(
            encoder_dim=2,
            latent_dim=64,
            latent_channels=SOUND_WIDTH,
            num_attention_heads=2,
            decoder_dim=128,
            resblock_kernel_sizes=(3,),
            resblock_dilation_sizes=((1,),),
            latents_mean=[0.0, 0.1, -0.1, 0.2],
            latents_std=[1.0, 0.5, 1.5, 1.0],
        ).eval(),
        scheduler=MiniMaxH3Scheduler(shift=12.0),
        audio_scheduler=MiniMaxH3Scheduler(shift=3.0),
    )
    return pipe


def _transformer(times: int) -> Any:
    return MiniMaxH3Transformer3DModel(
        num_attention_heads=2 * times,
        attention_head_dim=8,
        hidden_size=16 * times,
        num_layers=2,
        num_refiner_layers=1,
        ffn_dim=24 if times == 1 else 192,
        in_channels=4,
        audio_in_channels=SOUND_WIDTH,
        text_dim=WIDTH,
        freq_dim=16,
        time_embed_hidden_dim=16,
        time_embed_dim=8,
        rope_freq_dim=1,
    ).eval()


def _reader(tokenizer: Any) -> Any:
    """A Qwen3-VL of 51 layers: what the transformer reads is its fiftieth."""
    start, end, image, video = (tokenizer.convert_tokens_to_ids(mark) for mark in MARKS)
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(
            text_config={
                "vocab_size": 512,
                "hidden_size": WIDTH,
                "intermediate_size": 16,
                "num_hidden_layers": 51,
                "num_attention_heads": 2,
                "num_key_value_heads": 1,
                "head_dim": 8,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": WIDTH,
                "num_position_embeddings": 16,
                "deepstack_visual_indexes": [0, 1],
            },
            image_token_id=image,
            video_token_id=video,
            vision_start_token_id=start,
            vision_end_token_id=end,
        )
    ).eval()


def _processor(folder: Path, tokenizer: Any) -> None:
    """As the library saves a Qwen3VLProcessor: a tokenizer and one file for both kinds of what is seen."""
    tokenizer.save_pretrained(str(folder / "processor"))
    said = {
        "processor_class": "Qwen3VLProcessor",
        "image_processor": {
            **SEEN,
            "image_processor_type": "Qwen2VLImageProcessor",
            "size": {"shortest_edge": 1024, "longest_edge": 1 << 24},
        },
        "video_processor": {
            **SEEN,
            "video_processor_type": "Qwen3VLVideoProcessor",
            "size": {"shortest_edge": 4096, "longest_edge": 25_165_824},
        },
    }
    (folder / "processor" / "processor_config.json").write_text(json.dumps(said))
