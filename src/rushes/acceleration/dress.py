"""Puts a plan on a loaded network, and takes it off again: its attention kernel, and how its blocks run."""

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
        worn = getattr(network, "worn", None)
        wanted = (self._how.attention, self._how.compiled, self._how.pieces, self._how.blocks)
        if worn == wanted:
            return
        # By name, on every network: the library's default is one for the whole process, which another model may move.
        network.set_attention_backend(self._how.attention)
        _compile(network, self._how.compiled)
        for block in repeated(network):
            (in_pieces if self._how.pieces > 1 else whole)(block, self._how.pieces)
        if self._how.blocks and not (worn and worn[-1]):
            _take_turns(network)
        network.worn = wanted


def repeated(network: Any) -> Iterator[Any]:
    """The blocks that the network has many of."""
    names = set(getattr(network, "_repeated_blocks", None) or ())
    yield from (module for module in network.modules() if type(module).__name__ in names)


def _compile(network: Any, wanted: bool) -> None:
    """Compile each repeated block, or go back to its plain code. What was compiled is kept for the next time."""
    for block in repeated(network):
        compiled = getattr(block, "kept_compiled", None)
        if wanted and compiled is None:
            block.compile(fullgraph=True, recompile_limit=VARIANTS)
            object.__setattr__(block, "kept_compiled", block._compiled_call_impl)
        else:
            block._compiled_call_impl = compiled if wanted else None


def _take_turns(network: Any) -> None:
    """Blocks stay in the host's memory, and come to the device for as long as they work, the next one meanwhile."""
    import torch

    network.enable_group_offload(
        onload_device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=torch.cuda.is_available(),
    )
