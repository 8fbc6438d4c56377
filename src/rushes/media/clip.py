"""Inside the decode child: a video becomes RGB frames with the moment of each, and its sound where that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from rushes.media import hdr
from rushes.media.container import PCM_CODECS, PICTURE_CODECS, TRACK_CODECS, opened
from rushes.media.limits import AudioLimits, VideoLimits
from rushes.media.orientation import UPRIGHT, Orientation, of_matrix
from rushes.media.refusal import Refusal
from rushes.media.sniff import Kind
from rushes.media.sound import Track

EXACT = (
    Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""As in `encode`: without these the pixels depend on the kind of CPU."""

MATRICES = {
    1: Colorspace.ITU709,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
"""ITU-T H.273 matrix coefficients to swscale's names."""

HIGH_DEFINITION_ROWS = 720  # untagged pictures: BT.709 from here on, BT.601 below, as players guess

ODDEST_PIXEL = 4  # broadcast formats have pixels up to about 2:1; beyond this the tag is a mistake

FULL_RANGE = 2

Place = Callable[[int, int], NDArray[np.uint8]]
"""(height, width) of the next frame to the memory it goes to; raises Refusal where there is no room."""


def read_clip(
    file: Any, kind: Kind, limits: VideoLimits, place: Place
) -> tuple[list[float], tuple[NDArray[np.float32], int] | None]:
    """Put every frame of a video where `place` says; times in seconds from the first, and the sound.

    Frames are upright, with square pixels, full-range RGB. Two frames of one moment are one: the first.
    Errors  Refusal; anything that PyAV raises.
    """
    with opened(file, kind) as container:
        films = (one for one in container.streams.video if not one.disposition & Disposition.attached_pic)
        video = next(films, None)
        if video is None:
            raise Refusal("track")
        if video.codec_context is None or video.codec_context.name not in PICTURE_CODECS:
            raise Refusal("codec")
        _check_size(video.codec_context.width, video.codec_context.height, limits)
        video.codec_context.thread_count = 1
        audio = next(iter(container.streams.audio), None) if limits.sound else None
        if audio is not None:
            if audio.codec_context is None or audio.codec_context.name not in (*TRACK_CODECS, *PCM_CODECS):
                raise Refusal("codec")
            audio.codec_context.thread_count = 1
        picture, sound = _Picture(limits, place), _Accompaniment(limits)
        for packet in container.demux([stream for stream in (video, audio) if stream is not None]):
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    picture.add(frame, video.sample_aspect_ratio)
                elif isinstance(frame, av.AudioFrame):
                    sound.add(frame)
        if len(picture.times_s) <= picture.dropped:
            raise Refusal("undecodable")  # nothing there, or moments that mean nothing
        return picture.times_s, sound.from_moment(picture.began_s)


def _check_size(width: int, height: int, limits: VideoLimits) -> None:
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise Refusal("too_large", width, height)


class _Picture:
    """Frames on their way from the decoder to their place."""

    def __init__(self, limits: VideoLimits, place: Place) -> None:
        self._limits = limits
        self._place = place
        self._reformatter = VideoReformatter()
        self._coded: tuple[int, int] | None = None
        self._scaled = (0, 0)
        self._turn = UPRIGHT
        self.began_s = 0.0
        self.times_s: list[float] = []
        self.dropped = 0

    def add(self, frame: av.VideoFrame, pixel_aspect: Fraction | None) -> None:
        size = frame.width, frame.height
        if frame.pts is None:
            raise Refusal("undecodable")
        if self._coded is None:
            _check_size(*size, self._limits)
            self._coded, self._turn, self.began_s = size, _turn(frame), frame.time
            self._scaled = self._size_kept(*size, pixel_aspect)
        elif size != self._coded:
            raise Refusal("size_changes", *size)
        time_s = frame.time - self.began_s
        if self.times_s and time_s <= self.times_s[-1]:
            self.dropped += 1
            return
        if time_s > self._limits.max_seconds:
            raise Refusal("too_long")
        if len(self.times_s) == self._limits.max_frames:
            raise Refusal("too_many_frames")
        seen = self._turn.apply(self._rgb(frame))
        self._place(*seen.shape[:2])[:] = seen
        self.times_s.append(time_s)

    def _size_kept(self, width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
        """(width, height) before turning: square pixels, and not far more of them than the grid can use."""
        aspect = float(pixel_aspect or 1)
        wide = width * aspect if 1 / ODDEST_PIXEL <= aspect <= ODDEST_PIXEL else float(width)
        _check_size(round(wide), height, self._limits)
        if self._limits.grid is None:
            return max(1, round(wide)), height
        grid_width, grid_height = self._limits.grid[::-1] if self._turn.transposed else self._limits.grid
        scale = min(1.0, 2 * max(grid_width / wide, grid_height / height))
        return max(1, round(wide * scale)), max(1, round(height * scale))

    def _rgb(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        width, height = self._scaled
        smaller = width < frame.width or height < frame.height
        full = frame.color_range == FULL_RANGE or frame.format.is_rgb or frame.format.name.startswith("yuvj")
        guess = Colorspace.ITU709 if frame.height >= HIGH_DEFINITION_ROWS else Colorspace.ITU601
        bright = frame.color_trc in (hdr.PQ, hdr.HLG)
        rgb = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format="rgb48le" if bright else "rgb24",
            src_colorspace=MATRICES.get(frame.colorspace, guess),
            src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=(Interpolation.AREA if smaller else Interpolation.BICUBIC) | EXACT,
            threads=1,
        )
        if bright:
            return hdr.to_sdr(cast(NDArray[np.uint16], rgb.to_ndarray()), frame.color_trc)
        return cast(NDArray[np.uint8], rgb.to_ndarray())


def _turn(frame: av.VideoFrame) -> Orientation:
    matrix = cast(Any, frame.side_data).get("DISPLAYMATRIX")  # PyAV's own types know of no such entry
    return UPRIGHT if matrix is None else of_matrix(bytes(matrix))


class _Accompaniment:
    """The sound beside a picture; as long as the picture may be, and as short as it likes."""

    def __init__(self, limits: VideoLimits) -> None:
        # A track may begin before the picture and end after it; what is left of it is cut to the picture by `fit`.
        self._track = Track(replace(AudioLimits(), min_seconds=0.0, max_seconds=limits.max_seconds + 1.0))
        self._began_s: float | None = None

    def add(self, frame: av.AudioFrame) -> None:
        if self._began_s is None:
            self._began_s = frame.time if frame.pts is not None else 0.0
        self._track.add(frame)

    def from_moment(self, moment_s: float) -> tuple[NDArray[np.float32], int] | None:
        """Samples from `moment_s` on, so that sound and picture begin together; None where there is no sound."""
        if self._began_s is None:
            return None
        samples, rate_hz = self._track.whole()
        late = round((self._began_s - moment_s) * rate_hz)
        if late > 0:
            return np.concatenate([np.zeros((min(late, 60 * rate_hz), 2), np.float32), samples]), rate_hz
        return samples[-late:], rate_hz
