"""A clip between two steps, film and sound, and the bytes it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from rushes.diffusion.reuse import Computed
from rushes.models.saved import below, computed_of, of_computed, read, written

LAYOUT = "kandinsky6 3"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """`frames`, `rows` and `cols` in latent places; `sounds` latents of sound, 0 of a silent film."""

    frames: int
    rows: int
    cols: int
    sounds: int
    num_frames: int
    fps: float
    steps: int
    guidance_scale: float
    tiles: int = 0  # of the second stage, and steps that each of them takes
    refining: int = 0
    reuse: float = 0.0  # how far a velocity may drift before both are computed again; 0 computes them in every step

    @property
    def guided(self) -> bool:
        return self.guidance_scale > 1.0


@dataclass(frozen=True, slots=True, eq=False)
class KandinskyCondition:
    """What was given, as tensors by name: "prompt" and, with guidance, "negative" (`text.read`); "first.mean" and
    "first.spread" of the first frame's latent, (1, rows, cols, channels), where there is one.
    """

    numbers: Numbers
    given: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class KandinskyState:
    """seed           what later stages draw their noise by.
    latent_BTHWC   of the film, float32, never written to in place.
    sound_BLC      of the sound, likewise; None of a silent film.
    first_BTHWC    the first frame's latent, which stands behind the film's own at every step; None without one.
    heading_BTHWC  the film without its noise, as the last step saw it; for those who watch, and not saved.
    computed       the last step that was computed, by stream, where steps may take its velocities.
    small_BCTHW    in the second stage, the film as that one's autoencoder encodes it.
    tiles          and those that it has begun, each (1, T, h, w, C) of the enlarged latent.
    """

    condition: KandinskyCondition
    seed: int
    latent_BTHWC: Tensor
    sound_BLC: Tensor | None = None
    first_BTHWC: Tensor | None = None
    index: int = 0
    heading_BTHWC: Tensor | None = None
    computed: Mapping[str, Computed] = field(default_factory=dict)
    small_BCTHW: Tensor | None = None
    tiles: tuple[Tensor, ...] = ()

    @property
    def num_steps(self) -> int:
        numbers = self.condition.numbers
        return numbers.steps + numbers.tiles * numbers.refining

    @property
    def moving(self) -> dict[str, Tensor]:
        """The latents that steps move, by stream."""
        film = {"film": self.latent_BTHWC}
        return film if self.sound_BLC is None else {**film, "sound": self.sound_BLC}

    def to_bytes(self) -> bytes:
        tensors = {f"given.{name}": tensor for name, tensor in self.condition.given.items()}
        tensors["latent"] = self.latent_BTHWC
        if self.sound_BLC is not None:
            tensors["sound"] = self.sound_BLC
        if self.first_BTHWC is not None:
            tensors["first"] = self.first_BTHWC
        if self.small_BCTHW is not None:
            tensors["small"] = self.small_BCTHW
        tensors |= {f"tile.{number}": tile for number, tile in enumerate(self.tiles)}
        remembered, rates = of_computed(self.computed)
        numbers = asdict(self.condition.numbers)
        said = {"layout": LAYOUT, "numbers": numbers, "index": self.index, "seed": self.seed, "rates": rates}
        return written({**tensors, **remembered}, said)


def restored(checkpoint: bytes, device: torch.device) -> KandinskyState:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        condition = KandinskyCondition(Numbers(**said["numbers"]), below("given.", tensors))
        return KandinskyState(
            condition,
            int(said["seed"]),
            tensors["latent"],
            tensors.get("sound"),
            tensors.get("first"),
            int(said["index"]),
            computed=computed_of(tensors, said["rates"]),
            small_BCTHW=tensors.get("small"),
            tiles=tuple(tensors[f"tile.{number}"] for number in range(len(below("tile.", tensors)))),
        )
    except (KeyError, TypeError) as error:
        raise ValueError("these bytes are no checkpoint of a Kandinsky 6 clip") from error
