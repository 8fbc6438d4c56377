"""Published checkpoints that run block by block: limits and defaults as their makers state them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rushes.catalogue.card import Advised, Card, MediaRule, MediaRules, Rules, Span, Text, Weights
from rushes.catalogue.sizes import open_sizes
from rushes.contract.request import EXACT_QUALITY, HIGH_QUALITY, QUALITIES

GB = 10**9

ADAPTER = "rushes.models.blocks.adapter:BlocksAdapter"
CHECK = "rushes.models.blocks.layout:check"
HUNYUAN_LICENCE = "Tencent Hunyuan Community License (not valid in the European Union, the UK and South Korea)"
LTX_LICENCE = "LTX-Video Open Weights License (restricts uses)"

COSMOS_LICENCE = (
    "not confirmed: OpenMDW-1.1, or NVIDIA Open Model License (asks for a look at its page on the hub, which decides; "
    "NVIDIA's guardrail is no part of this package)"
)
"""Those who read its page tell of both: the maker's own code for it is under the first."""

NOVEMBER_2024, DECEMBER_2025, MAY_2026 = 1_732_233_600, 1_764_806_400, 1_780_185_600

_HUNYUAN = Rules(
    prompt=Text("required"),
    negative_prompt=Text("optional"),
    sizes=open_sizes(848, 480),
    seconds=Span(1, 5, 5),  # trained on 121 frames at 24 a second
    fps=Span(8, 60, 24),
    steps=Span(1, 100, 50),
    guidance_scale=Span(1, 20, 6.0),  # 1 is none: one pass a step instead of two
    needs=("prompt",),
    qualities=(EXACT_QUALITY, HIGH_QUALITY),
    advised=Advised(guidance_low=4.0, guidance_high=8.0, guidance_too_much=10.0, prompt_chars=3_500),
)
_LTX = replace(
    _HUNYUAN,
    sizes=open_sizes(704, 480),
    seconds=Span(1, 10, 6),  # up to 257 frames at 25 a second
    fps=Span(8, 60, 25),
    guidance_scale=Span(1, 20, 3.0),
    qualities=QUALITIES,
    advised=Advised(guidance_low=2.5, guidance_high=5.0, guidance_too_much=8.0, prompt_chars=450),
)

_COSMOS = replace(
    _HUNYUAN,
    sizes=open_sizes(1280, 720),
    seconds=Span(1, 7, 7),  # trained on 189 frames at 24 a second
    steps=Span(1, 100, 35),
    generate_audio=True,
    qualities=QUALITIES,
    media=MediaRules(frame_images=MediaRule(1, ("first",), max_bytes=30 << 20)),
)


_card = partial(Card, adapter=ADAPTER)
_weights = partial(
    Weights,
    check=CHECK,
    precision="bfloat16",  # all of its parts, as published
    techniques=("compile", "apart", "layers", "blocks", "tiles"),
)


def _hunyuan(tier: str, width: int, height: int) -> Card:
    return _card(
        f"hunyuanvideo-1.5-{tier}-t2v",
        f"HunyuanVideo 1.5 T2V {tier}",
        licence=HUNYUAN_LICENCE,
        description=f"Text to video at {tier} and 24 frames a second, by 8.3 billion weights.",
        created=DECEMBER_2025,
        rules=replace(_HUNYUAN, sizes=open_sizes(width, height)),
        weights=_weights(
            f"hunyuanvideo-community/HunyuanVideo-1.5-{tier}_t2v",
            "HunyuanVideo15Pipeline",
            fps=24,
            max_area=width * height,
            size_bytes=35 * GB,
            exactly=(
                "words without the pieces that pad them",
                "decoding by overlapping tiles of 256 pixels, as its makers do",
            ),
            techniques=("compile", "apart", "layers", "blocks"),
        ),
    )


CARDS = (
    _hunyuan("480p", 848, 480),
    _hunyuan("720p", 1280, 720),
    _card(
        "ltx-video-2b",
        "LTX-Video 2B",
        licence=LTX_LICENCE,
        description="Text to video at 704x480 and 25 frames a second; the first of its line, small and quick.",
        created=NOVEMBER_2024,
        rules=_LTX,
        weights=_weights(
            "Lightricks/LTX-Video",
            "LTXPipeline",
            fps=25,
            max_area=1216 * 704,
            size_bytes=28 * GB,
        ),
    ),
    _card(
        "cosmos3-nano",
        "Cosmos 3 Nano",
        licence=COSMOS_LICENCE,
        description="From words, with or without a first frame, with or without sound, at 720P and 24 frames a second.",
        created=MAY_2026,  # the 31st, by its page
        rules=_COSMOS,
        weights=_weights(
            "nvidia/Cosmos3-Nano",
            "Cosmos3OmniPipeline",
            fps=24,
            max_area=1280 * 720,
            size_bytes=35 * GB,
            commit="7a312c868bcce8e40b3eb40861300a9d0ba3fde1",
        ),
    ),
)
