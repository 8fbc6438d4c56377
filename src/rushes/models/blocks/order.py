"""A model's blocks, taken apart at the loop: what reads the words, what draws the noise, the loop, and what decodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from diffusers.modular_pipelines.modular_pipeline import (
    ConditionalPipelineBlocks,
    LoopSequentialPipelineBlocks,
    PipelineState,
    SequentialPipelineBlocks,
)

from rushes.models.blocks.layout import BLOCKS


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """Blocks in the order in which they run; `loop` is left to us, step by step."""

    words: tuple[Any, ...]
    start: tuple[Any, ...]
    loop: Any
    end: tuple[Any, ...]

    @property
    def kept(self) -> frozenset[str]:
        """Names of what a clip has to remember between two steps: what the loop and the blocks behind it read."""
        return frozenset(value.name for block in (self.loop, *self.end) for value in block.inputs if value.name)


def blocks_of(pipeline: str) -> Any:
    """The library's blocks for the pipeline that a folder names."""
    module, _, name = BLOCKS[pipeline].blocks.partition(":")
    return getattr(import_module(f"diffusers.modular_pipelines.{module}"), name)()


def taken_apart(blocks: Any, given: Mapping[str, Any]) -> Order:
    """The order of `blocks`, of whose top blocks one holds the loop; what is `given` decides between ways."""
    top = list(blocks.sub_blocks.values())
    core = next(at for at, block in enumerate(top) if any(map(_is_loop, _leaves([block], given))))
    inner = list(_leaves([top[core]], given))
    at = next(at for at, block in enumerate(inner) if _is_loop(block))
    return Order(
        words=tuple(_leaves(top[:core], given)),
        start=tuple(inner[:at]),
        loop=inner[at],
        end=(*inner[at + 1 :], *_leaves(top[core + 1 :], given)),
    )


def begun(blocks: Any, given: Mapping[str, Any]) -> PipelineState:
    """The state that the first block meets: what is `given`, and defaults for the rest."""
    state = PipelineState()
    for value in blocks.inputs:
        if value.name is not None:
            state.set(value.name, given.get(value.name, value.default), value.kwargs_type)
    return state


def passed(blocks: Iterable[Any], pipe: Any, state: PipelineState) -> PipelineState:
    """`state` after each of `blocks`, which write into it."""
    for block in blocks:
        _, state = block(pipe, state)
    return state


def _leaves(blocks: Iterable[Any], given: Mapping[str, Any]) -> Iterator[Any]:
    for block in blocks:
        if isinstance(block, SequentialPipelineBlocks):
            yield from _leaves(block.sub_blocks.values(), given)
        elif isinstance(block, ConditionalPipelineBlocks):
            asked = {name: given.get(name) for name in block.block_trigger_inputs if name is not None}
            way = block.select_block(**asked) or block.default_block_name
            yield from _leaves([block.sub_blocks[way]] if way else [], given)
        else:
            yield block


def _is_loop(block: Any) -> bool:
    return isinstance(block, LoopSequentialPipelineBlocks)
