"""Token by token work done in pieces: the feed-forward, norms and projections never hold the whole clip's inner width.

Each token's numbers are the same sums; a kernel that splits a shorter matrix otherwise rounds them otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

BY_TOKEN = ("ffn", "ff", "norm1", "norm2", "norm3", "norm_q", "norm_k")
"""Parts of a block whose output for a token depends on that token alone."""


def in_pieces(block: Any, pieces: int) -> None:
    """Let the token-wise parts of `block` work through (batch, tokens, width) in `pieces`."""
    for module in _by_token(block):
        module.forward = _InPieces(partial(type(module).forward, module), pieces)


def whole(block: Any, pieces: int = 1) -> None:
    """Take `in_pieces` off again."""
    for module in _by_token(block):
        module.__dict__.pop("forward", None)


def _by_token(block: Any) -> list[Any]:
    return [module for name, module in block.named_modules() if name.rpartition(".")[2] in BY_TOKEN]


class _InPieces:
    def __init__(self, forward: Callable[[Any], Any], pieces: int) -> None:
        self._forward, self._pieces = forward, pieces

    def __call__(self, tokens_BTW: Any) -> Any:
        count = tokens_BTW.shape[1]
        size = -(-count // self._pieces)
        made = None
        for start in range(0, count, size):
            piece = self._forward(tokens_BTW[:, start : start + size])
            if made is None:
                made = piece.new_empty(tokens_BTW.shape[0], count, *piece.shape[2:])
            made[:, start : start + size] = piece
        return made
