"""Prompts as the transformer reads them."""

from __future__ import annotations

import html
from typing import Any

import ftfy
import torch

MOST_PIECES = 512
"""What the transformer was trained to read. The tokenizer cuts off the rest."""


def cleaned(prompt: str) -> str:
    """The prompt as the model saw its captions: broken encodings mended, entities resolved, white space single."""
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(prompt))).split())


def embedded(prompt: str, tokenizer: Any, text_encoder: Any, device: torch.device) -> torch.Tensor:
    """What the text encoder makes of `prompt`: (pieces, width), as many rows as the prompt has pieces.

    The transformer reads `MOST_PIECES` rows, zeros behind these (`padded`). A state keeps the short form. The encoder
    computes on `device`, wherever its weights wait.
    """
    read = tokenizer(
        [cleaned(prompt)],
        padding="max_length",
        max_length=MOST_PIECES,
        truncation=True,
        add_special_tokens=True,
        return_attention_mask=True,
        return_tensors="pt",
    )
    # The padding goes through the encoder too: its length moves the last bits of what comes out before it.
    hidden = text_encoder(read.input_ids.to(device), read.attention_mask.to(device)).last_hidden_state
    return hidden[0, : int(read.attention_mask.sum())].clone()


def padded(rows_PW: torch.Tensor) -> torch.Tensor:
    """(pieces, width) as (1, MOST_PIECES, width)."""
    rest = rows_PW.new_zeros(MOST_PIECES - rows_PW.shape[0], rows_PW.shape[1])
    return torch.cat([rows_PW, rest])[None]
