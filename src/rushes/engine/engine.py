"""The loop that every clip of every model runs through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from rushes.acceleration.plan import Plan, planned
from rushes.acceleration.put_on import accelerate, device_of
from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.events import DENOISED, Interrupted, Observer, Progress
from rushes.contract.request import ResolvedRequest
from rushes.engine.checkpoint import Journal, format_of
from rushes.engine.preview import Preview
from rushes.engine.residency import KeptParts
from rushes.engine.work import READING, STEPS, Work, check_parts
from rushes.errors import Incomplete
from rushes.failpoints import failpoint
from rushes.models.adapter import NO_INPUTS, AnyAdapter, Chunk, Inputs
from rushes.models.parts import Resident

DECODED = 0.98


class Engine:
    """Makes clips, one at a time, and keeps the models it has loaded."""

    def __init__(self, adapters: Mapping[str, AnyAdapter] | None = None, residency: KeptParts | None = None) -> None:
        """`adapters` are models already loaded, by dotted name; the others load at their first clip."""
        self._adapters = dict(adapters or {})
        self._large = ""
        self._residency = residency or KeptParts()
        self._works: dict[str, Work] = {}

    def generate(
        self,
        request: ResolvedRequest,
        card: Card,
        observe: Observer,
        inputs: Inputs = NO_INPUTS,
        *,
        journal: Journal | None = None,
        preview: Preview | None = None,
    ) -> tuple[Native, Iterator[Chunk]]:
        """Make the clip of `request` with the model of `card`: its native shape, and its chunks as they are decoded.

        Denoising is done when this returns; decoding happens while the iterator is read. With a `journal`, the clip
        goes on from what an earlier attempt left there, and leaves its own state: now and then, and in any case when
        `observe` raises `Interrupted`. A `preview` looks at it between two steps.

        Errors  Unavailable when the model cannot be loaded; OutOfMemory where it needs more memory than there is;
                whatever `observe` raises, between two steps or chunks.
        """
        observe = self._told_of_loading(observe)
        observe(Progress("loading"))
        failpoint("loading")
        adapter = self.adapter(card)
        device = device_of(adapter)
        plan = planned(card, device, request.quality, changed=bool(request.loras)) if device is not None else None
        work = self._works[card.id] = Work(adapter, request, plan, self._residency)
        clip = _Clip(work, card, request, inputs, observe, journal)
        state = clip.start()
        while state.index < state.num_steps:
            clip.tell(state, _denoising(state))
            state = work.do(STEPS, partial(adapter.step, state, state.index))
            failpoint("step")
            clip.save(state)
            if preview is not None and not work.cramped:
                preview.look(adapter, state)
        clip.tell(state, _denoising(state))
        native = adapter.native(request)
        return native, clip.decoded(state, native.num_frames)

    def _told_of_loading(self, observe: Observer) -> Observer:
        """`observe`, which also hears that a part is being loaded, whenever that happens: it may take minutes."""
        last = Progress("loading")

        def observing(progress: Progress) -> None:
            nonlocal last
            last = progress
            observe(progress)

        self._residency.before_load = lambda: observe(replace(last, stage="loading"))
        return observing

    def adapter(self, card: Card) -> AnyAdapter:
        """The loaded model of `card`; loads it at the first call.

        Of the models with weights of their own that do not keep them in the residency, the last one stays: two rarely
        fit beside each other, or beside what the residency holds.
        """
        if card.weights is None:
            name = card.adapter
        else:
            name = f"{card.adapter} {card.id} {card.revision}"
            if name != self._large:
                self._adapters.pop(self._large, None)
                self._large = ""
                self._works.clear()  # they would hold on to it
        if name not in self._adapters:
            self._adapters[name] = adapter = _load(card, self._residency)
            if card.weights is not None and not isinstance(adapter, Resident):
                self._large = name
            device = device_of(adapter)
            plan = planned(card, device) if device is not None else None
            if plan is not None:
                accelerate(adapter, plan)
        return self._adapters[name]

    def plan(self, card: Card) -> Plan | None:
        """How the last clip of `card` was made fast, and made to fit; None where it needs no plan."""
        work = self._works.get(card.id)
        return None if work is None else work.plan


class _Clip:
    """One run through the loop: what is told and kept on the way."""

    def __init__(
        self,
        work: Work,
        card: Card,
        request: ResolvedRequest,
        inputs: Inputs,
        observe: Observer,
        journal: Journal | None,
    ) -> None:
        self._work = work
        self._adapter = adapter = work.adapter
        self._request = request
        self._inputs = inputs
        self._observe = observe
        self._journal = journal
        self._format = "" if journal is None else format_of(adapter, card, request)

    def start(self) -> Any:
        """The state of an earlier attempt, or the first one of a new clip."""
        state = None if self._journal is None else self._journal.resume(self._adapter, self._format)
        if state is not None:
            return state
        self._observe(Progress("encoding"))
        failpoint("encoding")
        condition = self._work.do(READING, partial(self._adapter.encode, self._request, self._inputs))
        return self._work.do(STEPS, partial(self._adapter.prepare, condition, self._request.seed))

    def tell(self, state: Any, progress: Progress) -> None:
        try:
            self._observe(progress)
        except Interrupted:
            self.save(state, now=True)
            raise

    def save(self, state: Any, *, now: bool = False) -> None:
        if self._journal is not None:
            self._journal.save(state, self._format, now=now)

    def decoded(self, state: Any, num_frames: int) -> Iterator[Chunk]:
        done = 0
        for chunk in self._work.chunks(partial(self._adapter.decode, state)):
            self.tell(state, _decoding(done, num_frames))
            failpoint("decoding")
            yield chunk
            done += len(chunk.frames_THWC)
        self.tell(state, _decoding(num_frames, num_frames))


def _denoising(state: Any) -> Progress:
    return Progress("denoising", state.index, state.num_steps, DENOISED * state.index / state.num_steps)


def _decoding(done: int, num_frames: int) -> Progress:
    return Progress("decoding", done, num_frames, DENOISED + (DECODED - DENOISED) * done / num_frames)


def _load(card: Card, residency: KeptParts) -> AnyAdapter:
    module, _, name = card.adapter.partition(":")
    try:
        build = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as missing:
        lacks = f"this installation has no {card.adapter}"
        if card.weights is not None:
            lacks = "this installation lacks what it runs on: pip install 'rushes[torch]'"
        raise Incomplete(f"the model {card.id} cannot be loaded: {lacks}") from missing
    if card.weights is None:
        adapter: AnyAdapter = build()
    elif hasattr(build, "resident"):
        adapter = build.resident(card, residency)
    else:
        residency.drop_all()
        check_parts(card, residency)
        adapter = build(card)
    return adapter
