"""Prompts as the transformer reads them: one reading for the picture, one for the sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from rushes.models.ltx2.components import Components

MOST_PIECES = 1024
"""What the connectors were trained to read. The tokenizer cuts off the rest."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A row for each prompt: (prompts, MOST_PIECES, width), and which pieces count, (prompts, MOST_PIECES)."""

    picture_RPW: torch.Tensor
    sound_RPW: torch.Tensor
    counts_RP: torch.Tensor

    def last(self) -> Words:
        """The last prompt alone."""
        return Words(self.picture_RPW[-1:], self.sound_RPW[-1:], self.counts_RP[-1:])


def read(parts: Components, *groups: Sequence[str]) -> list[Words]:
    """What the text encoder and the connectors make of each group of prompts, in their order."""
    encoded = {prompt: _encoded(prompt, parts) for group in groups for prompt in group}
    found = []
    for group in groups:
        hidden, masks = zip(*(encoded[prompt] for prompt in group), strict=True)
        # A group's rows in one pass, as the reference has it; how many there are moves the last bits.
        found.append(Words(*parts.connectors(torch.cat(hidden), torch.cat(masks), padding_side="left")))
    return found


def _encoded(prompt: str, parts: Components) -> tuple[torch.Tensor, torch.Tensor]:
    """Every layer's view of the prompt, side by side, padded in front."""
    tokenizer = parts.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    pieces = tokenizer(
        [prompt.strip()],
        padding="max_length",
        max_length=MOST_PIECES,
        truncation=True,
        add_special_tokens=True,
        return_tensors="pt",
    )
    views, mask = parts.views(pieces)
    return torch.stack(views, dim=-1).flatten(2, 3).to(parts.text_encoder.dtype), mask
