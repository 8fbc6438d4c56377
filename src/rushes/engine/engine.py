"""The loop that every clip of every model runs through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.events import Observer, Progress
from rushes.contract.request import ResolvedRequest
from rushes.errors import Unavailable
from rushes.models.adapter import AnyAdapter, Chunk

DENOISED = 0.85  # where the bar stands when the last step is taken; decoding streams into the file from there
DECODED = 0.98


class Engine:
    """Makes clips, one at a time, and keeps the models it has loaded."""

    def __init__(self, adapters: Mapping[str, AnyAdapter] | None = None) -> None:
        """`adapters` are models already loaded, by dotted name; the others load at their first clip."""
        self._adapters = dict(adapters or {})

    def generate(self, request: ResolvedRequest, card: Card, observe: Observer) -> tuple[Native, Iterator[Chunk]]:
        """Make the clip of `request` with the model of `card`: its native shape, and its chunks as they are decoded.

        Denoising is done when this returns; decoding happens while the iterator is read.

        Errors  Unavailable when the model cannot be loaded; whatever `observe` raises, between two steps or chunks.
        """
        observe(Progress("loading"))
        adapter = self.adapter(card)
        observe(Progress("encoding"))
        native = adapter.native(request)
        state = adapter.prepare(adapter.encode(request), request.seed)
        while state.index < state.num_steps:
            observe(Progress("denoising", state.index, state.num_steps, DENOISED * state.index / state.num_steps))
            state = adapter.step(state, state.index)
        observe(Progress("denoising", state.num_steps, state.num_steps, DENOISED))
        return native, _decoded(adapter, state, native.num_frames, observe)

    def adapter(self, card: Card) -> AnyAdapter:
        """The loaded model of `card`; loads it at the first call."""
        if card.adapter not in self._adapters:
            self._adapters[card.adapter] = _load(card)
        return self._adapters[card.adapter]


def _decoded(adapter: AnyAdapter, state: Any, num_frames: int, observe: Observer) -> Iterator[Chunk]:
    done = 0
    for chunk in adapter.decode(state):
        observe(Progress("decoding", done, num_frames, DENOISED + (DECODED - DENOISED) * done / num_frames))
        yield chunk
        done += len(chunk.frames_THWC)
    observe(Progress("decoding", num_frames, num_frames, DECODED))


def _load(card: Card) -> AnyAdapter:
    module, _, name = card.adapter.partition(":")
    try:
        build = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as missing:
        raise Unavailable(f"the model {card.id} cannot be loaded: this installation has no {card.adapter}") from missing
    adapter: AnyAdapter = build()
    return adapter
