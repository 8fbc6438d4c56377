"""A look at a few frames, small enough to send again and again."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

LONGEST_SIDE = 320
QUALITY = 60  # of 100; a look is not a file to keep
MEDIA_TYPE = "image/webp"


def thumbnail(frames_THWC: NDArray[np.uint8], fps: float) -> bytes:
    """The frames, uint8 RGB, as one small WebP that plays over and over. Raises `ValueError` where that fails."""
    try:
        return _encoded(frames_THWC, fps)
    except av.error.FFmpegError as error:
        raise ValueError("these frames make no picture") from error


def _encoded(frames_THWC: NDArray[np.uint8], fps: float) -> bytes:
    num_frames, height, width, _ = frames_THWC.shape
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    small = max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webp", options={"loop": "0"}) as container:
        stream = container.add_stream("libwebp_anim", rate=Fraction(fps).limit_denominator(1000))
        stream.width, stream.height = small
        stream.pix_fmt = "yuv420p"
        stream.options = {"quality": str(QUALITY), "compression_level": "1"}
        for index in range(num_frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frames_THWC[index]), format="rgb24")
            frame.pts = index
            container.mux(stream.encode(frame.reformat(*small, format="yuv420p")))
        container.mux(stream.encode(None))
    return buffer.getvalue()
