"""What a pipeline of the library returns, as frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rushes.errors import GenerationFailed
from rushes.models.adapter import Frames

FRAMES_A_RUN = 16


def film(made: Any, num_frames: int, width: int, height: int) -> Frames:
    """uint8 (num_frames, height, width, 3) of values between 0 and 1; what is more than was asked for is left out.

    Errors  GenerationFailed where they are of another size, too few, or no numbers.
    """
    values = np.asarray(made, dtype=np.float32)[:num_frames]
    wanted = (num_frames, height, width, 3)
    if values.shape != wanted:
        raise GenerationFailed(f"the pipeline made frames of {values.shape}, and {wanted} were asked for")
    if not np.isfinite(values).all():
        raise GenerationFailed("the pipeline made values that are no numbers: its weights want another precision")
    pixels: Frames = (values * 255).round().astype(np.uint8)
    return pixels


def runs(film_THWC: Frames) -> Iterator[Frames]:
    """The film in pieces, so that whoever writes it can be stopped between two of them."""
    for start in range(0, len(film_THWC), FRAMES_A_RUN):
        yield film_THWC[start : start + FRAMES_A_RUN]
