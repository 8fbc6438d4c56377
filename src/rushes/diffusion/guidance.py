"""Leaning towards the prompt and away from the negative prompt."""

from __future__ import annotations

from typing import Any

Array = Any  # a NumPy array or a torch tensor


def guided(positive: Array, negative: Array, scale: float) -> Array:
    """Classifier-free guidance between two predictions of the clean latent.

    `scale` 1 gives `positive` (callers then skip the second pass), above 1 exaggerates what the prompt
    changed. Guiding the clean prediction equals guiding the velocity: both are affine in it at one sigma.

    Shapes  `positive` and `negative` alike, any shape.
    Source  Ho and Salimans 2022, equation 6; the negative prompt takes the unconditional's place.
    """
    return negative + scale * (positive - negative)
