"""Puts a plan on a loaded network, and takes it off again: its attention kernel, and how its blocks run.

Not whether they take turns on the device: such a network is a part of its own (`models/kept.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rushes.acceleration.pieces import in_pieces, whole
from rushes.models.parts import How

VARIANTS = 64
"""Of a block's code, which all blocks share: a pass of one prompt or two, held tokens or none, sizes that change. Torch
stops at eight of its own, with an error; a worker that makes LTX-2 clips of all kinds needs about twice that."""


class Dress:
    """What each denoiser is shown before it works. Costs nothing where it already wears what `how` says."""

    def __init__(self, how: How) -> None:
        self._how = how

    def __call__(self, network: Any) -> None:
        wanted = (self._how.attention, self._how.compiled, self._how.pieces)
        if getattr(network, "worn", None) == wanted:
            return
        # By name, on every network: the library's default is one for the whole process, which another model may move.
        network.set_attention_backend(self._how.attention)
        _compile(network, self._how.compiled, whole=not self._how.blocks)
        for block in repeated(network):
            (in_pieces if self._how.pieces > 1 else whole)(block, self._how.pieces)
        network.worn = wanted


def repeated(network: Any) -> Iterator[Any]:
    """The blocks that the network has many of."""
    names = set(getattr(network, "_repeated_blocks", None) or ())
    yield from (module for module in network.modules() if type(module).__name__ in names)


def _compile(network: Any, wanted: bool, *, whole: bool) -> None:
    """Compile each repeated block, or go back to its plain code. What was compiled is kept for the next time.

    Not the `whole` of one that visits the device: the library brings and takes it in code that it forbids to compile.
    """
    for block in repeated(network):
        compiled = getattr(block, "kept_compiled", None)
        if wanted and compiled is None:
            block.compile(fullgraph=whole, recompile_limit=VARIANTS)
            object.__setattr__(block, "kept_compiled", block._compiled_call_impl)
        else:
            block._compiled_call_impl = compiled if wanted else None
