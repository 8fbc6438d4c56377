"""The parts of large models: who keeps them loaded, how they compute, and what memory a clip needs of them.

A part is a network with its weights, known by its files: two models with the same text encoder have one of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from rushes.catalogue.card import Card
from rushes.contract.request import ResolvedRequest

ATTENTION = "native"
"""Torch's own kernel, by name: the library's default is one for the whole process, which another model may move."""

BLOCKS = ("blocks.", "vace_blocks.", "transformer_blocks.")
"""What the names of a denoiser's repeated blocks begin with."""


PUBLISHED, INT8, FP8 = "", "int8", "fp8"

DENOISERS = ("transformer", "unet")
"""What the names of the networks begin with that take the steps."""

READERS = "text_encoder"
"""And of those that read words."""


def here_by_turns(num_layers: int) -> float:
    """The share of a denoiser that is on the device where its blocks take turns: two, with what is no block."""
    return min(1.0, 3.0 / num_layers)


@dataclass(frozen=True, slots=True)
class How:
    """How a clip is computed, of all the ways there are; what each costs in exactness is the plan's to say.

    attention  the kernel's name at diffusers, set on each network
    together   both prompts of guidance go through the denoiser in one pass
    compiled   the repeated blocks are compiled
    reuse      how far the estimated drift may go before a step computes again (`diffusion.reuse`); 0 computes all
    apart      parts give way to each other: each is loaded when its turn comes
    layers     of a text encoder, one layer at a time is on the device
    blocks     of a denoiser, one block at a time is on the device
    tiles      the decoder works tile by tile
    pieces     attention and feed-forward work through the tokens in so many pieces, to hold less at a time
    matrices   what a denoiser's blocks keep theirs in: as published, `INT8`, or `FP8`, which it multiplies in too
    """

    attention: str = ATTENTION
    together: bool = False
    compiled: bool = False
    reuse: float = 0.0
    apart: bool = False
    layers: bool = False
    blocks: bool = False
    tiles: bool = False
    pieces: int = 1
    matrices: str = PUBLISHED


@dataclass(frozen=True, slots=True)
class Stage:
    """What has to be in memory at once: `parts` by key, their bytes, and what is made while they compute."""

    name: str  # "words", "pictures", "steps" or "decoding"
    parts: Mapping[str, int]
    activation_bytes: int

    @property
    def size_bytes(self) -> int:
        return sum(self.parts.values()) + self.activation_bytes


@dataclass(frozen=True, slots=True)
class Needs:
    """The memory of one clip, foretold from its shape. `error` is how far off what is made may be, as a share."""

    stages: tuple[Stage, ...]
    error: float

    @property
    def largest(self) -> Stage:
        return max(self.stages, key=lambda stage: stage.size_bytes)

    def size_bytes(self, *, apart: bool) -> int:
        """All parts beside each other and the most that is made; or, `apart`, the largest stage."""
        if apart:
            return self.largest.size_bytes
        everything = {key: size for stage in self.stages for key, size in stage.parts.items()}
        return sum(everything.values()) + max(stage.activation_bytes for stage in self.stages)

    def least_bytes(self, *, apart: bool) -> int:
        """`size_bytes` if what is made is as much less as it may be. Parts are as large as their files say."""
        share = 1 - self.error
        less = tuple(replace(stage, activation_bytes=int(stage.activation_bytes * share)) for stage in self.stages)
        return replace(self, stages=less).size_bytes(apart=apart)

    def more(self, name: str, size_bytes: int) -> Needs:
        """These, with `size_bytes` more in the stages of that name."""
        grown = (
            replace(stage, activation_bytes=stage.activation_bytes + size_bytes) if stage.name == name else stage
            for stage in self.stages
        )
        return replace(self, stages=tuple(grown))


Home = Callable[[Any], None]
"""Brings back to the host's memory what a pass that was broken off left on the device of a part by turns."""


class Residency(Protocol):
    """Keeps parts loaded. One thread at a time."""

    def key(self, files: Iterable[Path]) -> str:
        """A name for exactly these files: the same for the same bytes, where their hashes are known."""

    def part(
        self, key: str, size_bytes: int, load: Callable[[], Any], *, host_bytes: int = 0, home: Home | None = None
    ) -> Any:
        """The part `key`, on the device; loads it where it is not there, after others have made room.

        It stays until another one needs its room: ask again instead of keeping it. Loading takes `host_bytes` of the
        host's memory at most. One with a `home` takes turns: it stays there, brings `size_bytes` of itself to the
        device at a time, and is not moved.
        """

    def leave(self, activation_bytes: int) -> None:
        """Keep so much free beside the parts that are asked for from now on."""


class Unbounded:
    """A residency without a limit, for one model by itself."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def key(self, files: Iterable[Path]) -> str:
        return " ".join(map(str, files))

    def part(
        self, key: str, size_bytes: int, load: Callable[[], Any], *, host_bytes: int = 0, home: Home | None = None
    ) -> Any:
        if key not in self._parts:
            self._parts[key] = load()
        return self._parts[key]

    def leave(self, activation_bytes: int) -> None:
        pass


@runtime_checkable
class Resident(Protocol):
    """An adapter that keeps its parts in a residency, and can foretell what a clip needs."""

    @classmethod
    def resident(cls, card: Card, residency: Residency) -> Self:
        """Built without loading anything. Errors  GenerationFailed where the checkpoint is not there."""

    @property
    def device_kind(self) -> str:
        """ "cuda" or "cpu"."""

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        """The memory for `request`, computed in this way. Reads headers; loads nothing."""

    def accelerate(self, how: How, dress: Callable[[Any], None]) -> None:
        """Compute in this way from now on, and show each denoiser to `dress` before it is used."""
