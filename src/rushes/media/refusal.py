"""What a decode child may say when it refuses a file, and the error that this becomes outside.

The child sends a word and a few numbers; the sentence is made out here. So nothing that a library wrote, and nothing
that a broken child would rather say, reaches an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from rushes.errors import (
    AudioTooLong,
    AudioTooShort,
    AudioUndecodable,
    AudioUnsupported,
    ImageTooLarge,
    ImageUndecodable,
    MediaRefused,
    MediaTooComplex,
    UnsupportedMediaType,
    VideoSizeChanges,
    VideoTooLarge,
    VideoTooLong,
    VideoTooManyFrames,
    VideoUndecodable,
)
from rushes.media.limits import AudioLimits, ImageLimits, Limits, VideoLimits

MAX_NUMBERS = 4

VIDEO_CODECS_SHOWN = "H.264, HEVC, VP8, VP9, AV1, MPEG-4 or Motion JPEG"
AUDIO_CODECS_SHOWN = "PCM in WAV, or MP3"


class Refusal(Exception):
    """Raised inside the child: `code` is one that `error` knows, `numbers` what was found."""

    def __init__(self, code: str, *numbers: float) -> None:
        super().__init__(code)
        self.code = code
        self.numbers = numbers


def size(numbers: Sequence[float]) -> str | None:
    return f"{numbers[0]:.0f}x{numbers[1]:.0f} pixels" if len(numbers) > 1 else None


def pixels(limits: ImageLimits | VideoLimits) -> str:
    return f"up to {limits.max_pixels / 1e6:g} million pixels, and up to {limits.max_side} a side"


def one(numbers: Sequence[float], unit: str) -> str | None:
    return f"{numbers[0]:.4g} {unit}" if numbers else None


def rate(numbers: Sequence[float]) -> str | None:
    return f"{numbers[0]:.0f} Hz with {numbers[1]:.0f} channels" if len(numbers) > 1 else None


def _seconds(limits: AudioLimits) -> str:
    return f"{limits.min_seconds:g} to {limits.max_seconds:g} seconds"


def _tracks(limits: Limits) -> str:
    return AUDIO_CODECS_SHOWN if isinstance(limits, AudioLimits) else VIDEO_CODECS_SHOWN


def error(code: str, numbers: Sequence[float], limits: Limits) -> MediaRefused:
    """The error behind what a child said; a word that no child of ours says is damage."""
    match code, limits:
        case "codec", _:
            return UnsupportedMediaType(given="a codec that is not taken", allowed=_tracks(limits))
        case "track", _:
            return UnsupportedMediaType(given="a file without such a track", allowed=_tracks(limits))
        case "complex", ImageLimits() if numbers:
            return MediaTooComplex(given=one(numbers, "scans"), allowed=f"up to {limits.max_scans} scans")
        case "complex", _:
            return MediaTooComplex(hint="send a smaller, shorter or simpler file")
        case "too_large", ImageLimits():
            return ImageTooLarge(given=size(numbers), allowed=pixels(limits))
        case "too_large", VideoLimits():
            return VideoTooLarge(given=size(numbers), allowed=pixels(limits))
        case "too_long", VideoLimits():
            return VideoTooLong(given=one(numbers, "seconds"), allowed=f"up to {limits.max_seconds:g} seconds")
        case "too_long", AudioLimits():
            return AudioTooLong(given=one(numbers, "seconds"), allowed=_seconds(limits))
        case "too_short", AudioLimits():
            return AudioTooShort(given=one(numbers, "seconds"), allowed=_seconds(limits))
        case "too_many_frames", VideoLimits():
            return VideoTooManyFrames(allowed=f"up to {limits.max_frames} frames")
        case "size_changes", VideoLimits():
            return VideoSizeChanges(given=size(numbers[:2]), allowed="one size throughout")
        case "rate", _:
            bounds = limits if isinstance(limits, AudioLimits) else AudioLimits()  # a video's sound keeps to them too
            return AudioUnsupported(
                given=rate(numbers),
                allowed=f"{bounds.min_rate_hz} to {bounds.max_rate_hz} Hz, 1 to {bounds.max_channels} channels",
            )
        case "not_finite", AudioLimits():
            return AudioUndecodable(given="samples that are no numbers", allowed="finite samples")
    if isinstance(limits, ImageLimits):
        return ImageUndecodable()
    return VideoUndecodable() if isinstance(limits, VideoLimits) else AudioUndecodable()
