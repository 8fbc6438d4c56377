"""Which size Kandinsky 6 makes for a request: in one pass, or in two stages where what enlarges it is there."""

from __future__ import annotations

from dataclasses import replace

from rushes.catalogue.card import Weights
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models.kandinsky6.enlarger import Enlarger
from rushes.models.kandinsky6.layout import Layout
from rushes.models.shape import native_on

SCALED_AT_MOST = 1.5
"""Times what one pass makes well, each way: 720P. Further up the second stage, which makes two and a quarter of it, is
worth its minutes."""


def native_shape(layout: Layout, weights: Weights, request: ResolvedRequest) -> Native:
    """What comes out for `request`."""
    first = first_shape(layout, weights, request)
    enlarger = layout.enlarger
    if enlarger is None or not in_two_stages(layout, weights, request):
        return first
    made = replace(first, width=enlarger.enlarged(first.width), height=enlarger.enlarged(first.height))
    how = f"made at {first.width}×{first.height}; enlarged to {made.width}×{made.height} by super-resolution in tiles"
    return replace(made, how=how)


def first_shape(layout: Layout, weights: Weights, request: ResolvedRequest) -> Native:
    """What the first stage makes for `request`, which may be the only one."""
    native = native_on(layout, weights, request)
    enlarger = layout.enlarger
    if enlarger is None or not _large(weights, request):
        return native
    width, height = (_least(side, layout.multiple, enlarger) for side in (request.width, request.height))
    # Larger than it was trained at: the largest of that shape, and what comes out is scaled the little that it lacks.
    return replace(native, width=width, height=height) if width * height <= weights.max_area else native


def in_two_stages(layout: Layout, weights: Weights, request: ResolvedRequest) -> bool:
    """Whether `request` takes a second stage, and there is one."""
    if layout.enlarger is None or not _large(weights, request):
        return False
    first = first_shape(layout, weights, request)
    return layout.enlarger.takes(first.width, first.height)


def _large(weights: Weights, request: ResolvedRequest) -> bool:
    return request.width * request.height > SCALED_AT_MOST**2 * weights.max_area


def _least(side: int, multiple: int, enlarger: Enlarger) -> int:
    """The least side in whole multiples of which at least `side` comes."""
    least = multiple
    while enlarger.enlarged(least) < side:
        least += multiple
    return least
