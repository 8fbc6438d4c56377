"""MiniMax-H3's published checkpoint: limits and defaults as its makers state them."""

from __future__ import annotations

from rushes.catalogue.card import Advised, Card, Choice, MediaRule, MediaRules, Rules, Span, Text, Weights
from rushes.catalogue.pace import Pace
from rushes.catalogue.sizes import open_sizes
from rushes.contract.request import EXACT_QUALITY, HIGH_QUALITY

MIB = 1 << 20
GB = 10**9

LICENCE = (
    "MiniMax H3 Community License Agreement "
    "(not valid in the European Union, the UK, South Korea and the USA; "
    "asks for permission above a revenue of 20 million USD a year)"
)

AUGUST_2026 = 1_785_628_800

SHORTEST_S = 0.54
"""Of a clip: the text encoder looks at two frames a second, two of them at a time, for which it takes 13 of 24."""
MOST_ASPECT = 4  # of a picture or clip that is an example, as the makers' code has it

_PICTURES, _EXAMPLES = "frame_images", ("reference_images", "reference_videos", "audio_inputs")

CARD = Card(
    id="minimax-h3",
    display_name="MiniMax H3",
    adapter="rushes.models.h3.adapter:H3Adapter",
    licence=LICENCE,
    description=(
        "From words, from a first and a last frame, or after up to twelve examples: pictures, clips with their sound, "
        "and sounds beside those, named in the prompt as `<Picture 1>`, `<Video 1>` and `<Audio 1>`; with sound, "
        "at 768p and 24 frames a second."
    ),
    created=AUGUST_2026,
    rules=Rules(
        prompt=Text("required"),
        negative_prompt=Text("refused"),  # guidance is in the weights
        sizes=open_sizes(1344, 768),
        # Up to 15 seconds, in 17 n + 5 frames: 345 of them are the most, 362 would be more than that.
        seconds=Span(5, 345 / 24, 5),
        fps=Span(8, 60, 24),
        # Of passes. The makers' 25 count the end of the last as one more.
        steps=Span(1, 100, 24),
        guidance_scale=Choice((1,), 1),
        generate_audio=True,
        media=MediaRules(
            frame_images=MediaRule(2, ("first", "last"), max_bytes=30 * MIB),
            reference_images=MediaRule(9, max_bytes=30 * MIB, max_aspect=MOST_ASPECT, whole=True),
            reference_videos=MediaRule(
                3, max_bytes=200 * MIB, min_seconds=SHORTEST_S, max_seconds=15, max_aspect=MOST_ASPECT, whole=True
            ),
            audio_inputs=MediaRule(3, max_bytes=15 * MIB, min_seconds=3, max_seconds=30, whole=True),
            apart=tuple((_PICTURES, example) for example in _EXAMPLES),
            beside=(("audio_inputs", ("reference_images", "reference_videos")),),
            most=12,
            pace=Pace(((24, 24),), run=17, rest=5),
        ),
        needs=("prompt",),
        qualities=(EXACT_QUALITY, HIGH_QUALITY),
        advised=Advised(
            guidance_low=1,
            guidance_high=1,
            production_steps=16,
            fine_steps=24,
            most_steps=50,
            prompt_chars=8_000,
        ),
    ),
    weights=Weights(
        hub="MiniMaxAI/MiniMax-H3",
        layout="MiniMaxH3ModularPipeline",
        check="rushes.models.h3.layout:check",
        fps=24,
        max_area=1344 * 768,
        size_bytes=200 * GB,  # two transformers of 66, of which a clip needs one, and 62 to read the prompt
        exactly=("encoding and decoding in overlapping tiles, as it was released",),
        techniques=("compile", "apart", "layers", "blocks"),
    ),
)

CARDS = (CARD,)
