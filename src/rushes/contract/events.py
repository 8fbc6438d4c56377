"""What a job says of itself while it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rushes.contract.job import Checkpoint

STAGES = ("queued", "loading", "encoding", "denoising", "decoding", "storing", "done")
"""Stages of a job in order; the decoder streams into the file encoder, so `decoding` covers both."""

DENOISED = 0.85
"""The `fraction` of a job whose last step is taken; decoding streams into the file from there."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job stands: `step` of `steps` inside `stage`; `fraction` of the whole job from 0.0 to 1.0."""

    stage: str
    step: int = 0
    steps: int = 0
    fraction: float = 0.0


class Cancelled(Exception):
    """Raised by an observer to end a job; the loop leaves before its next step."""


class Interrupted(Exception):
    """Raised by an observer to end this attempt at a job that somebody goes on with later; the loop saves its state."""


Observer = Callable[[Progress], None]
"""Called by the engine between steps and chunks. May raise `Cancelled` or `Interrupted`."""

Keep = Callable[[Checkpoint], None]
"""Names a checkpoint in the job's row, which the next attempt goes on from. Raises what ends this attempt."""
