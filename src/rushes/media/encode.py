"""Frames in, one finished file out: MP4 (H.264, AAC) or WEBM (VP9, Opus).

Same frames, same settings and same PyAV wheel give the same bytes, whatever the machine's core count.
What that costs is said beside each setting. Frames are pulled one at a time, so memory stays at what the
encoder looks ahead.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

from rushes.errors import GenerationFailed, InvalidValue, StorageUnavailable
from rushes.failpoints import failpoint

AUDIO_RATE_HZ = 48_000

ENCODER_THREADS = 4
"""x264 writes other bytes for every thread count, and "auto" follows the cores: so fixed, on one core too."""

KEYFRAME_EVERY_S = 2  # a player seeks to keyframes only

EXACT = (
    Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""Without these swscale takes other short cuts, and gives other pixels, on each kind of CPU."""

HASH_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """A finished file on local disk, flushed. `sha256` is of the whole file, in hexadecimal."""

    path: Path
    size_bytes: int
    sha256: str
    width: int
    height: int
    fps: int
    num_frames: int
    duration_s: float
    content_type: str
    has_audio: bool


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a file: container, codecs, and the encoder options at a given quality."""

    muxer: str
    content_type: str
    video_codec: str
    audio_codec: str
    audio_bit_rate: int
    muxer_options: Mapping[str, str]


FORMATS = {
    "MP4": Format(
        muxer="mp4",
        content_type="video/mp4",
        video_codec="libx264",
        audio_codec="aac",
        audio_bit_rate=192_000,
        # faststart: the index goes to the front, so that a browser plays before it has the whole file.
        # bitexact: no muxer version string in the file.
        muxer_options={"movflags": "+faststart", "fflags": "+bitexact"},
    ),
    "WEBM": Format(
        muxer="webm",
        content_type="video/webm",
        video_codec="libvpx-vp9",
        audio_codec="libopus",
        audio_bit_rate=128_000,
        # bitexact: the muxer would draw random track and segment ids.
        muxer_options={"fflags": "+bitexact"},
    ),
}


def crf(output_format: str, output_quality: int) -> int:
    """The encoder's constant rate factor for an `output_quality` of 0 (best) to 51 (smallest).

    H.264 takes the number as it is, but for 0: x264 then goes lossless, which needs a profile browsers do not play.
    VP9's scale is longer; this line meets x264's SSIM at the default of 20 within what content allows.
    """
    if output_format == "MP4":
        return min(max(output_quality, 1), 51)
    return min(max(round(6 + 1.25 * output_quality), 1), 63)


def video_options(output_format: str, output_quality: int, fps: int, preset: str) -> dict[str, str]:
    common = {
        "crf": str(crf(output_format, output_quality)),
        "threads": str(ENCODER_THREADS),
        "g": str(KEYFRAME_EVERY_S * fps),
        "flags": "+bitexact",
    }
    if output_format == "MP4":
        # cpu-independent: x264's assembly otherwise decides by the CPU it finds; the switch costs no time.
        return common | {"preset": preset, "profile": "high", "x264-params": "cpu-independent=1:log-level=none"}
    return common | {"b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1", "tile-columns": "2"}


def encode(
    frames: Iterator[NDArray[np.uint8]],
    path: Path,
    *,
    width: int,
    height: int,
    fps: int,
    num_frames: int,
    output_format: str,
    output_quality: int,
    metadata: Mapping[str, Any],
    audio: NDArray[np.float32] | None = None,
    preset: str = "veryfast",
) -> EncodedFile:
    """Write exactly `num_frames` frames at constant `fps` to `path`; nothing is left behind on any error.

    frames    RGB uint8 (height, width, 3), full range, taken lazily.
    audio     float32 (samples, 2) at 48 kHz, -1 to 1; cut, or padded with silence, to the length of the picture.
    metadata  stored as one JSON value under `comment`, the key both containers keep.
    Errors    GenerationFailed when the frames are not what was promised; InvalidValue for an unknown format;
              StorageUnavailable when the disk is full or fails; whatever `frames` raises, unchanged.
    """
    chosen = FORMATS.get(output_format)
    if chosen is None:
        raise InvalidValue(field="output_format", given=output_format, allowed=", ".join(FORMATS))
    if output_format == "MP4" and (width % 2 or height % 2):
        raise InvalidValue(
            field="width and height",
            given=f"{width}x{height}",
            allowed="even numbers",
            hint="H.264 stores colour at half size; WEBM takes odd sizes",
        )
    partial = path.with_name(f"{path.name}.partial")
    try:
        with _created(partial, chosen) as container:
            container.metadata["comment"] = json.dumps(dict(metadata), sort_keys=True, separators=(",", ":"))
            video = cast(
                av.VideoStream,
                container.add_stream(
                    chosen.video_codec, fps, options=video_options(output_format, output_quality, fps, preset)
                ),
            )
            _describe_picture(video, width, height, fps)
            sound = None if audio is None else _Sound(container, chosen, _cut_to_picture(audio, num_frames, fps))
            picture = _Picture(width, height)
            count = 0
            for array in frames:
                if count == num_frames:
                    raise GenerationFailed(f"the model made more frames than the {num_frames} it promised")
                with _writing():
                    container.mux(video.encode(picture.to_yuv(array, count, fps)))
                    count += 1
                    failpoint("writing")
                    if sound is not None:
                        sound.write_until(Fraction(count, fps))
            if count < num_frames:
                raise GenerationFailed(f"the model made {count} frames of the {num_frames} it promised")
            with _writing():
                container.mux(video.encode(None))
                if sound is not None:
                    sound.finish()
        failpoint("written")
        with _writing():
            size_bytes, sha256 = _flush_and_hash(partial)
            partial.replace(path)
        failpoint("flushed")
    except BaseException:
        with suppress(OSError):  # it was never made, or the disk fails: what went wrong before matters more
            partial.unlink()
        raise
    return EncodedFile(
        path=path,
        size_bytes=size_bytes,
        sha256=sha256,
        width=width,
        height=height,
        fps=fps,
        num_frames=num_frames,
        duration_s=num_frames / fps,
        content_type=chosen.content_type,
        has_audio=audio is not None,
    )


@contextmanager
def _created(path: Path, chosen: Format) -> Iterator[av.container.OutputContainer]:
    """The container at `path`, complete when the block ends well."""
    with _writing():
        container = av.open(str(path), "w", format=chosen.muxer, options=dict(chosen.muxer_options))
    try:
        yield container
    except BaseException:
        with suppress(OSError):  # closing writes the index; what went wrong before matters more
            container.close()
        raise
    with _writing():
        container.close()


@contextmanager
def _writing() -> Iterator[None]:
    """Only around what writes: a model that cannot read its weights raises the same kind of error."""
    try:
        yield
    except OSError as error:  # PyAV's own, for an error number of the system, is one too
        raise StorageUnavailable(f"the video could not be written: {error.strerror}") from error


def _describe_picture(video: av.VideoStream, width: int, height: int, fps: int) -> None:
    context = video.codec_context
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, fps)
    # Players guess the colour matrix from the picture's size where these are missing, each in its own way.
    context.colorspace = 1
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    context.color_range = ColorRange.MPEG


class _Picture:
    """Turns RGB arrays into tagged BT.709 limited-range 4:2:0 frames; keeps the scaler between frames."""

    def __init__(self, width: int, height: int) -> None:
        self._shape = (height, width, 3)
        self._reformatter = VideoReformatter()

    def to_yuv(self, array: NDArray[np.uint8], index: int, fps: int) -> av.VideoFrame:
        if array.shape != self._shape or array.dtype != np.uint8:
            raise GenerationFailed(
                f"frame {index} is {array.dtype} of shape {array.shape}, promised was uint8 of {self._shape}"
            )
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format="rgb24")
        # Left to itself swscale converts with BT.601 numbers, up to 28 code values off in luma, and tags nothing.
        yuv = self._reformatter.reformat(
            rgb,
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            interpolation=Interpolation.BICUBIC | EXACT,
            threads=1,  # the threads of the encoder are busy already
        )
        yuv.color_trc = ColorTrc.BT709
        yuv.color_primaries = ColorPrimaries.BT709
        yuv.pts = index
        yuv.time_base = Fraction(1, fps)
        return yuv


def _cut_to_picture(audio: NDArray[np.float32], num_frames: int, fps: int) -> NDArray[np.float32]:
    """`audio` at exactly the picture's length: (samples, 2) in, (2, samples) out."""
    if audio.ndim != 2 or audio.shape[1] != 2 or not np.isfinite(audio).all():
        raise GenerationFailed(f"sound must be finite float32 of shape (samples, 2), the model made {audio.shape}")
    num_samples = round(Fraction(num_frames * AUDIO_RATE_HZ, fps))
    exact = np.zeros((2, num_samples), dtype=np.float32)
    kept = audio[:num_samples]
    exact[:, : len(kept)] = np.clip(kept.T, -1.0, 1.0)
    return exact


class _Sound:
    """The sound track, written in step with the picture, so that the order of packets is always the same."""

    def __init__(self, container: av.container.OutputContainer, chosen: Format, samples: NDArray[np.float32]) -> None:
        self._container = container
        self._samples = samples
        self._written = 0
        self._stream = cast(av.AudioStream, container.add_stream(chosen.audio_codec, AUDIO_RATE_HZ))
        context = self._stream.codec_context
        context.layout = "stereo"
        context.bit_rate = chosen.audio_bit_rate
        context.options = {"flags": "+bitexact"}

    def write_until(self, time_s: Fraction) -> None:
        end = min(round(time_s * AUDIO_RATE_HZ), self._samples.shape[1])
        if end == self._written:
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(self._samples[:, self._written : end]), format="fltp", layout="stereo"
        )
        frame.sample_rate = AUDIO_RATE_HZ
        frame.pts = self._written
        frame.time_base = Fraction(1, AUDIO_RATE_HZ)
        self._container.mux(self._stream.encode(frame))
        self._written = end

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))


def _flush_and_hash(path: Path) -> tuple[int, str]:
    """Bring the file to the disk, then read it back: size in bytes and SHA-256."""
    digest = hashlib.sha256()
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
        return file.tell(), digest.hexdigest()
