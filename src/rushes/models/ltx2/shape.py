"""Which size, rate and length an LTX-2 model makes for a request: rates are part of what it is told."""

from __future__ import annotations

from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models.shape import native_of

SLOWEST, SLOW, FAST = 24, 30, 60
"""Frames a second that it was trained around: 24 to 30, and 60. Between and below, motion stutters at the borders of
latent frames, because each of these covers a stretch of time that it never saw."""


def native_rate(fps: int) -> int:
    """The trained rate to make a film of `fps` frames a second at; the same wherever it was trained around it."""
    return max(fps, SLOWEST) if fps <= SLOW else FAST


def native_shape(request: ResolvedRequest, *, space: int, time: int, max_area: int) -> Native:
    """The native shape: sides in multiples of `space` pixels, 1 + n × `time` frames."""
    return native_of(request, multiple=space, time=time, fps=native_rate(request.fps), max_area=max_area)
