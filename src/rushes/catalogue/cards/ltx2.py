"""The LTX-2 family's published checkpoints: limits and defaults as their makers state them.

Film and sound are made together, at the rate that is asked for where the model was trained around it. Tiers and sizes
beyond what one pass makes well are made in two stages, by a network beside the checkpoint that doubles latents and, of
one that is not distilled, its makers' distilled LoRA: without the LoRA they are refused. Without the network they are
made as large as one pass makes them, and scaled. The job says which.

Clips to follow and clips to edit are looked at by a LoRA that was taught to (their makers say IC-LoRA), and taken where
one is registered.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rushes.catalogue.card import Advised, Card, MediaRule, MediaRules, Rules, Span, Text, Weights
from rushes.catalogue.pace import Pace
from rushes.catalogue.sizes import open_sizes
from rushes.contract.request import QUALITIES

MIB = 1 << 20
GB = 10**9

ADAPTER = "rushes.models.ltx2.adapter:Ltx2Adapter"
CHECK = "rushes.models.ltx2.layout:check"
LORAS = "rushes.models.ltx2.lora:networks"
LICENCE = "LTX-2 Community License (restricts uses; paid from US$ 10 million of yearly revenue)"
AREA = 1280 * 768
REFINER = "distilled"
"""What the operator registers the makers' distilled LoRA as: a full checkpoint wears it in its second stage."""

PACE = Pace(((24, 30), (60, 60)), run=8)
"""It was trained around 24 to 30 frames a second, and 60. Between and below, motion stutters at the borders of latent
frames, because each of these covers a stretch of time that it never saw."""

_PICTURE_BYTES = 30 * MIB
_CLIP = MediaRule(1, max_bytes=200 * MIB, max_seconds=60)
_BESIDE = replace(_CLIP, laid_over=True)

_FULL = Rules(
    prompt=Text("required"),
    negative_prompt=Text("optional"),
    sizes=open_sizes(1280, 704),
    seconds=Span(1, 20, 5),
    fps=Span(8, 60, 24),  # 24 to 30 and 60 are made so; the others are retimed
    steps=Span(2, 100, 30),  # of a single one the schedule makes no number
    guidance_scale=Span(1, 20, 3.0),  # 1 is none: one pass a step instead of four
    generate_audio=True,
    media=MediaRules(
        frame_images=MediaRule(10, ("first", "last", "any"), max_bytes=_PICTURE_BYTES),
        frame_videos=_CLIP,
        audio_inputs=MediaRule(1, max_bytes=30 * MIB, min_seconds=3, max_seconds=60),
        apart=(("frame_videos", "source_video"), ("reference_videos", "source_video")),
        pace=PACE,
    ),
    lora_media={"reference_videos": _BESIDE, "source_video": _BESIDE},
    needs=("prompt",),
    qualities=QUALITIES,
    # 1,024 pieces of text are read, about four characters each in English; the rest is cut off.
    advised=Advised(guidance_low=2.0, guidance_high=5.0, guidance_too_much=8.0, prompt_chars=4_000),
)

_DISTILLED = _FULL.distilled(8)


_card = partial(Card, adapter=ADAPTER, licence=LICENCE)
_weights = partial(
    Weights,
    check=CHECK,
    fps=24,
    max_area=AREA,
    loras=LORAS,
    exactly=(
        "both prompts in one pass of one clip, other guidance in passes of its own",
        "decoding of the whole film at once",
    ),
    techniques=("compile", "reuse", "apart", "layers", "fp8", "int8", "blocks", "tiles", "pieces"),
)

_SAID = (
    "Film with sound from words, pictures at any frame, a clip to continue, or a sound to make the film to; "
    "beside a clip to follow or to edit with an IC-LoRA; up to 1080P with its latent_upsampler and its makers' "
    "distilled LoRA."
)
_SAID_DISTILLED = (
    "{} in eight fixed steps, without guidance or a negative prompt; beside a clip to follow or to edit with an "
    "IC-LoRA; up to 1080P with its latent_upsampler."
)
_LTX_2_5 = "426936f8b22dc28e4def61e515478b0b7e4a53cc"
JANUARY_2026, MARCH_2026, AUGUST_2026 = 1_767_657_600, 1_772_668_800, 1_786_406_400

CARDS = (
    _card(
        "ltx-2",
        "LTX-2 19B",
        _SAID,
        replace(_FULL, steps=Span(2, 100, 40)),
        weights=_weights("Lightricks/LTX-2", "LTX-2", size_bytes=70 * GB, refiner=REFINER),
        created=JANUARY_2026,
    ),
    _card(
        "ltx-2-distilled",
        "LTX-2 19B Distilled",
        _SAID_DISTILLED.format("LTX-2"),
        _DISTILLED,
        weights=_weights("rootonchair/LTX-2-19b-distilled", "LTX-2, distilled", size_bytes=70 * GB),
        created=JANUARY_2026,
    ),
    _card(
        "ltx-2.3",
        "LTX-2.3 22B",
        _SAID,
        _FULL,
        weights=_weights("diffusers/LTX-2.3-Diffusers", "LTX-2.3", size_bytes=75 * GB, refiner=REFINER),
        created=MARCH_2026,
    ),
    _card(
        "ltx-2.3-distilled",
        "LTX-2.3 22B Distilled",
        _SAID_DISTILLED.format("LTX-2.3"),
        _DISTILLED,
        weights=_weights("diffusers/LTX-2.3-Distilled-Diffusers", "LTX-2.3, distilled", size_bytes=75 * GB),
        created=MARCH_2026,
    ),
    _card(
        "ltx-2.5",
        "LTX-2.5 22B",
        _SAID,
        _FULL,
        weights=_weights(
            "Lightricks/LTX-2.5-Diffusers",
            "LTX-2.5",
            size_bytes=116 * GB,
            counted=(
                "counted by others, and the same again for the second transformer: the distilled one lies beside it"
            ),
            commit=_LTX_2_5,
            refiner=REFINER,
        ),
        created=AUGUST_2026,
    ),
    _card(
        "ltx-2.5-distilled",
        "LTX-2.5 22B Distilled",
        _SAID_DISTILLED.format("LTX-2.5"),
        _DISTILLED,
        weights=_weights(
            "Lightricks/LTX-2.5-Diffusers",
            "LTX-2.5, distilled",
            size_bytes=72 * GB,
            counted="counted by others: the files that are read",
            commit=_LTX_2_5,
            aside=("transformer_full",),
        ),
        created=AUGUST_2026,
    ),
)
