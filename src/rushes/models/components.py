"""The parts of a checkpoint as an adapter asks for them: by name, loaded when they are needed."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from transformers import AutoTokenizer

from rushes.models.kept import KeptNetworks


def network(name: str) -> Any:
    """Of a class of parts the one that is kept as `name`; ask again instead of keeping it."""
    return property(lambda parts: parts.kept.get(name))


class Parts:
    """The parts, in evaluation mode on `device`; a family says what else it has, and in which numbers each computes.

    Errors  GenerationFailed, with the part at fault, wherever one is asked for.
    """

    def __init__(self, kept: KeptNetworks, dtype: torch.dtype) -> None:
        self.kept, self.device, self.dtype = kept, kept.device, dtype

    @cached_property
    def tokenizer(self) -> Any:
        return self.kept.folder.part("tokenizer", AutoTokenizer, trust_remote_code=False)

    def views(self, pieces: Any) -> tuple[tuple[torch.Tensor, ...], torch.Tensor]:
        """What each layer of the text encoder makes of `pieces`, and their mask."""
        mask = pieces.attention_mask.to(self.device)
        said = self.text_encoder(
            input_ids=pieces.input_ids.to(self.device),
            attention_mask=mask,
            output_hidden_states=True,
            logits_to_keep=1,  # it would also guess the next word at each of a thousand places: a gigabyte of guesses
        )
        return said.hidden_states, mask

    text_encoder = network("text_encoder")
    transformer = network("transformer")
    vae = network("vae")
