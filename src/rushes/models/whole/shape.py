"""Which size and length a pipeline makes for a request, by the factors that it carries under half a dozen names."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from rushes.catalogue.cards.whole import Pipeline
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models import shape

SPACE = ("vae_scale_factor_spatial", "vae_spatial_compression_ratio", "vae_spatial_scale_factor", "vae_scale_factor")
TIME = ("vae_scale_factor_temporal", "vae_temporal_compression_ratio", "vae_temporal_scale_factor")


@dataclass(frozen=True, slots=True)
class Grid:
    """Sides are whole multiples of `multiple` pixels. Frames are 1 + n × `time`, or any number, or `length` alone."""

    multiple: int
    time: int
    length: int | None


def space_of(pipe: Any) -> int:
    """The pixels to a latent place, each way."""
    return next((int(getattr(pipe, name)) for name in SPACE if hasattr(pipe, name)), 8)


def grid_of(pipe: Any, pipeline: Pipeline | None = None) -> Grid:
    space = space_of(pipe)
    time = next((int(getattr(pipe, name)) for name in TIME if hasattr(pipe, name)), 1)
    if getattr(pipe, "transformer", None) is not None:
        patch = _last(getattr(pipe.transformer.config, "patch_size", 1))
    else:
        # A network that halves its grid on the way down, and must come out even on the way up.
        patch = 2 ** (len(pipe.unet.config.block_out_channels) - 1)
    # Even sides: the file has one colour sample for two by two pixels.
    multiple = math.lcm(space * patch, 2)
    if pipeline is None:
        return Grid(multiple, time, None)
    return Grid(math.lcm(multiple, pipeline.multiple), time, pipeline.num_frames if pipeline.length_fixed else None)


def native_of(request: ResolvedRequest, grid: Grid, *, fps: int, max_area: int) -> Native:
    """The native shape at `fps`. A frame of more than `max_area` pixels is made smaller, in the asked shape."""
    area = max(max_area, grid.multiple**2)
    native = shape.native_of(request, multiple=grid.multiple, time=grid.time, fps=fps, max_area=area)
    return replace(native, num_frames=grid.length or native.num_frames)


def _last(patch: Any) -> int:
    return int(patch[-1] if isinstance(patch, list | tuple) else patch)
