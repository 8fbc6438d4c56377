"""Inside the decode child: a sound becomes stereo samples at its own rate."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from rushes.media.container import opened
from rushes.media.limits import AudioLimits
from rushes.media.refusal import Refusal
from rushes.media.sniff import Kind

SOUND_CODECS = {Kind.WAV: ("pcm_",), Kind.MP3: ("mp3", "mp3float")}

FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31}
"""What -1.0 is in each of the integer sample formats; the unsigned one is silent at that value."""

SIDE_GAIN = 0.5**0.5  # ITU-R BS.775: what is not left or right goes to both, three decibels down


def read_sound(file: Any, kind: Kind, limits: AudioLimits) -> tuple[NDArray[np.float32], int]:
    """Samples (n, 2) from -1 to 1, and their rate in Hz.

    Errors  Refusal; anything that PyAV raises.
    """
    with opened(file, kind) as container:
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            raise Refusal("track")
        if stream.codec_context is None or not stream.codec_context.name.startswith(SOUND_CODECS[kind]):
            raise Refusal("codec")
        stream.codec_context.thread_count = 1
        track = Track(limits)
        for packet in container.demux(stream):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    track.add(frame)
        return track.whole()


class Track:
    """Decoded sound as it comes in, held against the limits at every block."""

    def __init__(self, limits: AudioLimits) -> None:
        self._limits = limits
        self._blocks: list[NDArray[np.float32]] = []
        self._count = 0
        self.rate_hz = 0

    def add(self, frame: av.AudioFrame) -> None:
        names = [channel.name for channel in frame.layout.channels]
        rate_hz = frame.sample_rate
        low, high = self._limits.min_rate_hz, self._limits.max_rate_hz
        if not low <= rate_hz <= high or not 1 <= len(names) <= self._limits.max_channels:
            raise Refusal("rate", rate_hz, len(names))
        if self._blocks and rate_hz != self.rate_hz:
            raise Refusal("undecodable")
        self.rate_hz = rate_hz
        block = stereo(samples_of(frame, len(names)), names)
        if not np.isfinite(block).all():
            raise Refusal("not_finite")
        self._blocks.append(np.clip(block, -1.0, 1.0))
        self._count += len(block)
        if self._count > (self._limits.max_seconds + self._limits.tolerance_s) * rate_hz:
            raise Refusal("too_long")

    def whole(self) -> tuple[NDArray[np.float32], int]:
        if not self._blocks:
            raise Refusal("undecodable")
        if self._count < (self._limits.min_seconds - self._limits.tolerance_s) * self.rate_hz:
            raise Refusal("too_short", round(self._count / self.rate_hz, 2))
        return np.concatenate(self._blocks), self.rate_hz


def samples_of(frame: av.AudioFrame, channels: int) -> NDArray[np.float32]:
    """(n, channels), full scale at -1 and 1; whatever the file held, NaN included."""
    array = frame.to_ndarray()
    planar = array if frame.format.is_planar else array.reshape(-1, channels).T
    name = frame.format.name.removesuffix("p")
    if name in ("flt", "dbl"):
        with np.errstate(over="ignore"):  # a double beyond the range becomes infinite, and is refused as that
            return planar.T.astype(np.float32)
    scale = FULL_SCALE[name]
    offset = scale if name == "u8" else 0
    return ((planar.T.astype(np.float64) - offset) / scale).astype(np.float32)


def stereo(samples: NDArray[np.float32], names: list[str]) -> NDArray[np.float32]:
    """(n, channels) to (n, 2). One channel goes to both sides as it is; more than two are mixed and never clip."""
    if len(names) == 1:
        return np.repeat(samples, 2, axis=1)
    if len(names) == 2:
        return samples
    gains = np.array([_gains(name) for name in names])
    gains /= max(1.0, gains.sum(axis=0).max())
    with np.errstate(over="ignore", invalid="ignore"):
        mixed: NDArray[np.float32] = (samples @ gains).astype(np.float32)
    return mixed


def _gains(name: str) -> tuple[float, float]:
    """Of one channel, to the left and to the right; the effects channel is left out, as it is everywhere."""
    if name.startswith("LFE"):
        return 0.0, 0.0
    gain = 1.0 if name in ("FL", "FR") else SIDE_GAIN
    if name.endswith("L"):
        return gain, 0.0
    if name.endswith("R"):
        return 0.0, gain
    return SIDE_GAIN, SIDE_GAIN
