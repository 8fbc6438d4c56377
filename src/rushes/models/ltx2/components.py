"""The parts of an LTX-2 checkpoint, loaded when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from diffusers import AutoencoderKLLTX2Audio, AutoencoderKLLTX2Video, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2 import (
    LTX2LatentUpsamplerModel,
    LTX2TextConnectors,
    LTX2Vocoder,
    LTX2VocoderWithBWE,
)
from transformers import AutoTokenizer, Gemma3ForConditionalGeneration, Gemma4UnifiedForConditionalGeneration

from rushes.models.kept import KeptNetworks, Network
from rushes.models.ltx2.layout import GEMMA_3, GEMMA_4, UPSAMPLER, Layout
from rushes.models.parts import ATTENTION, Residency, here_by_turns

READERS = {GEMMA_3: Gemma3ForConditionalGeneration, GEMMA_4: Gemma4UnifiedForConditionalGeneration}
VOCODERS = {"LTX2Vocoder": LTX2Vocoder, "LTX2VocoderWithBWE": LTX2VocoderWithBWE}
TIED = frozenset({"lm_head.weight", "model.language_model.embed_tokens.weight"})
"""One of the two is in the file, and the other is the same tensor."""


class Components:
    """The parts, in evaluation mode on `device`. A residency keeps them, which may give one up for another.

    What turns latents into frames and samples computes in float32.
    Errors  GenerationFailed, with the part at fault, wherever one is asked for.
    """

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        self.device, self.dtype, self.residency = device, dtype, residency
        self._transformer = layout.transformer
        self.dress: Callable[[Any], None] = lambda network: network.set_attention_backend(ATTENTION)
        """Shown the transformer before it works: whoever accelerates it sets this."""
        here = here_by_turns(int(layout.checkpoint.config(layout.transformer)["num_layers"]))
        self.kept = KeptNetworks(
            layout.checkpoint,
            device,
            residency,
            {
                "text_encoder": Network(READERS[layout.checkpoint.parts["text_encoder"]], dtype, TIED),
                "connectors": Network(LTX2TextConnectors, dtype),
                layout.transformer: Network(LTX2VideoTransformer3DModel, dtype, here=here),
                "vae": Network(AutoencoderKLLTX2Video, torch.float32),
                "audio_vae": Network(AutoencoderKLLTX2Audio, torch.float32),
                "vocoder": Network(VOCODERS[layout.checkpoint.parts["vocoder"]], torch.float32),
                **({UPSAMPLER: Network(LTX2LatentUpsamplerModel, dtype)} if layout.enlarges else {}),
            },
        )

    @cached_property
    def tokenizer(self) -> Any:
        return self.kept.folder.part("tokenizer", AutoTokenizer, trust_remote_code=False)

    @property
    def text_encoder(self) -> Any:
        return self.kept.get("text_encoder")

    @property
    def connectors(self) -> Any:
        network = self.kept.get("connectors")
        network.set_attention_backend(ATTENTION)  # as the plan does it for the transformer
        return network

    @property
    def transformer(self) -> Any:
        """Dressed for work."""
        network = self.kept.get(self._transformer)
        self.dress(network)
        return network

    @property
    def vae(self) -> Any:
        return self.kept.get("vae")

    @property
    def audio_vae(self) -> Any:
        return self.kept.get("audio_vae")

    @property
    def vocoder(self) -> Any:
        return self.kept.get("vocoder")

    @property
    def upsampler(self) -> Any:
        """Where the checkpoint has one (`Layout.enlarges`)."""
        return self.kept.get(UPSAMPLER)
