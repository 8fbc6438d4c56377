"""Kandinsky 6's published checkpoints: limits and defaults as their makers state them.

Licence, steps and sizes of the downloads are what others read of the makers' pages in October 2026 (MIT on the page of
each; 10 steps for the distilled ones, though the library's own comments still say 16). The large one is given out after
its page was agreed to on the hub.
"""

from __future__ import annotations

from functools import partial

from rushes.catalogue.card import Advised, Card, MediaRule, MediaRules, Rules, Span, Text, Weights
from rushes.catalogue.sizes import open_sizes
from rushes.contract.request import QUALITIES

MIB = 1 << 20

ADAPTER = "rushes.models.kandinsky6.adapter:KandinskyAdapter"
CHECK = "rushes.models.kandinsky6.layout:check"
PLAIN, DISTILLED = "Kandinsky 6", "Kandinsky 6, distilled"
SMALL, LARGE = "3 billion weights", "29 billion weights"

OCTOBER_2026 = 1_791_244_800

_RULES = Rules(
    prompt=Text("required"),
    negative_prompt=Text("optional"),
    sizes=open_sizes(864, 480),
    seconds=Span(1, 5, 5),  # trained on 121 frames at 24 a second
    fps=Span(8, 60, 24),  # of the rate it is told by the length of the sound alone: others are retimed
    steps=Span(1, 100, 50),
    guidance_scale=Span(1, 20, 5.0),  # 1 is none: one pass a step instead of two
    generate_audio=True,
    media=MediaRules(frame_images=MediaRule(1, ("first",), max_bytes=30 * MIB)),
    needs=("prompt",),
    qualities=QUALITIES,
    # 1,024 pieces of text are read, about four characters each in English; the rest is cut off.
    advised=Advised(guidance_low=3.0, guidance_high=7.0, guidance_too_much=10.0, prompt_chars=4_000),
)


COUNTED = "counted by others in October 2026: all of its repository"


_card = partial(Card, adapter=ADAPTER, licence="MIT", created=OCTOBER_2026)
_weights = partial(
    Weights,
    check=CHECK,
    fps=24,
    max_area=864 * 480,
    exactly=("guidance in two passes of one clip", "decoding in stretches of time that overlap"),
    precision="bfloat16, sound's decoders in float32",
    techniques=("compile", "reuse", "apart", "layers", "blocks", "tiles"),
)


def _full(tier: str, weights: str, hub: str, size_bytes: int, counted: str | None) -> Card:
    return _card(
        f"kandinsky-6-{tier.lower()}",
        f"Kandinsky 6 {tier}",
        f"From words, with or without a first frame, with or without sound (speech in step with lips), by {weights}; "
        "up to 1080P with its makers' super_resolution.",
        _RULES,
        weights=_weights(hub, PLAIN, size_bytes=size_bytes, counted=counted),
    )


def _distilled(tier: str, hub: str, size_bytes: int, commit: str | None = None) -> Card:
    return _card(
        f"kandinsky-6-{tier.lower()}-distilled",
        f"Kandinsky 6 {tier} Distilled",
        f"Kandinsky 6 {tier} in ten fixed steps, without guidance or a negative prompt; "
        "up to 1080P with its makers' super_resolution.",
        _RULES.distilled(10),
        weights=_weights(
            hub,
            DISTILLED,
            size_bytes=size_bytes,
            counted=COUNTED,
            commit=commit,
            techniques=("compile", "apart", "layers", "blocks", "tiles"),  # at such strides no step stands for the next
        ),
    )


CARDS = (
    _full("Lite", SMALL, "kandinskylab/Kandinsky-6.0-Lite-5s-Diffusers", 27_800_000_000, COUNTED),
    _distilled(
        "Lite",
        "kandinskylab/Kandinsky-6.0-Lite-distill-5s-Diffusers",
        26_700_000_000,
        "efbaeb9961770cc82fece5b9cb2197049d8c983c",
    ),
    # Nobody without a login sees its files; another of the same network has 90 GB.
    _full("Pro", LARGE, "kandinskylab/Kandinsky-6.0-Pro-5s-Diffusers", 90_000_000_000, None),
    _distilled("Pro", "kandinskylab/Kandinsky-6.0-Pro-distill-5s-Diffusers", 80_600_000_000),
)
