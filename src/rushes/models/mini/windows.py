"""Clips longer than the transformer sees at once, and where each token lies.

A next window keeps the last `overlap` latent frames of the one before as given, clean tokens and makes the rest,
exactly as the model continues a clip that a person brings along; of such a clip it sees `LEAD_IN`. The last window
looks further back rather than being shorter, since full windows are what training shows most.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VIDEO, REFERENCE, SOUND = 0, 1, 2  # kinds of tokens; training gives them the same numbers
REFERENCE_APART_S = 4.0  # so that no frame of a window is as near to it as a reference would be

LEAD_IN = 2
"""Latent frames of a given clip that its continuation sees: two, so that it sees which way things move."""


class Window(NamedTuple):
    """Latent frames `start` … `stop` − 1 of the clip; those before `made_from` are finished and only looked at."""

    start: int
    made_from: int
    stop: int


@lru_cache(maxsize=64)
def windows(num_latents: int, length: int, overlap: int, given: int = 0) -> tuple[Window, ...]:
    """The windows that together make latent frames `given` … `num_latents` − 1, each made in exactly one.

    The `given` ones at the start are finished. Where there is nothing to make, one window says so.
    Errors  ValueError unless 0 ≤ overlap < length and 0 ≤ given ≤ num_latents.
    """
    if not 0 <= overlap < length:
        raise ValueError(f"overlap must be at least 0 and below the window's {length} latent frames; given {overlap}")
    if not 0 <= given <= num_latents:
        raise ValueError(f"at most all {num_latents} latent frames can be given, not {given}")
    start = max(0, given - min(LEAD_IN, length - 1))
    found = [Window(start, given, min(start + length, num_latents))]
    while found[-1].stop < num_latents:
        made_from = found[-1].stop
        stop = min(made_from - overlap + length, num_latents)
        found.append(Window(stop - length, made_from, stop))
    return tuple(found)


@lru_cache(maxsize=64)
def positions(num_latents: int, rows: int, cols: int, seconds_per_latent: float) -> NDArray[np.float32]:
    """Where each token of a window lies: seconds since the window's start, row and column from the picture's middle.

    Shapes  (1, num_latents × rows × cols, 3), tokens in order of time, row, column; read-only, since it is shared.
    """
    time_s = np.arange(num_latents) * seconds_per_latent
    row = np.arange(rows) - (rows - 1) / 2
    col = np.arange(cols) - (cols - 1) / 2
    grid = np.stack(np.meshgrid(time_s, row, col, indexing="ij"), axis=-1)
    tokens = grid.reshape(1, -1, 3).astype(np.float32)
    tokens.flags.writeable = False
    return tokens


@lru_cache(maxsize=64)
def sequence(
    num_latents: int, rows: int, cols: int, seconds_per_latent: float, references: int, cells: int, sounds: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Where every token of a window lies and of what kind it is: video, then references, then `sounds` a latent frame.

    References stand `REFERENCE_APART_S` before the window, each a square of `cells`; sounds lie in its middle.
    Shapes  (1, N, 3) and (1, N), read-only.
    """
    parts = [positions(num_latents, rows, cols, seconds_per_latent)]
    if references:
        before = positions(references, cells, cells, seconds_per_latent).copy()
        before[..., 0] -= REFERENCE_APART_S
        parts.append(before)
    if sounds:
        heard = np.zeros((1, num_latents * sounds, 3), np.float32)
        heard[0, :, 0] = np.arange(num_latents * sounds) * (seconds_per_latent / sounds)
        parts.append(heard)
    kinds = [np.full(part.shape[:2], kind) for part, kind in zip(parts, _kinds(references, sounds), strict=True)]
    place, kind = np.concatenate(parts, 1), np.concatenate(kinds, 1).astype(np.int64)
    place.flags.writeable = kind.flags.writeable = False
    return place, kind


def _kinds(references: int, sounds: int) -> list[int]:
    return [VIDEO, *([REFERENCE] if references else []), *([SOUND] if sounds else [])]
