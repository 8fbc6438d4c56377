"""A film and its sound in runs, so that whoever writes them can be stopped between two."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rushes.errors import GenerationFailed
from rushes.media.resample import resampled
from rushes.models.adapter import Chunk, Frames
from rushes.models.whole.film import chunks

FILM_HZ = 48_000  # samples a second of a film's sound


def sounded(film_THWC: Frames, fps: int, wave: NDArray[np.float32] | None, rate_hz: int) -> Iterator[Chunk]:
    """`film_THWC` at `fps` in runs, each with its own share of `wave`: (channels, samples) at `rate_hz`, or none.

    Silence where the sound ends before the film; one channel is heard on both sides.
    Errors  GenerationFailed where the sound is no numbers, or of more than two channels.
    """
    if wave is None:
        yield from chunks(film_THWC)
        return
    if len(wave) not in (1, 2) or not np.isfinite(wave).all():
        raise GenerationFailed(f"the model made a sound of {len(wave)} channels that cannot be heard")
    made = resampled(np.broadcast_to(wave.T, (wave.shape[1], 2)).clip(-1, 1).astype(np.float32), rate_hz, FILM_HZ)
    whole = np.zeros((round(len(film_THWC) / fps * FILM_HZ), 2), np.float32)
    whole[: len(made)] = made[: len(whole)]
    done = 0
    for run in chunks(film_THWC):
        start, done = done, done + len(run.frames_THWC)
        yield Chunk(run.frames_THWC, whole[round(start / fps * FILM_HZ) : round(done / fps * FILM_HZ)])
