"""Wan-Animate-2's published checkpoints: limits and defaults as their makers state them."""

from __future__ import annotations

from functools import partial

from rushes.catalogue.card import Advised, Card, MediaRule, MediaRules, Rules, Span, Text, Weights
from rushes.catalogue.sizes import open_sizes

MIB = 1 << 20
GB = 10**9

ADAPTER = "rushes.models.animate2.adapter:AnimateAdapter"
CHECK = "rushes.models.animate2.layout:check"

AUGUST_2026 = 1_785_974_400

_RULES = Rules(
    prompt=Text("optional"),
    negative_prompt=Text("optional"),
    sizes=open_sizes(640, 800),
    seconds=Span(1, 60, 5),  # any number of segments, one after the other
    fps=Span(8, 60, 24),
    steps=Span(1, 100, 40),
    guidance_scale=Span(1, 20, 3.0),  # 1 is none: one pass a step instead of two
    media=MediaRules(
        frame_images=MediaRule(1, ("first",), needed=("first",), max_bytes=30 * MIB),
        source_video=MediaRule(1, max_bytes=200 * MIB, max_seconds=60),
    ),
    needs=("media.source_video",),
    # 512 pieces of text are read, about 3.5 characters each in English; the rest is cut off.
    advised=Advised(guidance_low=1.0, guidance_high=5.0, guidance_too_much=8.0, prompt_chars=1_800),
)

_card = partial(Card, adapter=ADAPTER, licence="Apache-2.0", created=AUGUST_2026)
_weights = partial(
    Weights,
    check=CHECK,
    fps=24,
    max_area=1280 * 720,
    size_bytes=50 * GB,
    exactly=("guidance in two passes of one segment", "decoding a segment at a time"),
    techniques=("apart", "layers"),
)

CARDS = (
    _card(
        "wan2.2-animate-2-14b",
        "Wan 2.2 Animate 2 14B",
        "The character of a picture, the first frame, moves as somebody in a clip does, for as long as the clip lasts.",
        _RULES,
        weights=_weights("Wan-AI/Wan2.2-Animate-2-14B-Diffusers", "WanAnimate2ModularPipeline"),
    ),
    _card(
        "wan2.2-animate-2-14b-distilled",
        "Wan 2.2 Animate 2 14B Distilled",
        "Wan 2.2 Animate 2 in ten fixed steps, without guidance or a negative prompt.",
        _RULES.distilled(10),
        weights=_weights("Wan-AI/Wan2.2-Animate-2-14B-Distilled-Diffusers", "WanAnimate2DistilledModularPipeline"),
    ),
)
