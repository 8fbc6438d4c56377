"""A clip between two steps, film and sound, and the bytes it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch

from rushes.models.ltx2.text import Words
from rushes.models.saved import below, read, written

LAYOUT = "ltx2 1"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a clip; sizes in latent places, `sounds` in latents of sound."""

    frames: int
    rows: int
    cols: int
    sounds: int
    num_frames: int
    fps: float
    steps: int
    guidance_scale: float
    audible: bool  # whether the sound is asked for; it is made in any case, and the picture follows it

    @property
    def places(self) -> int:
        return self.frames * self.rows * self.cols


@dataclass(frozen=True, slots=True, eq=False)
class Ltx2Condition:
    """What the transformer reads besides the noise. `given` are tensors by name (`given.py`, `sound.py`)."""

    numbers: Numbers
    words: Words  # the negative prompt's row first, where there is guidance
    given: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Ltx2State:
    """latent_BNC  of the film: a token for each place, frame by frame, and behind these one for each place of what is
                   given beyond the first frame; float32, batch of one, never written to in place
    sound_BNC      of the sound, likewise
    foreseen_BNC   the clean film as the last step saw it; for those who watch, and not saved
    """

    condition: Ltx2Condition
    latent_BNC: torch.Tensor
    sound_BNC: torch.Tensor
    index: int = 0
    foreseen_BNC: torch.Tensor | None = None

    @property
    def num_steps(self) -> int:
        return self.condition.numbers.steps

    def to_bytes(self) -> bytes:
        words = self.condition.words
        tensors = {
            "latent": self.latent_BNC,
            "sound": self.sound_BNC,
            "words.picture": words.picture_RPW,
            "words.sound": words.sound_RPW,
            "words.counts": words.counts_RP,
        }
        tensors |= {f"given.{name}": tensor for name, tensor in self.condition.given.items()}
        said = {"layout": LAYOUT, "index": self.index, "numbers": asdict(self.condition.numbers)}
        return written(tensors, said)


def restored(checkpoint: bytes, device: torch.device) -> Ltx2State:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        words = Words(tensors["words.picture"], tensors["words.sound"], tensors["words.counts"])
        condition = Ltx2Condition(Numbers(**said["numbers"]), words, below("given.", tensors))
        return Ltx2State(condition, tensors["latent"], tensors["sound"], int(said["index"]))
    except (KeyError, TypeError) as error:
        raise ValueError("these bytes are no checkpoint of an LTX-2 clip") from error
