"""Prompts as the transformer reads them: piece by piece from one encoder, and the whole in one row from another."""

from __future__ import annotations

from diffusers.pipelines.kandinsky6.pipeline_kandinsky6_ti2va import (
    _CLIP_MAX_LENGTH,
    _PROMPT_TEMPLATE,
    _QWEN_CROP_START,
)
from torch import Tensor

from rushes.models.kandinsky6.components import Components

MOST_PIECES = 1024
"""Of a prompt, what is read of it. The tokenizer cuts off the rest."""


def read(prompt: str, parts: Components, name: str) -> dict[str, Tensor]:
    """What the encoders make of `prompt`, by name.

    `name`         (1, MOST_PIECES, width), a row for each piece
    `name.whole`   (1, width), one for all of it
    `name.counts`  (1, MOST_PIECES), which pieces are words; left out where all are, as attention then needs no mask
    """
    pieces = parts.tokenizer(
        [_PROMPT_TEMPLATE.format(prompt)],
        max_length=_QWEN_CROP_START + MOST_PIECES,
        truncation=True,
        padding="max_length",
        return_tensors="pt",
    )
    views, mask = parts.views(pieces)
    read = {name: views[-1][:, _QWEN_CROP_START:].to(parts.dtype)}
    counts = mask[:, _QWEN_CROP_START:].bool()
    if not counts.all():
        read[f"{name}.counts"] = counts
    words = parts.tokenizer_2(
        [prompt], max_length=_CLIP_MAX_LENGTH, truncation=True, padding="max_length", return_tensors="pt"
    )
    whole = parts.text_encoder_2(
        input_ids=words.input_ids.to(parts.device), attention_mask=words.attention_mask.to(parts.device)
    )
    read[f"{name}.whole"] = whole.pooler_output.to(parts.dtype)
    return read
