"""What a tier's networks are like, and what they train on: the numbers that training, export and the adapter share.

`POCKET` is what two CPU cores train and the package ships now, `FULL` what a GPU trains, `REHEARSAL` the same in
miniature, for trying every line of the recipe on a CPU in minutes.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any

from rushes.models.mini.config import HOPS_PER_SECOND
from rushes.models.mini.text import PAD, UNKNOWN, Tokenizer
from training import world
from training.network import FULL as FULL_CODEC
from training.network import POCKET as POCKET_CODEC
from training.network import Codec

REFERENCE_APART_S = 4.0  # how long before the film a reference stands, so that no frame of the film is as near


@dataclass(frozen=True)
class Plan:
    """Sizes count tokens unless their name says otherwise; `grids` are (rows, columns) by name of the ratio."""

    name: str
    tier: str
    codec: Codec
    grids: dict[str, tuple[int, int]]
    fps: int
    window: int  # latent frames that the transformer sees at once
    overlap: int  # of these, taken over from the window before
    max_words: int
    shift: float  # of the noise schedule, towards noise
    reference_cells: int  # side of a reference, itself a small picture of tokens
    sound_hops: int  # of sound in a token, as many as a token of pictures has room for
    width: int
    depth: int
    heads: int
    clips: int  # a step of the transformer
    chunks: int  # half seconds a step of the autoencoder, in films of two
    rates: dict[str, float] = field(default_factory=lambda: {"matrices": 2.5e-3, "others": 1e-3, "autoencoder": 8e-4})

    @property
    def seconds_per_latent(self) -> float:
        return self.codec.frames / self.fps

    @property
    def sounds(self) -> int:
        """Tokens of sound in a latent frame."""
        return round(HOPS_PER_SECOND * self.seconds_per_latent / self.sound_hops)

    def size(self, ratio: str) -> tuple[int, int]:
        """Height and width in pixels."""
        rows, cols = self.grids[ratio]
        return rows * self.codec.patch, cols * self.codec.patch

    def vocabulary(self) -> list[str]:
        where = "training.full.captions" if self.tier == "full" else "training.captions"
        words: list[str] = importlib.import_module(where).vocabulary()
        return words

    def names(self) -> frozenset[int]:
        """Ids of the words that say who a film is about: of each name the last, "fish" of "tropical fish"."""
        where = importlib.import_module("training.full.world" if self.tier == "full" else "training.world")
        said = " ".join(name.split()[-1] for subject in where.SUBJECTS for name in (subject.name, *subject.words))
        return frozenset(Tokenizer(self.vocabulary(), max_words=len(said)).encode(said)) - {PAD, UNKNOWN}

    def shape(self, vocabulary: list[str]) -> dict[str, Any]:
        """What this tier's transformer is made with."""
        return {
            "vocabulary": len(vocabulary),
            "width": self.width,
            "depth": self.depth,
            "heads": self.heads,
            "channels": self.codec.channels,
            "sounds": self.sounds,
            "seconds": self.seconds_per_latent,
        }


POCKET = Plan(
    name="pocket",
    tier="pocket",
    codec=POCKET_CODEC,
    grids=world.GRIDS,
    fps=world.FPS,
    window=4,
    overlap=1,
    max_words=24,
    shift=2.0,
    reference_cells=4,
    sound_hops=4,
    width=256,
    depth=8,
    heads=4,
    clips=32,
    chunks=64,
    rates={"matrices": 3.5e-3, "others": 1.5e-3, "autoencoder": 1e-3},
)
FULL = Plan(
    name="full",
    tier="full",
    codec=FULL_CODEC,  # 128 channels, as many as a token of sound has values
    # About 320×192 pixels each: every ratio costs alike, and a batch of any is as large.
    grids={"16:9": (6, 10), "9:16": (10, 6), "1:1": (8, 8), "4:3": (7, 9), "3:4": (9, 7)},
    fps=8,
    window=8,
    overlap=2,
    max_words=32,
    shift=3.0,
    reference_cells=4,
    sound_hops=8,
    width=384,
    depth=10,
    heads=6,
    clips=128,
    chunks=64,
)
REHEARSAL = Plan(
    name="rehearsal",
    tier="full",
    codec=Codec(128, 16, 4, (16, 24, 32)),
    grids={"16:9": (3, 5), "1:1": (4, 4)},
    fps=8,
    window=3,
    overlap=1,
    max_words=32,
    shift=3.0,
    reference_cells=2,
    sound_hops=8,
    width=64,
    depth=2,
    heads=2,
    clips=4,
    chunks=4,
)
PLANS = {plan.name: plan for plan in (POCKET, FULL, REHEARSAL)}
