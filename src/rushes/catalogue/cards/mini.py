"""The embedded model's card: small, on any CPU, and the contract's own defaults."""

from __future__ import annotations

from rushes.catalogue.card import Advised, Card, MediaRule, MediaRules, Rules, Span, Text
from rushes.catalogue.pace import Pace
from rushes.catalogue.sizes import WAN_TIERS, FreeSizes, Size, Sizes

DEFAULT_GUIDANCE = 2.5
"""Tuned on the shipped weights; a small model is over-guided long before the 6 to 10 of the general page."""

MIB = 1 << 20

MEDIA = MediaRules(
    # A latent frame lasts half a second, so that ten keyframes already leave little to make of a short clip.
    frame_images=MediaRule(10, ("first", "last", "any"), max_bytes=30 * MIB),
    frame_videos=MediaRule(1, max_bytes=200 * MIB, max_seconds=60),
    source_video=MediaRule(1, max_bytes=200 * MIB, max_seconds=60),
    reference_images=MediaRule(1, max_bytes=30 * MIB),
    reference_videos=MediaRule(1, max_bytes=200 * MIB, max_seconds=60),
    audio_inputs=MediaRule(1, max_bytes=15 * MIB, min_seconds=3, max_seconds=30),
    apart=(("frame_videos", "source_video"), ("reference_images", "reference_videos")),
    pace=Pace(((12, 12),)),
)

CARD = Card(
    id="rushes/mini",
    display_name="Rushes mini",
    adapter="rushes.models.mini.adapter:MiniAdapter",
    remarks="rushes.models.mini.remarks:remarks",
    revision="pocket-e6b87468c555",
    licence="Apache-2.0",
    description=(
        "A small video model that comes with the package and runs on a CPU: from words, keyframes, a reference, sound, "
        "a clip to continue or one to edit, one subject in one scene, moving and sounding, in the style of 3D emoji. "
        "Made small and fitted to the asked size and rate."
    ),
    created=1_795_305_600,  # 22 November 2026
    rules=Rules(
        prompt=Text("optional"),
        negative_prompt=Text("optional"),
        sizes=Sizes(
            # Even, because 4:2:0 video has one colour sample per 2x2 pixels;
            # 1920x1088 is full HD in whole 16-pixel blocks.
            free=FreeSizes(low=64, high=1920, multiple=2, max_area=1920 * 1088),
            tiers=WAN_TIERS,
            default=Size(1366, 768),
        ),
        seconds=Span(1, 10, 6),
        fps=Span(15, 60, 24),
        steps=Span(10, 50, 20),
        guidance_scale=Span(0, 30, DEFAULT_GUIDANCE, above_low=True),
        generate_audio=True,
        media=MEDIA,
        needs=("prompt", *(f"media.{member}" for member in MEDIA.taken())),
        advised=Advised(guidance_low=1.5, guidance_high=5.0, prompt_chars=600, negative_prompt="rain, snow"),
    ),
)
