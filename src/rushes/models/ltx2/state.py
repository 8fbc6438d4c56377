"""A clip between two steps, film and sound, and the bytes it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from rushes.contract.request import Lora
from rushes.diffusion.reuse import Computed
from rushes.models.ltx2.text import Words
from rushes.models.saved import below, computed_of, of_computed, read, written

LAYOUT = "ltx2 3"
"""Counts up when a state is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a clip in one of its stages; sizes in latent places, `sounds` in latents of sound."""

    frames: int
    rows: int
    cols: int
    sounds: int
    num_frames: int
    fps: float
    steps: int
    guidance_scale: float
    audible: bool  # whether the sound is asked for; it is made in any case, and the picture follows it
    before: int = 0  # steps of the stage before this one
    loras: tuple[Lora, ...] = ()  # what the transformer is changed by while it makes this clip
    reuse: float = 0.0  # how far a velocity may drift before both are computed again; 0 computes them in every step

    def __post_init__(self) -> None:
        # A checkpoint gives plain objects back.
        loras = (lora if isinstance(lora, Lora) else Lora(**lora) for lora in self.loras)
        object.__setattr__(self, "loras", tuple(loras))

    @property
    def places(self) -> int:
        return self.frames * self.rows * self.cols


@dataclass(frozen=True, slots=True, eq=False)
class Ltx2Condition:
    """What the transformer reads besides the noise, in one stage. `given` are tensors by name (`given.py`, `sound.py`).

    `next` is of the stage that follows, twice as large each way; None in the last one, which most clips have alone.
    """

    numbers: Numbers
    words: Words  # the negative prompt's row first, where there is guidance
    given: Mapping[str, torch.Tensor] = field(default_factory=dict)
    next: Ltx2Condition | None = None

    @property
    def end(self) -> int:
        """The number of the first step that is not this stage's."""
        return self.numbers.before + self.numbers.steps


@dataclass(frozen=True, slots=True, eq=False)
class Ltx2State:
    """condition   of the stage that the next step belongs to, or that the last one ended
    latent_BNC     of the film: a token for each place, frame by frame, and behind these one for each place of what is
                   given beyond the first frame or stands beside it; float32, batch of one, never written to in place
    sound_BNC      of the sound, likewise
    seed           what later stages draw their noise by
    foreseen_BNC   the clean film as the last step saw it; for those who watch, and not saved
    computed       the last step that was computed, "film" and "sound", where steps may take their velocities
    """

    condition: Ltx2Condition
    latent_BNC: torch.Tensor
    sound_BNC: torch.Tensor
    seed: int
    index: int = 0
    foreseen_BNC: torch.Tensor | None = None
    computed: Mapping[str, Computed] = field(default_factory=dict)

    @property
    def num_steps(self) -> int:
        condition = self.condition
        return condition.end if condition.next is None else condition.next.end

    @property
    def moving(self) -> dict[str, torch.Tensor]:
        """The latents that steps move, by stream: a sound that was given stays as it is."""
        film = {"film": self.latent_BNC}
        return film if "sound" in self.condition.given else {**film, "sound": self.sound_BNC}

    def to_bytes(self) -> bytes:
        tensors = {"latent": self.latent_BNC, "sound": self.sound_BNC}
        stages: list[dict[str, Any]] = []
        condition: Ltx2Condition | None = self.condition
        words: Words | None = None
        while condition is not None:
            if condition.words is not words:  # stages without guidance share theirs
                words = condition.words
                tensors |= {
                    f"{len(stages)}.words.picture": words.picture_RPW,
                    f"{len(stages)}.words.sound": words.sound_RPW,
                    f"{len(stages)}.words.counts": words.counts_RP,
                }
            tensors |= {f"{len(stages)}.given.{name}": tensor for name, tensor in condition.given.items()}
            stages.append(asdict(condition.numbers))
            condition = condition.next
        remembered, rates = of_computed(self.computed)
        said = {"layout": LAYOUT, "index": self.index, "seed": self.seed, "stages": stages, "rates": rates}
        return written({**tensors, **remembered}, said)


def restored(checkpoint: bytes, device: torch.device) -> Ltx2State:
    """The state that `to_bytes` saved. Errors  ValueError when these bytes are none."""
    tensors, said = read(checkpoint, LAYOUT, device)
    try:
        read_by_stage: list[Words] = []
        for stage in range(len(said["stages"])):
            own = below(f"{stage}.words.", tensors)
            read_by_stage.append(Words(own["picture"], own["sound"], own["counts"]) if own else read_by_stage[-1])
        condition: Ltx2Condition | None = None
        for stage, numbers in reversed(list(enumerate(said["stages"]))):
            given = below(f"{stage}.given.", tensors)
            condition = Ltx2Condition(Numbers(**numbers), read_by_stage[stage], given, condition)
        if condition is None:
            raise KeyError("stages")
        return Ltx2State(
            condition,
            tensors["latent"],
            tensors["sound"],
            int(said["seed"]),
            int(said["index"]),
            computed=computed_of(tensors, said["rates"]),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("these bytes are no checkpoint of an LTX-2 clip") from error
