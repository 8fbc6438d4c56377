"""Kling: some ids take words, a first frame or both; three take keyframes and no words at all.

The general page says that Kling needs keyframes instead of a prompt; the older per-model table says so of
2.1 standard, 2.1 pro and 1.6 pro only. The table is followed, because it is the more precise of the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rushes.catalogue.card import Choice, MediaRule, MediaRules, Rules, Text
from rushes.catalogue.contracts.general import GUIDANCE, STEPS
from rushes.catalogue.sizes import Size, Sizes

_FULL = Sizes(pairs=(Size(1920, 1080), Size(1080, 1080), Size(1080, 1920)), default=Size(1920, 1080))
_HALF = Sizes(pairs=(Size(1280, 720), Size(720, 720), Size(720, 1280)), default=Size(1280, 720))

_FIRST = MediaRules(frame_images=MediaRule(1, ("first",)))
_FIRST_AND_LAST = MediaRules(frame_images=MediaRule(2, ("first", "last")))

_WORDS_OR_FRAME = Rules(
    prompt=Text("optional", min_chars=2, max_chars=2_500),
    negative_prompt=Text("optional", max_chars=2_500),  # taken by the family; no page gives its own limit
    sizes=_FULL,
    seconds=Choice((5,), 5),
    fps=Choice((24,), 24),
    steps=STEPS,
    guidance_scale=GUIDANCE,
    media=_FIRST,
    needs=("prompt", "media.frame_images"),
)

_FRAMES_ONLY = replace(
    _WORDS_OR_FRAME,
    prompt=Text("refused"),
    negative_prompt=Text("refused"),
    needs=("media.frame_images",),
)

RULES: Mapping[str, Rules] = {
    "kwaivgI/kling-2.1-master": _WORDS_OR_FRAME,
    "kwaivgI/kling-2.1-standard": _FRAMES_ONLY,
    "kwaivgI/kling-2.1-pro": replace(_FRAMES_ONLY, media=_FIRST_AND_LAST),
    "kwaivgI/kling-2.0-master": replace(_WORDS_OR_FRAME, sizes=_HALF),
    "kwaivgI/kling-1.6-standard": replace(_WORDS_OR_FRAME, fps=Choice((24, 30), 24)),
    "kwaivgI/kling-1.6-pro": _FRAMES_ONLY,
}
