"""Foreign files, made in memory: what a client would send, and what comes out of them again."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Frames = NDArray[np.uint8]

COLOURS = {"red": (220, 30, 40), "green": (20, 180, 60), "blue": (30, 60, 210), "grey": (120, 120, 120)}


def corners(width: int = 48, height: int = 32) -> Frames:
    """(H, W, 3): red, green, blue and grey quarters, from the top left to the bottom right."""
    picture = np.zeros((height, width, 3), np.uint8)
    rows, columns = (slice(0, height // 2), slice(height // 2, None)), (slice(0, width // 2), slice(width // 2, None))
    for index, colour in enumerate(COLOURS.values()):
        picture[rows[index // 2], columns[index % 2]] = colour
    return picture


def corner_names(picture: Frames) -> list[str]:
    """Which colour stands in each corner, from the top left to the bottom right."""
    height, width = picture.shape[:2]
    named = []
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            found = picture[y, x].astype(int)
            named.append(min(COLOURS, key=lambda name: int(np.abs(found - COLOURS[name]).sum())))
    return named


def image(picture: Frames | Image.Image, file_format: str, **options: Any) -> bytes:
    file = BytesIO()
    source = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    source.save(file, file_format, **options)
    return file.getvalue()


def film(
    frames: Sequence[Frames],
    container_format: str = "mp4",
    codec: str = "libx264",
    *,
    times_ms: Sequence[int] | None = None,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    pixel_aspect: Fraction | None = None,
    sound: NDArray[np.float32] | None = None,
    sound_codec: str = "aac",
) -> bytes:
    """A video of RGB frames, 25 a second unless `times_ms` says when each begins; BT.709, tagged as that."""
    file = BytesIO()
    height, width = frames[0].shape[:2]
    with av.open(file, "w", format=container_format, options=container_options or {}) as container:
        stream = cast(av.VideoStream, container.add_stream(codec, 25, options={"threads": "1"} | (options or {})))
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, pix_fmt
        context.time_base = stream.time_base = Fraction(1, 1000)
        context.colorspace, context.color_range = 1, 1
        context.color_primaries = context.color_trc = 1
        if pixel_aspect is not None:
            context.sample_aspect_ratio = pixel_aspect
        track = None
        if sound is not None:
            track = cast(av.AudioStream, container.add_stream(sound_codec, 48_000, layout="stereo"))
        for index, frame in enumerate(frames):
            rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            yuv = rgb.reformat(format=pix_fmt, src_color_range=2, dst_color_range=1, dst_colorspace=1)
            yuv.pts = index * 40 if times_ms is None else times_ms[index]
            yuv.time_base = Fraction(1, 1000)
            container.mux(stream.encode(yuv))
        container.mux(stream.encode(None))
        if track is not None and sound is not None:
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout="stereo")
            block.sample_rate, block.pts, block.time_base = 48_000, 0, Fraction(1, 48_000)
            container.mux(track.encode(block))
            container.mux(track.encode(None))
    return file.getvalue()


def tone(seconds: float, rate_hz: int = 48_000, channels: int = 2, pitch_hz: float = 440.0) -> NDArray[np.float32]:
    """(n, channels): a sine at half of full scale; each channel half as loud as the one before."""
    moments = np.arange(round(seconds * rate_hz)) / rate_hz
    one = 0.5 * np.sin(2 * np.pi * pitch_hz * moments)
    return np.stack([one / 2**channel for channel in range(channels)], axis=1).astype(np.float32)


def wav(samples: NDArray[np.float32], rate_hz: int = 48_000) -> bytes:
    """16-bit PCM."""
    file = BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(np.rint(samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def sound(
    samples: NDArray[np.float32], rate_hz: int, container_format: str, codec: str, layout: str = "stereo"
) -> bytes:
    """One encoded sound file; `samples` have as many channels as `layout` says."""
    file = BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = cast(av.AudioStream, container.add_stream(codec, rate_hz, layout=layout))
        wanted = stream.codec_context.format.name
        planar = np.ascontiguousarray(samples.T)
        block = av.AudioFrame.from_ndarray(planar, format="fltp", layout=layout)
        block.sample_rate, block.pts, block.time_base = rate_hz, 0, Fraction(1, rate_hz)
        for part in av.AudioResampler(wanted, layout, rate_hz).resample(block):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()
