"""Whether a file is within what a card takes: at the door by its own word, in the worker by what was found in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rushes.catalogue.card import MediaRule
from rushes.catalogue.pace import num_shown
from rushes.contract.request import ResolvedRequest
from rushes.errors import InvalidValue, MediaRefused, MediaTooLarge, MediaTooNarrow, VideoTooLong, VideoTooShort
from rushes.media.limits import AudioLimits, ImageLimits, Limits, VideoLimits
from rushes.media.refusal import Refusal, error
from rushes.media.sniff import IMAGES, SOUNDS, Kind
from rushes.media.stated import Stated, stated
from rushes.media.timetable import Times, duration_s, native_count
from rushes.media.unfit import unfit

SHORT_BY_S = 0.05
"""How much longer a clip may turn out than its header says: some leave out how long their last frame stands."""
LONG_BY_S = 0.5
"""How much shorter: a header may count the last frame for as long as its maker liked, or the sound."""


def check_said(content: bytes, kind: Kind, rule: MediaRule, model: str, own_fps: float | None = None) -> Stated:
    """Refuse by its own word what would be refused once it is opened; else that word.

    `own_fps` is the rate of the model's own frames, where its card says it.
    Errors  MediaRefused, without `field`.
    """
    limits = image_limits(rule) if kind in IMAGES else sound_limits(rule) if kind in SOUNDS else video_limits(rule)
    if len(content) > limits.max_bytes:
        raise MediaTooLarge(given=f"{len(content)} bytes", allowed=f"up to {limits.max_bytes} bytes", model=model)
    said, fault = stated(content, kind), unfit(content, kind)
    if isinstance(limits, AudioLimits):
        _check_fault(fault, limits)
        _check_sound(said, limits)
    elif isinstance(limits, ImageLimits):
        _check_pixels(said, limits)
        _check_fault(fault, limits)
    else:
        _check_fault(fault, limits)
        _check_pixels(said, limits)
        if said.times_s is None:
            _check_about(said, rule, limits, model)
        else:
            _check_times(said.times_s, rule, limits, model, own_fps)
    if said.size is not None:
        check_shape(*said.size, rule, model)
    return said


def check_shape(width: int, height: int, rule: MediaRule, model: str) -> None:
    """Refuse a picture, or a clip's, that is narrower than the model can look at. Raises MediaTooNarrow."""
    if rule.max_aspect is not None and max(width, height) > rule.max_aspect * min(width, height):
        raise MediaTooNarrow(
            given=f"{width}x{height}",
            allowed=f"one side up to {rule.max_aspect:g} times as long as the other",
            model=model,
            hint="cut off what is not needed of the longer side",
        )


def check_length(lasts_s: float, rule: MediaRule, model: str) -> None:
    """Refuse a clip that is shorter than the model can look at. Raises VideoTooShort."""
    if rule.min_seconds is not None and lasts_s < rule.min_seconds:
        raise _too_short(lasts_s, rule, model)


def frames_at_least(said: Stated, own_fps: float) -> int:
    """How many frames at the model's own rate a clip fills, by its tables; no fewer, where only its header speaks."""
    if said.times_s is not None:
        return native_count(said.times_s, own_fps)
    return max(0, math.floor(((said.least_s or 0) - LONG_BY_S) * own_fps))


def check_beginning(num_begun: int, places: Sequence[int], request: ResolvedRequest, own_fps: float) -> None:
    """Refuse a clip to continue that leaves nothing to make, and keyframes inside it.

    The clip fills `num_begun` of the model's own frames; `places` are the keyframes' (`own_places`).
    Errors  VideoTooLong, InvalidValue, each with its field.
    """
    if num_begun >= num_shown(request.seconds, own_fps):
        raise VideoTooLong(
            field="media.frame_videos[0]",
            given=f"{num_begun / own_fps:.3g} seconds",
            allowed=f"less than the {request.seconds:g} seconds asked for, of which it is the beginning",
            model=request.made_by,
            hint="ask for more seconds, or send the end of the clip alone",
        )
    for item, place in enumerate(places):
        if place < num_begun:
            first = math.floor((num_begun - 0.5) * request.fps / own_fps) + 1
            raise InvalidValue(
                field=f"media.frame_images[{item}].frame",
                given=request.media.frame_images[item].frame,
                allowed=f"frames from {first} on",
                model=request.made_by,
                hint="before that stands the clip in media.frame_videos: move the image, or send less of the clip",
            )


def image_limits(rule: MediaRule) -> ImageLimits:
    """What a picture may be under `rule`; what that leaves open is this server's own."""
    limits = ImageLimits()
    return replace(limits, max_bytes=rule.max_bytes or limits.max_bytes)


def video_limits(rule: MediaRule) -> VideoLimits:
    """What a clip may be under `rule`; what that leaves open is this server's own."""
    limits = VideoLimits()
    return replace(
        limits, max_bytes=rule.max_bytes or limits.max_bytes, max_seconds=rule.max_seconds or limits.max_seconds
    )


def _check_fault(fault: Refusal | None, limits: Limits) -> None:
    if fault is not None:
        raise error(fault.code, fault.numbers, limits)


def _check_pixels(said: Stated, limits: ImageLimits | VideoLimits) -> None:
    width, height = said.size or (0, 0)
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        raise error("too_large", (width, height), limits)


def _check_times(times_s: Times, rule: MediaRule, limits: VideoLimits, model: str, own_fps: float | None) -> None:
    """As the decoder counts, and then whoever lays the clip over the model's frames."""
    until = times_s[: limits.max_frames + 1][-1]
    if until > limits.max_seconds:
        raise error("too_long", (duration_s(times_s, 0),), limits)
    if len(times_s) > limits.max_frames:
        raise error("too_many_frames", (), limits)
    if own_fps is not None:
        check_length(native_count(times_s, own_fps) / own_fps, rule, model)


def _check_about(said: Stated, rule: MediaRule, limits: VideoLimits, model: str) -> None:
    """By the length in the header, and so with some room."""
    if said.most_s is not None and said.most_s + SHORT_BY_S < (rule.min_seconds or 0):
        raise _too_short(said.most_s, rule, model)
    if said.least_s is not None and said.least_s > limits.max_seconds + LONG_BY_S:
        raise error("too_long", (said.least_s,), limits)


def _too_short(lasts_s: float, rule: MediaRule, model: str) -> MediaRefused:
    return VideoTooShort(
        given=f"{lasts_s:.3g} seconds",
        allowed=f"at least {rule.min_seconds:g} seconds",
        model=model,
        hint="send a longer part of it",
    )


def sound_limits(rule: MediaRule) -> AudioLimits:
    """What a sound may be under `rule`; what that leaves open is the hosted API's own."""
    limits = AudioLimits()
    return replace(
        limits,
        max_bytes=rule.max_bytes or limits.max_bytes,
        min_seconds=rule.min_seconds or limits.min_seconds,
        max_seconds=rule.max_seconds or limits.max_seconds,
    )


def _check_sound(said: Stated, limits: AudioLimits) -> None:
    if said.most_s is not None and said.most_s < limits.min_seconds - limits.tolerance_s:
        raise error("too_short", (round(said.most_s, 2),), limits)
    if said.least_s is not None and said.least_s > limits.max_seconds + limits.tolerance_s:
        raise error("too_long", (round(said.least_s, 2),), limits)
