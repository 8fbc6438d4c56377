"""Which size and length a latent model makes for a request: whole tokens and latent frames, no more than it learned."""

from __future__ import annotations

import math
from typing import Protocol

from rushes.catalogue.card import Weights
from rushes.catalogue.pace import num_made
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest


class Grid(Protocol):
    """Sides are whole multiples of `multiple` pixels; frames are 1 + n × `time`."""

    @property
    def multiple(self) -> int: ...
    @property
    def time(self) -> int: ...


def native_on(grid: Grid, weights: Weights, request: ResolvedRequest) -> Native:
    """The native shape on `grid`, at the rate and up to the size that `weights` were trained at."""
    return native_of(request, multiple=grid.multiple, time=grid.time, fps=weights.fps, max_area=weights.max_area)


def native_of(request: ResolvedRequest, *, multiple: int, time: int, fps: int, max_area: int) -> Native:
    """The native shape: sides in multiples of `multiple` pixels, 1 + n × `time` frames at `fps`.

    A frame of more than `max_area` pixels is made smaller, in the asked shape.
    """
    width, height = native_size(request.width, request.height, multiple, max_area)
    return Native(width=width, height=height, fps=fps, num_frames=num_made(request.seconds, fps, time))


def native_size(width: int, height: int, multiple: int, max_area: int) -> tuple[int, int]:
    """Sides in whole multiples for a frame of `width` × `height`, or for the largest of that shape within `max_area`.

    The one of which most is left after the fit to the asked shape, which cuts off what hangs over.
    """
    scale = min(1.0, math.sqrt(max_area / (width * height)))
    across, down = (side * scale / multiple for side in (width, height))
    around = [
        (cols, rows)
        for cols in (max(1, math.floor(across)), math.ceil(across))
        for rows in (max(1, math.floor(down)), math.ceil(down))
        if cols * rows * multiple * multiple <= max_area
    ]

    def left(size: tuple[int, int]) -> float:
        shapes = size[0] * height, size[1] * width
        return math.prod(size) * min(shapes) / max(shapes)

    # Of two that come to the same, the one nearer to the asked shape: rounded, because only in theory are they equal.
    cols, rows = max(around, key=lambda size: (round(left(size), 6), -math.prod(size)))
    return cols * multiple, rows * multiple
