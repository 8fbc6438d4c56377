"""What a model must offer to be driven: the protocol, and the chunk of film that comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest

Frames = NDArray[np.uint8]

ConditionT = TypeVar("ConditionT")
StateT = TypeVar("StateT", bound="State")


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of consecutive frames at the model's own size and rate, with the sound that belongs to them.

    frames_THWC  uint8 RGB, T ≥ 1.
    audio        float32 (samples, 2) in −1 … 1 at 48 kHz, or None when the model makes no sound.
    """

    frames_THWC: NDArray[np.uint8]
    audio: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """What a request brought along, opened, and fitted to the model's own size and rate (`Adapter.native`).

    Frame numbers count native frames of the clip that comes out, from 0. Pictures are uint8 RGB, (height, width, 3).
    """

    keyframes: tuple[tuple[int, Frames], ...] = ()  # (native frame, picture), no frame twice
    lead_in_THWC: Frames | None = None  # the clip to continue: the film begins with it, T below its native frames
    source_THWC: Frames | None = None  # the clip to edit, from the film's first frame on; it may be shorter
    # Whom the film is about, at the native rate, T ≥ 1: squares (T, side, side, 3), or any shape where taken whole.
    # Where it is laid over the film, a clip to follow: like `source_THWC`, in whole latent frames.
    references: tuple[Frames, ...] = ()
    sound: NDArray[np.float32] | None = None  # the film's sound from its beginning on: (samples, 2) at 48 kHz
    source_mask_THW: Frames | None = None  # where the clip to edit is made anew: above 127; None is everywhere
    heard: tuple[NDArray[np.float32] | None, ...] = ()  # beside each of `references` what sounds with it, like `sound`
    voices: tuple[NDArray[np.float32], ...] = ()  # what the film is to sound like: each like `sound`

    def __bool__(self) -> bool:
        clips = (self.lead_in_THWC, self.source_THWC, self.sound)
        return bool(self.keyframes or self.references) or any(clip is not None for clip in clips)


NO_INPUTS = Inputs()


class State(Protocol):
    """A clip between two steps. Immutable; everything needed to go on is in it."""

    @property
    def index(self) -> int:
        """Steps already taken, which is the number of the next one."""

    @property
    def num_steps(self) -> int:
        """Steps the whole clip takes; at least what was asked for, more when it is made in windows."""

    def to_bytes(self) -> bytes:
        """The state as a checkpoint; the adapter's `restore` reads it."""


class Adapter(Protocol[ConditionT, StateT]):
    """A model behind its verbs. Called by `engine`, one clip at a time, from one thread."""

    def describe(self) -> Card:
        """What it can do; the only place where limits and defaults live."""

    def native(self, request: ResolvedRequest) -> Native:
        """The size, rate and number of frames that `decode` will yield for this request."""

    def encode(self, request: ResolvedRequest, inputs: Inputs) -> ConditionT:
        """Turn words, pictures and clips into what the model reads."""

    def prepare(self, condition: ConditionT, seed: int) -> StateT:
        """Draw the noise. Same condition and seed give the same start on every machine."""

    def step(self, state: StateT, index: int) -> StateT:
        """Take step `index`, 0 ≤ index < num_steps, in order; the given state stays as it was."""

    def decode(self, state: StateT) -> Iterator[Chunk]:
        """Frames in order, as soon as each is ready; together exactly `native(request).num_frames`."""

    def restore(self, checkpoint: bytes) -> StateT:
        """The state that `to_bytes` saved, in this or another process.

        Errors  ValueError when these bytes are no such state.
        """
        ...

    def state_format(self) -> str:
        """What decides whether a state that was saved elsewhere goes on to the same bytes here.

        Names at least the layout of `to_bytes`, the weights, the library that runs them and the kind of device.
        """
        ...


@runtime_checkable
class Foresees(Protocol):
    """What an adapter may offer besides: where a half-made clip is heading, for those who watch."""

    def foreseen(self, state: Any) -> Any:
        """A state to `decode` instead of `state`: without the noise that is still in it, as the last step saw it."""


AnyAdapter = Adapter[Any, Any]
"""An adapter whose condition and state the caller only passes along."""
