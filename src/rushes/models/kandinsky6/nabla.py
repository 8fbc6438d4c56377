"""Attention of the second stage: each block of 64 tokens looks at those blocks that it has most to do with.

Which blocks these are, the library computes. The attention itself it leaves to a kernel that has to be compiled; where
it is not, all blocks are attended to, whatever was chosen (a test in tests/open_models/test_kandinsky6_two_stages.py).
Here torch's own kernel does it, with the choice as a mask, some rows at a time: the same on every device.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.transformers.transformer_kandinsky6_sr import apply_rotary, nabla_block_mask
from torch import Tensor
from torch.nn.functional import rms_norm, scaled_dot_product_attention

SIDE = 64  # tokens to a block
MASKED = 1 << 28
"""Numbers of a mask at a time, of all heads: 256 MB, and twice that as the kernel takes it."""


class Nabla:
    """A processor of the attention in `Kandinsky6SRTransformer3DModel`."""

    def __call__(self, attn: Any, hidden_states: Tensor, rotary_emb: Tensor, sparse_params: dict[str, Any]) -> Tensor:
        heads = attn.num_heads
        asks, answers, values = (
            part(hidden_states).unflatten(-1, (heads, -1)) for part in (attn.to_query, attn.to_key, attn.to_value)
        )
        asks = apply_rotary(normed(asks, attn.query_norm), rotary_emb).transpose(1, 2)
        answers = apply_rotary(normed(answers, attn.key_norm), rotary_emb).transpose(1, 2)
        chosen = chosen_blocks(asks, answers, sparse_params)
        seen = attended(asks, answers, values.transpose(1, 2), chosen)
        made: Tensor = attn.out_layer(seen.transpose(1, 2).flatten(2, 3))
        return made


NABLA = Nabla()


def normed(numbers: Tensor, norm: Any) -> Tensor:
    """What `norm` makes of them in float32; given its weight as it is, torch would warn and take a slower way."""
    return rms_norm(numbers.float(), norm.normalized_shape, norm.weight.float(), norm.eps).type_as(numbers)


def chosen_blocks(asks: Tensor, answers: Tensor, sparse_params: dict[str, Any]) -> Tensor:
    """Which blocks each block looks at: (B, heads, blocks, blocks). Both are (B, heads, tokens, width)."""
    listed = nabla_block_mask(asks, answers, sparse_params["sta_mask"], thr=sparse_params["threshold"], block_size=SIDE)
    order, counts = listed.full_kv_indices.long(), listed.full_kv_num_blocks
    among = torch.arange(order.shape[-1], device=order.device) < counts.unsqueeze(-1)
    return torch.zeros_like(among).scatter_(-1, order, among)


def attended(asks: Tensor, answers: Tensor, values: Tensor, chosen: Tensor) -> Tensor:
    """Attention of each block to its `chosen` ones. All (B, heads, tokens, width) as what comes of it."""
    batch, heads, tokens, _ = asks.shape
    blocks = max(1, MASKED // (batch * heads * tokens * SIDE))
    seen = torch.empty_like(values)
    for first in range(0, chosen.shape[2], blocks):
        rows = slice(first * SIDE, (first + blocks) * SIDE)
        mask = chosen[:, :, first : first + blocks].repeat_interleave(SIDE, 2).repeat_interleave(SIDE, 3)
        seen[:, :, rows] = scaled_dot_product_attention(asks[:, :, rows], answers, values, attn_mask=mask)
    return seen


def by_blocks(transformer: Any) -> None:
    """Let `transformer` attend so: once, for the library writes a line for each time."""
    if getattr(transformer, "worn", None) is not NABLA:
        for block in transformer.visual_transformer_blocks:
            block.self_attention.set_processor(NABLA)
        transformer.worn = NABLA
