"""Pictures and clips of any size and rate, brought to the model's own, so that what is made lies over what was given.

The one rule: a picture is scaled until it covers the asked frame, and what hangs over is cut off evenly at both ends.
The model's frame has a slightly other shape and is itself scaled until it covers the asked one (`resize`), losing a
little at two sides; so the picture gets that much more there, or its edge repeated. Without it every keyframe would
come back enlarged by a per cent, and nothing would stand where it stood.

A clip is read by its timestamps: native frame i shows what the clip showed at i / fps.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from rushes.contract.artifact import Native
from rushes.media.resize import Resize

Frames = NDArray[np.uint8]

FINEST_RATIO = 4  # pixels to one of the model's that are left to the scaler

LEAST_CUT_SHOWN = 0.005  # of a side, as for what comes out


class Cover:
    """RGB uint8 pictures (given_height, given_width, 3) in, (native.height, native.width, 3) out."""

    def __init__(self, given_width: int, given_height: int, native: Native, width: int, height: int) -> None:
        """`width` and `height` are the asked frame's, between the given picture and the native one."""
        inwards = max(Fraction(width, given_width), Fraction(height, given_height))
        outwards = max(Fraction(width, native.width), Fraction(height, native.height))
        across, down = native.width * outwards / inwards, native.height * outwards / inwards
        # The scaler's weights have 14 bits: over a hundred pixels they no longer sum up to one, and the picture comes
        # out up to 8 % too bright (4800 to 144 pixels). So what is much too large is first averaged in blocks.
        self._block = max(1, math.floor(min(across / native.width, down / native.height) / FINEST_RATIO))
        cols, rows = max(1, round(across / self._block)), max(1, round(down / self._block))
        self._cols, self._pad_cols = _span(given_width, cols * self._block)
        self._rows, self._pad_rows = _span(given_height, rows * self._block)
        self._resize = Resize(cols, rows, native.width, native.height, sharpen=False)
        self._lost = 1 - Fraction(width, given_width) / inwards, 1 - Fraction(height, given_height) / inwards
        self._asked = "" if (given_width, given_height) == (width, height) else f"{width}×{height}"
        self._native = f"{native.width}×{native.height}"

    def __call__(self, picture: Frames) -> Frames:
        region = picture[self._rows, self._cols]
        if any((*self._pad_rows, *self._pad_cols)):
            region = np.pad(region, (self._pad_rows, self._pad_cols, (0, 0)), mode="edge")
        return self._resize(_averaged(region, self._block))

    @property
    def said(self) -> str:
        """What is done to the pictures, in words."""
        across, down = self._lost
        cut = ""
        if max(across, down) >= LEAST_CUT_SHOWN:
            cut = f", which cuts off {float(max(across, down)):.0%} of the {'width' if across > down else 'height'}"
        fitted = f"scaled to cover {self._asked}{cut}; " if self._asked else ""
        return f"{fitted}the model sees it at {self._native}"


def _averaged(picture: Frames, block: int) -> Frames:
    """One pixel for each `block` × `block`, which must divide both sides."""
    if block == 1:
        return picture
    rows, cols = picture.shape[0] // block, picture.shape[1] // block
    sums = picture.reshape(rows, block, cols, block, 3).sum(axis=(1, 3), dtype=np.uint32)
    means: Frames = ((sums + block**2 // 2) // block**2).astype(np.uint8)
    return means


def _span(given: int, wanted: int) -> tuple[slice, tuple[int, int]]:
    """The middle `wanted` of `given` pixels, and how many are missing before and behind."""
    start = (given - wanted) // 2
    stop = start + wanted
    return slice(max(0, start), min(given, stop)), (max(0, -start), max(0, stop - given))


def shown_at(times_s: NDArray[np.float64], fps: float, count: int) -> NDArray[np.intp]:
    """For each of `count` native frames the clip's frame that is shown at its moment; the last one stays."""
    # Containers write times in whole milliseconds: a frame due at 83.3 ms says 83 or 84.
    moments_s = np.arange(count) / fps + 0.001
    return np.clip(np.searchsorted(times_s, moments_s, side="right") - 1, 0, len(times_s) - 1)
