"""Token by token work done in pieces: the feed-forward, norms and projections never hold the whole clip's inner width.

Each token's numbers are the same sums; a kernel that splits a shorter matrix otherwise rounds them otherwise.
"""

from __future__ import annotations

from functools import cache
from typing import Any

BY_TOKEN = ("ffn", "ff", "norm1", "norm2", "norm3", "norm_q", "norm_k")
"""Parts of a block whose output for a token depends on that token alone."""


def in_pieces(block: Any, pieces: int) -> None:
    """Let the token-wise parts of `block` work through (batch, tokens, width) in `pieces`."""
    whole(block)
    for module in _by_token(block):
        # Another class, and not another method of this one object: a compiler has code by class, one for all blocks.
        kind: Any = type(module)
        module.__class__, module.pieces = _in_pieces(kind), pieces


def whole(block: Any, pieces: int = 1) -> None:
    """Take `in_pieces` off again."""
    for module in _by_token(block):
        if "pieces" in module.__dict__:
            module.__class__ = type(module).__mro__[1]
            del module.pieces


def _by_token(block: Any) -> list[Any]:
    return [module for name, module in block.named_modules() if name.rpartition(".")[2] in BY_TOKEN]


@cache
def _in_pieces(kind: Any) -> Any:
    def forward(self: Any, tokens_BTW: Any) -> Any:
        count = tokens_BTW.shape[1]
        size = -(-count // self.pieces)
        made = None
        for start in range(0, count, size):
            piece = kind.forward(self, tokens_BTW[:, start : start + size])
            if made is None:
                made = piece.new_empty(tokens_BTW.shape[0], count, *piece.shape[2:])
            made[:, start : start + size] = piece
        return made

    return type(kind.__name__, (kind,), {"forward": forward})
