"""Which size, rate and length an LTX-2 model makes for a request: rates are part of what it is told."""

from __future__ import annotations

from dataclasses import replace

from rushes.catalogue.cards.ltx2 import PACE
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models.shape import native_of


def in_two_stages(request: ResolvedRequest, max_area: int) -> bool:
    """Whether this size takes a second stage, where there is one: more pixels than one pass makes well."""
    return request.width * request.height > max_area


def native_shape(
    request: ResolvedRequest,
    *,
    space: int,
    time: int,
    max_area: int,
    two_stages: bool = False,
    by: str = "",
    shrunk: int = 1,
) -> Native:
    """The native shape: sides in multiples of `space` pixels, 1 + n × `time` frames.

    With `two_stages` there, what is larger than `max_area` is made at half its sides first, and enlarged as latents;
    `by` is the LoRA that refines it. What is looked at `shrunk` times smaller each way has whole places too.
    """
    fps = PACE.rate(request.fps)
    if not (two_stages and in_two_stages(request, max_area)):
        return native_of(request, multiple=space * shrunk, time=time, fps=fps, max_area=max_area)
    made = native_of(request, multiple=2 * space * shrunk, time=time, fps=fps, max_area=4 * max_area)
    half = f"{made.width // 2}×{made.height // 2}"
    refined = f"refined by the LoRA {by}" if by else "refined"
    return replace(made, how=f"made at {half}; enlarged as latents to {made.width}×{made.height}, and {refined}")
