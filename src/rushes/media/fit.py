"""Native frames brought to the asked size and frame rate, one at a time.

    native chunks (T, H, W, 3) → retime, where frames are still small → resize → frames (height, width, 3)

Everything on the way is integer arithmetic or FFmpeg code with its exact switches on, so the same frames give
the same bytes on any CPU and any number of cores.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from rushes.contract.artifact import Native
from rushes.errors import GenerationFailed
from rushes.media.resize import Resize
from rushes.media.retime import retime


def fit(
    chunks: Iterator[NDArray[np.uint8]], native: Native, width: int, height: int, fps: int, num_frames: int
) -> Iterator[NDArray[np.uint8]]:
    """Yield exactly `num_frames` RGB uint8 frames (height, width, 3) at `fps` from native chunks (T, H, W, 3).

    Output frame i shows the moment i / fps. Chunks are pulled as they are needed; at most a few native frames wait.
    Errors  GenerationFailed when the chunks are not what `native` announces, or end before the asked length.
    """
    resize = Resize(native.width, native.height, width, height)
    for frame in retime(frames_of(chunks, native), native.fps, native.num_frames, fps, num_frames):
        yield resize(frame)


def frames_of(chunks: Iterator[NDArray[np.uint8]], native: Native) -> Iterator[NDArray[np.uint8]]:
    """The native frames one by one, held against what the model announced."""
    height, width = native.height, native.width
    count = 0
    for chunk in chunks:
        if chunk.ndim != 4 or chunk.shape[1:] != (height, width, 3) or chunk.dtype != np.uint8:
            raise GenerationFailed(
                f"the model made {chunk.dtype} frames of shape {chunk.shape}, "
                f"announced were uint8 frames of shape (…, {height}, {width}, 3)"
            )
        count += len(chunk)
        if count > native.num_frames:
            raise GenerationFailed(f"the model made more frames than the {native.num_frames} it announced")
        yield from chunk
    if count < native.num_frames:
        raise GenerationFailed(f"the model made {count} frames of the {native.num_frames} it announced")
