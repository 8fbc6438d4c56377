"""A film decoded tile by tile: lossy, in far less memory. Tiles overlap by a quarter and fade into each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray


def in_tiles(
    latent_BCTHW: torch.Tensor, side: int, decode: Callable[[torch.Tensor], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The film (3, T, H, W) in 0 … 1 of `decode`, which sees `side` latent places each way at a time.

    It waits in the host's memory until the last tile is there.
    """
    rows, cols = latent_BCTHW.shape[3:]
    film = weight = np.zeros(0, np.float32)
    for top, bottom in _spans(rows, side):
        for left, right in _spans(cols, side):
            tile_CTHW = decode(latent_BCTHW[:, :, :, top:bottom, left:right])
            scale = tile_CTHW.shape[2] // (bottom - top)
            if not film.size:
                film = np.zeros((*tile_CTHW.shape[:2], rows * scale, cols * scale), np.float32)
                weight = np.zeros((rows * scale, cols * scale), np.float32)
            fade = np.minimum.outer(
                _fade(tile_CTHW.shape[2], side * scale // 4), _fade(tile_CTHW.shape[3], side * scale // 4)
            )
            place = np.s_[top * scale : bottom * scale, left * scale : right * scale]
            film[:, :, place[0], place[1]] += tile_CTHW * fade
            weight[place] += fade
    film /= weight
    return film


def levels(film_CTHW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Values in 0 … 1 as frames (T, H, W, 3) of 0 to 255."""
    return (film_CTHW.transpose(1, 2, 3, 0) * 255).round().clip(0, 255).astype(np.uint8)


def _spans(places: int, side: int) -> Iterator[tuple[int, int]]:
    """(0, side), … up to (places - side, places): every place in at least one, neighbours overlapping by a quarter."""
    if places <= side:
        yield 0, places
        return
    step = max(1, side - side // 4)
    starts = [*range(0, places - side, step), places - side]
    yield from ((start, start + side) for start in starts)


def _fade(length: int, overlap: int) -> NDArray[np.float32]:
    """A weight for each of `length` pixels: one in the middle, falling towards both ends, never zero."""
    ramp = np.arange(1, length + 1, dtype=np.float32) / (overlap + 1)
    return np.minimum(np.minimum(ramp, ramp[::-1]), 1.0).astype(np.float32)
