"""The parts of an LTX-2 checkpoint, loaded when they are needed."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2 import (
    LTX2LatentUpsamplerModel,
    LTX2TextConnectors,
    LTX2Vocoder,
    LTX2VocoderWithBWE,
)
from transformers import Gemma3ForConditionalGeneration, Gemma4UnifiedForConditionalGeneration

from rushes.models.components import Parts, network
from rushes.models.kept import KeptNetworks, Network
from rushes.models.ltx2.layout import GEMMA_3, GEMMA_4, UPSAMPLER, Layout
from rushes.models.parts import Residency, here_by_turns

READERS = {GEMMA_3: Gemma3ForConditionalGeneration, GEMMA_4: Gemma4UnifiedForConditionalGeneration}
VOCODERS = {"LTX2Vocoder": LTX2Vocoder, "LTX2VocoderWithBWE": LTX2VocoderWithBWE}


class Components(Parts):
    """What turns latents into frames and samples computes in float32."""

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        found = layout.checkpoint
        self._transformer = layout.transformer
        here = here_by_turns(int(found.config(layout.transformer)["num_layers"]))
        networks = {
            "text_encoder": Network(READERS[found.parts["text_encoder"]], dtype),
            "connectors": Network(LTX2TextConnectors, dtype),
            layout.transformer: Network(LTX2VideoTransformer3DModel, dtype, here=here),
            "vae": Network(AutoencoderKLLTX2Video, torch.float32),
            "audio_vae": Network(AutoencoderKLLTX2Audio, torch.float32),
            "vocoder": Network(VOCODERS[found.parts["vocoder"]], torch.float32),
            **({UPSAMPLER: Network(LTX2LatentUpsamplerModel, dtype)} if layout.enlarges else {}),
        }
        super().__init__(KeptNetworks(found, device, residency, networks), dtype)

    @property
    def transformer(self) -> Any:
        return self.kept.get(self._transformer)

    connectors = network("connectors")
    audio_vae = network("audio_vae")
    vocoder = network("vocoder")
    upsampler = network(UPSAMPLER)
    """Where the checkpoint has one (`Layout.enlarges`)."""
