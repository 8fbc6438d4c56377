"""The numbers of a set of weights, read from the `mini.json` that lies beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path

from rushes.catalogue.pace import num_shown
from rushes.errors import Incomplete

PACKAGED_WEIGHTS = Path(str(files("rushes.models.mini"))) / "weights"

HOPS_PER_SECOND = 32
"""How often sound is listened to, see `sound`."""


@dataclass(frozen=True, slots=True)
class MiniConfig:
    """What training decided. Sizes are in pixels, windows in latent frames, `fps` in frames per second."""

    revision: str
    channels: int  # numbers per token
    spatial: int  # one token covers spatial × spatial pixels …
    frames_per_latent: int  # … and this many frames
    fps: int
    max_words: int
    window: int  # latent frames that the transformer sees at once
    overlap: int  # of these, how many a next window takes over, finished, from the one before
    shift: float  # of the noise schedule, see diffusion.schedules
    grids: Mapping[str, tuple[int, int]]  # ratio name → (rows, cols) of tokens
    vocabulary: tuple[str, ...]  # a word's index is its id; 0 is "<pad>", 1 is "<unk>"
    sound_hops: int = 0  # of sound in a token, see `sound`; 0 where the transformer knows none
    reference_cells: int = 0  # side in tokens of a picture to refer to; 0 where the transformer knows none
    subjects: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    motions: tuple[str, ...] = ()

    @classmethod
    def load(cls, weights: Path) -> MiniConfig:
        """Read `weights`/mini.json.

        Errors  Incomplete when the file is missing, unreadable or lacks a number.
        """
        path = weights / "mini.json"
        try:
            values = json.loads(path.read_text("utf-8"))
            known = {f.name for f in fields(cls)}
            values = {name: value for name, value in values.items() if name in known}
            for name in ("vocabulary", "subjects", "scenes", "motions"):
                values[name] = tuple(values.get(name, ()))
            values["grids"] = {name: (int(rows), int(cols)) for name, (rows, cols) in values["grids"].items()}
            return cls(**values)
        except FileNotFoundError as missing:
            raise Incomplete(
                "this installation lacks the weights of rushes/mini: mini.json was not found. "
                "Hint: install the released package, or make the weights with training/"
            ) from missing
        except (ValueError, TypeError, KeyError) as broken:
            raise Incomplete("the weights of rushes/mini are damaged: mini.json cannot be read") from broken

    @property
    def kinds(self) -> bool:
        """Whether the transformer is told of each token what kind it is, knowing more than video."""
        return self.sound_hops > 0 or self.reference_cells > 0

    @property
    def seconds_per_latent(self) -> float:
        return self.frames_per_latent / self.fps

    @property
    def sounds(self) -> int:
        """Tokens of sound in a latent frame."""
        return round(HOPS_PER_SECOND * self.seconds_per_latent / self.sound_hops) if self.sound_hops else 0

    def grid(self, width: int, height: int) -> tuple[int, int]:
        """(rows, cols) of the grid whose shape is nearest to width : height, a factor either way counting alike."""
        asked = math.log(width / height)
        return min(self.grids.values(), key=lambda grid: abs(math.log(grid[1] / grid[0]) - asked))

    def num_frames(self, seconds: float) -> int:
        """Frames that cover `seconds` at the model's own rate, at least one."""
        return num_shown(seconds, self.fps)

    def num_latents(self, num_frames: int) -> int:
        """Latent frames that hold `num_frames` frames."""
        return -(-num_frames // self.frames_per_latent)
