"""The parts of a Kandinsky 6 checkpoint, loaded when they are needed."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from diffusers import (
    AutoencoderKLHunyuanVideo,
    Kandinsky6SRLatentUpscalerBank,
    Kandinsky6SRTransformer3DModel,
    Kandinsky6SRVAE,
    Kandinsky6Transformer3DModel,
    MMAudioVAE,
    MMAudioVocoder,
)
from transformers import AutoTokenizer, CLIPTextModel, Qwen2_5_VLForConditionalGeneration

from rushes.models.components import Parts, network
from rushes.models.kandinsky6.enlarger import Enlarger
from rushes.models.kandinsky6.nabla import by_blocks
from rushes.models.kept import KeptNetworks, Network
from rushes.models.parts import Residency, here_by_turns
from rushes.weights.checkpoint import Checkpoint

FLOAT32 = ("time_embeddings", "modulation")
"""9 GB more of the large transformer."""


class Components(Parts):
    """What turns latents into samples computes in float32. What turns them into frames does not: a stretch of them at
    the size that it was trained at would take 33 GB.

    The tokenizer is the text's alone: the processor that it is published in also reads films, and wants torchvision.
    """

    def __init__(self, found: Checkpoint, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        here = here_by_turns(int(found.config("transformer")["num_visual_blocks"]))
        networks = {
            "text_encoder": Network(Qwen2_5_VLForConditionalGeneration, dtype),
            "text_encoder_2": Network(CLIPTextModel, dtype),
            "transformer": Network(Kandinsky6Transformer3DModel, dtype, here, FLOAT32),
            "vae": Network(AutoencoderKLHunyuanVideo, dtype),
            "audio_vae": Network(MMAudioVAE, torch.float32),
            "vocoder": Network(MMAudioVocoder, torch.float32),
        }
        super().__init__(KeptNetworks(found, device, residency, networks), dtype)

    @cached_property
    def tokenizer_2(self) -> Any:
        return self.kept.folder.part("tokenizer_2", AutoTokenizer, trust_remote_code=False)

    text_encoder_2 = network("text_encoder_2")
    audio_vae = network("audio_vae")
    vocoder = network("vocoder")


class EnlargingComponents:
    """The parts of the second stage. None of them takes turns by blocks: together they are smaller than the first's."""

    def __init__(self, enlarger: Enlarger, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        networks = {
            "transformer": Network(Kandinsky6SRTransformer3DModel, dtype, float32=(*FLOAT32, "pooled_bias")),
            "vae": Network(Kandinsky6SRVAE, dtype),
            "latent_upscaler": Network(Kandinsky6SRLatentUpscalerBank, dtype),
        }
        self.enlarger, self.dtype = enlarger, dtype
        self.kept = KeptNetworks(enlarger.checkpoint, device, residency, networks)
        self.kept.dress = by_blocks

    transformer = network("transformer")
    vae = network("vae")
    latent_upscaler = network("latent_upscaler")
