"""HunyuanVideo 1.5 without what only pads its words: fewer tokens, and no mask of every pair of them.

The library pads a prompt to 1,000 pieces, letters to 256, and a picture that is not there to 729, and hides them behind
a mask that takes bytes for each pair of tokens. What is hidden changes nothing: docs/decisions/0026.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import product
from typing import Any

import torch
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.embeddings import apply_rotary_emb

PICTURE = "image_embeds"


def without_padding(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the blocks made of the words, cut to the pieces that count: of one prompt, and of the negative one."""
    cut = dict(values)
    for negative, which in product(("", "negative_"), ("", "_2")):
        words, mask = f"{negative}prompt_embeds{which}", f"{negative}prompt_embeds_mask{which}"
        if cut.get(words) is not None:
            counts = cut[mask][0].bool()
            cut[words], cut[mask] = cut[words][:, counts], cut[mask][:, counts]
    return cut


def without_picture(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the picture that a clip from words does not have."""
    return {**values, PICTURE: values[PICTURE][:, :0]}


@contextmanager
def attending_to_all(network: Any) -> Iterator[None]:
    """Within it the blocks of `network` look at every token they are given, as is right for words without padding."""
    attends = [block.attn for block in network.transformer_blocks]
    before = [attention.processor for attention in attends]
    try:
        for attention, processor in zip(attends, before, strict=True):
            attention.processor = _unmasked(processor._attention_backend)
        yield
    finally:
        for attention, processor in zip(attends, before, strict=True):
            attention.processor = processor


class Unmasked:
    """Film and words look at each other: what the library's processor computes where its mask hides nothing."""

    _parallel_config = None

    def __init__(self, backend: Any) -> None:
        self._attention_backend = backend

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: Any = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        def heads(tokens: torch.Tensor, project: Any, norm: Any = None) -> torch.Tensor:
            split: torch.Tensor = project(tokens).unflatten(2, (attn.heads, -1))
            return split if norm is None else norm(split)

        film, words = hidden_states, encoder_hidden_states
        looks, seen = heads(film, attn.to_q, attn.norm_q), heads(film, attn.to_k, attn.norm_k)
        if image_rotary_emb is not None:
            looks = apply_rotary_emb(looks, image_rotary_emb, sequence_dim=1)
            seen = apply_rotary_emb(seen, image_rotary_emb, sequence_dim=1)
        looks = torch.cat([looks, heads(words, attn.add_q_proj, attn.norm_added_q)], dim=1)
        seen = torch.cat([seen, heads(words, attn.add_k_proj, attn.norm_added_k)], dim=1)
        told = torch.cat([heads(film, attn.to_v), heads(words, attn.add_v_proj)], dim=1)
        made = dispatch_attention_fn(looks, seen, told, backend=self._attention_backend).flatten(2, 3).to(looks.dtype)
        made_film, made_words = made.split([film.shape[1], words.shape[1]], dim=1)
        for layer in attn.to_out:
            made_film = layer(made_film)
        return made_film, attn.to_add_out(made_words)


@cache
def _unmasked(backend: Any) -> Unmasked:
    """One for all blocks and steps: what was compiled with another one would be compiled anew."""
    return Unmasked(backend)
