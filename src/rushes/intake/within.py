"""Whether a file is within what a card takes: at the door by its own word, in the worker by what was found in it."""

from __future__ import annotations

from dataclasses import replace

from rushes.catalogue.card import MediaRule
from rushes.errors import MediaRefused, MediaTooNarrow, VideoTooLong, VideoTooShort
from rushes.media.limits import AudioLimits, ImageLimits, VideoLimits
from rushes.media.refusal import error
from rushes.media.sniff import IMAGES, SOUNDS, VIDEOS, Kind
from rushes.media.stated import Stated, stated

SHORT_BY_S = 0.05
"""How much longer a clip may turn out than it says: some leave out how long their last frame stands."""
LONG_BY_S = 0.5
"""How much shorter it may count: clips are measured to where the last frame begins, and fitted to a model's rate."""


def check_said(content: bytes, kind: Kind, rule: MediaRule, model: str) -> Stated:
    """Refuse by its own word what would be refused once it is opened; else that word.

    Errors  MediaRefused, without `field`.
    """
    said = stated(content, kind)
    if said.size is not None:
        check_shape(*said.size, rule, model)
        limits = ImageLimits() if kind in IMAGES else VideoLimits()
        if said.size[0] * said.size[1] > limits.max_pixels or max(said.size) > limits.max_side:
            raise error("too_large", said.size, limits)
    if kind in VIDEOS:
        longest_s = rule.max_seconds or VideoLimits().max_seconds
        if said.most_s is not None and said.most_s + SHORT_BY_S < (rule.min_seconds or 0):
            raise _too_short(said.most_s, rule, model)
        if said.least_s is not None and said.least_s > longest_s + LONG_BY_S:
            raise error("too_long", (said.least_s,), VideoLimits(max_seconds=longest_s))
    elif kind in SOUNDS:
        _check_sound(said, sound_limits(rule))
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


def check_leaves_some(lasts_s: float, asked_s: float, model: str) -> None:
    """Refuse a clip to continue that the door knows to be all of the video. Raises VideoTooLong."""
    if lasts_s > asked_s + LONG_BY_S:
        raise nothing_left(lasts_s, asked_s, model)


def nothing_left(lasts_s: float, asked_s: float, model: str) -> VideoTooLong:
    return VideoTooLong(
        given=f"{lasts_s:.3g} seconds",
        allowed=f"less than the {asked_s:g} seconds asked for, of which it is the beginning",
        model=model,
        hint="ask for more seconds, or send the end of the clip alone",
    )


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
