"""How large, how long and how costly a foreign file may be."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """A 40-megapixel image is 120 MB of pixels; a side of 12,000 lets panoramas through."""

    max_bytes: int = 30 * MIB
    max_pixels: int = 40_000_000
    max_side: int = 12_000
    max_scans: int = 64
    """Of a progressive JPEG: each is a pass over the whole image, and 6,000 of them fit into 120 kB."""


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """8.9 megapixels hold 4K; the file's own word for how long it is counts for nothing, frames are counted.

    `grid`   (width, height) that the frames are going to be fitted to: larger frames come scaled down, though never
             to less than twice what covers the grid, so that the last and finest step is left to `fit`.
    `sound`  whether the sound track is wanted too.
    """

    max_bytes: int = 200 * MIB
    max_pixels: int = 8_900_000
    max_side: int = 8192
    max_seconds: float = 60.0
    max_frames: int = 1800
    max_result_bytes: int = 1024 * MIB
    grid: tuple[int, int] | None = None
    sound: bool = False


@dataclass(frozen=True, slots=True)
class AudioLimits:
    """The hosted API's own: WAV or MP3, 3 to 30 seconds, up to 15 MB. `tolerance_s` is for what encoders add or cut."""

    max_bytes: int = 15 * MIB
    min_seconds: float = 3.0
    max_seconds: float = 30.0
    min_rate_hz: int = 8_000
    max_rate_hz: int = 192_000
    max_channels: int = 8
    tolerance_s: float = 0.05


Limits = ImageLimits | VideoLimits | AudioLimits


@dataclass(frozen=True, slots=True)
class Cost:
    """What one decode may take. `memory_bytes` is for the decoder's own work, on top of the file and the result."""

    processor_s: int = 10
    wall_s: float = 15.0
    memory_bytes: int = 1536 * MIB


MAX_STREAMS = 8
"""Of a file that is opened: cameras write up to five."""

AT_ONCE = 2
"""Children of one worker at a time: more would only share its cores, and each may take its whole memory."""
