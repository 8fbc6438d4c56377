"""A film and its sound in runs, so that whoever writes them can be stopped between two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rushes.errors import GenerationFailed
from rushes.media.resample import resampled
from rushes.models.adapter import Chunk, Frames
from rushes.models.sound import FILM_HZ, beside
from rushes.models.whole.film import runs


def sounded(film_THWC: Frames, fps: int, wave: NDArray[np.float32] | None, rate_hz: int) -> Iterator[Chunk]:
    """`film_THWC` at `fps` in runs, each with its own share of `wave`: (channels, samples) at `rate_hz`, or none.

    Silence where the sound ends before the film; one channel is heard on both sides.
    Errors  GenerationFailed where the sound is no numbers, or of more than two channels.
    """
    made = None
    if wave is not None:
        if len(wave) not in (1, 2) or not np.isfinite(wave).all():
            raise GenerationFailed(f"the model made a sound of {len(wave)} channels that cannot be heard")
        made = resampled(wave.T.clip(-1, 1).astype(np.float32), rate_hz, FILM_HZ)
    yield from beside(runs(film_THWC), fps, made)
