"""A film's sound: as long as the film, and cut where its frames are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rushes.models.adapter import Chunk, Frames

FILM_HZ = 48_000  # samples a second of a film's sound


def beside(runs: Iterable[Frames], fps: float, wave: NDArray[np.float32] | None) -> Iterator[Chunk]:
    """Each run of frames at `fps` with its own share of `wave`, (samples, 1 or 2) at 48 kHz, or with none.

    Silence where it ends before the film; one channel is heard on both sides.
    """
    done = 0
    for frames_THWC in runs:
        start, done = done, done + len(frames_THWC)
        first, last = (round(frame * FILM_HZ / fps) for frame in (start, done))
        yield Chunk(frames_THWC, None if wave is None else lasting(wave[first:last], last - first))


def lasting(wave: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """`wave` on both sides and as long as `samples`: cut off, or with silence behind it."""
    whole = np.zeros((samples, 2), np.float32)
    whole[: len(wave)] = wave[:samples]
    return whole
