"""Which size and length a Wan model makes for a request: whole tokens, whole latent frames, no more than it learned."""

from __future__ import annotations

import math

from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest


def native_of(request: ResolvedRequest, *, multiple: int, time: int, fps: int, max_area: int) -> Native:
    """The native shape: sides in multiples of `multiple` pixels, 1 + n × `time` frames at `fps`.

    A frame of more than `max_area` pixels is made smaller, in the asked shape.
    """
    width, height = native_size(request.width, request.height, multiple, max_area)
    wanted = max(1, math.ceil(round(request.seconds * fps, 6)))
    return Native(width=width, height=height, fps=fps, num_frames=1 + time * math.ceil((wanted - 1) / time))


def native_size(width: int, height: int, multiple: int, max_area: int) -> tuple[int, int]:
    """The multiples nearest to `width` × `height`, or to the largest frame of that shape within `max_area`."""
    scale = min(1.0, math.sqrt(max_area / (width * height)))
    cols, rows = (max(1, round(side * scale / multiple)) for side in (width, height))
    while cols * rows * multiple * multiple > max_area and max(cols, rows) > 1:
        # Rounding went over: the longer side gives way, where a step is the smaller change of shape.
        cols, rows = (cols - 1, rows) if cols >= rows else (cols, rows - 1)
    return cols * multiple, rows * multiple
