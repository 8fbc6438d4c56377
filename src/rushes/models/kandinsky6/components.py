"""The parts of a Kandinsky 6 checkpoint, loaded when they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from diffusers import AutoencoderKLHunyuanVideo, Kandinsky6Transformer3DModel, MMAudioVAE, MMAudioVocoder
from transformers import AutoTokenizer, CLIPTextModel, Qwen2_5_VLForConditionalGeneration

from rushes.models.kandinsky6.layout import Layout
from rushes.models.kandinsky6.memory import part_bytes
from rushes.models.kept import KeptNetworks, Network
from rushes.models.parts import ATTENTION, Residency, here_by_turns

TIED = frozenset({"lm_head.weight", "model.language_model.embed_tokens.weight"})
"""One of the two may be in the file, and the other is the same tensor."""


class _Kept(KeptNetworks):
    @cached_property
    def sizes(self) -> dict[str, int]:
        """With what the library keeps in float32 of the transformer, which is 9 GB more of the large one."""
        transformer = part_bytes(self._files("transformer"), self.kinds["transformer"].dtype.itemsize)
        return {**super().sizes, "transformer": transformer}


class Components:
    """The parts, in evaluation mode on `device`. A residency keeps them, which may give one up for another.

    What turns latents into samples computes in float32. What turns them into frames does not: a stretch of them at the
    size that it was trained at would take 33 GB.
    Errors  GenerationFailed, with the part at fault, wherever one is asked for.
    """

    def __init__(self, layout: Layout, device: torch.device, dtype: torch.dtype, residency: Residency) -> None:
        self.device, self.dtype = device, dtype
        self.dress: Callable[[Any], None] = lambda network: network.set_attention_backend(ATTENTION)
        """Shown the transformer before it works: whoever accelerates it sets this."""
        here = here_by_turns(int(layout.checkpoint.config("transformer")["num_visual_blocks"]))
        self.kept = _Kept(
            layout.checkpoint,
            device,
            residency,
            {
                "text_encoder": Network(Qwen2_5_VLForConditionalGeneration, dtype, TIED),
                "text_encoder_2": Network(CLIPTextModel, dtype),
                "transformer": Network(Kandinsky6Transformer3DModel, dtype, here=here),
                "vae": Network(AutoencoderKLHunyuanVideo, dtype),
                "audio_vae": Network(MMAudioVAE, torch.float32),
                "vocoder": Network(MMAudioVocoder, torch.float32),
            },
        )

    @cached_property
    def tokenizer(self) -> Any:
        """The text's alone: the processor that it is published in also reads films, for which it wants torchvision."""
        return self.kept.folder.part("tokenizer", AutoTokenizer, trust_remote_code=False)

    @cached_property
    def tokenizer_2(self) -> Any:
        return self.kept.folder.part("tokenizer_2", AutoTokenizer, trust_remote_code=False)

    @property
    def text_encoder(self) -> Any:
        return self.kept.get("text_encoder")

    @property
    def text_encoder_2(self) -> Any:
        return self.kept.get("text_encoder_2")

    @property
    def transformer(self) -> Any:
        """Dressed for work."""
        network = self.kept.get("transformer")
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
