"""Wan 2.7: text, image, reference and edit. Sizes by resolution and ratio, always 30 frames per second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rushes.catalogue.card import Choice, MediaRule, MediaRules, Rules, Span, Text
from rushes.catalogue.contracts.general import GUIDANCE, STEPS
from rushes.catalogue.sizes import WAN_TIERS, Sizes

# The quickstart says "several" and gives no figure; nine is what the same pages allow Seedance 2.0.
SEVERAL = 9
ONE = MediaRule(1)

_TEXT_TO_VIDEO = Rules(
    prompt=Text("required", max_chars=5_000),
    negative_prompt=Text("optional", max_chars=500),
    sizes=Sizes(tiers=WAN_TIERS),
    seconds=Span(2, 15, 5),
    fps=Choice((30,), 30),
    steps=STEPS,
    guidance_scale=GUIDANCE,
    generate_audio=True,  # the model makes its own sound where none is given
    media=MediaRules(audio_inputs=ONE),
)

_IMAGE_TO_VIDEO = replace(
    _TEXT_TO_VIDEO,
    media=MediaRules(frame_images=MediaRule(2, ("first", "last")), frame_videos=ONE, audio_inputs=ONE),
    needs=("media.frame_images", "media.frame_videos"),
)

_REFERENCE_TO_VIDEO = replace(
    _TEXT_TO_VIDEO,
    seconds=Span(2, 10, 5),
    generate_audio=False,
    media=MediaRules(reference_images=MediaRule(SEVERAL), reference_videos=MediaRule(SEVERAL)),
    needs=("media.reference_images", "media.reference_videos"),
)

_EDIT = replace(
    _REFERENCE_TO_VIDEO,
    media=MediaRules(source_video=ONE, reference_images=ONE),
    needs=("media.source_video",),
)

RULES: Mapping[str, Rules] = {
    "Wan-AI/wan2.7-t2v": _TEXT_TO_VIDEO,
    "Wan-AI/wan2.7-i2v": _IMAGE_TO_VIDEO,
    "Wan-AI/wan2.7-r2v": _REFERENCE_TO_VIDEO,
    "Wan-AI/wan2.7-videoedit": _EDIT,
}
