"""The Wan family's published checkpoints: limits and defaults as their makers state them.

Tiers and sizes beyond what a checkpoint was trained on are taken too: it then makes the largest frame of that shape
that it makes well, which is scaled, and the job says so.
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

ADAPTER = "rushes.models.wan.adapter:WanAdapter"
CHECK = "rushes.models.wan.layout:check"
LORAS = "rushes.models.wan.lora:networks"

AREA_480P = 832 * 480
AREA_720P = 1280 * 720


_SIZES_720P = open_sizes(1280, 720)

# 512 pieces of text are read, about 3.5 characters each in English; the rest is cut off.
_ADVISED = Advised(guidance_low=3.0, guidance_high=7.0, guidance_too_much=10.0, prompt_chars=1_800)

_TEXT = Rules(
    prompt=Text("required"),
    negative_prompt=Text("optional"),
    sizes=open_sizes(832, 480),
    seconds=Span(1, 5, 5),  # trained on 81 frames at 16 a second; beyond that the motion begins again
    fps=Span(8, 60, 16),
    steps=Span(1, 100, 50),
    guidance_scale=Span(1, 20, 5.0),  # 1 is none: one pass a step instead of two
    needs=("prompt",),
    qualities=QUALITIES,
    advised=_ADVISED,
)

_PICTURE_BYTES = 30 * MIB
_FIRST = MediaRule(1, ("first",), needed=("first",), max_bytes=_PICTURE_BYTES)
_FIRST_AND_LAST = MediaRule(2, ("first", "last"), needed=("first", "last"), max_bytes=_PICTURE_BYTES)
_FIRST_OR_BOTH = replace(_FIRST_AND_LAST, needed=("first",))
_MAYBE_FIRST = replace(_FIRST, needed=())

_FROM_PICTURE = replace(
    _TEXT, prompt=Text("optional"), needs=("media.frame_images",), media=MediaRules(frame_images=_FIRST)
)

_CLIP = MediaRule(1, max_bytes=200 * MIB, max_seconds=60)
_ANY_FRAMES = replace(
    _TEXT,
    media=MediaRules(
        frame_images=MediaRule(10, ("first", "last", "any"), max_bytes=_PICTURE_BYTES),
        frame_videos=_CLIP,
        reference_images=MediaRule(3, max_bytes=_PICTURE_BYTES),
        source_video=_CLIP,
        apart=(("frame_videos", "source_video"),),
        pace=Pace(((16, 16),), run=4),
    ),
)


_card = partial(Card, adapter=ADAPTER, licence="Apache-2.0")


def _weights(
    hub: str, layout: str, max_area: int, size_gb: int, fps: int = 16, experts_guidance: float = 1.0
) -> Weights:
    return Weights(
        hub=f"Wan-AI/{hub}",
        layout=layout,
        check=CHECK,
        fps=fps,
        max_area=max_area,
        size_bytes=size_gb * GB,
        experts_guidance=experts_guidance,
        loras=LORAS,
        exactly=(
            "the text of an earlier job not read again",
            "decoding streamed into the file, a latent frame at a time",
        ),
    )


def _lightning(of: Card, weights: Weights, name: str, description: str) -> Card:
    """`of`, and its `weights`, wearing the LoRAs by which lightx2v taught it to do with four steps.

    huggingface.co/lightx2v/Wan2.2-Lightning, Apache-2.0: high_noise_model.safetensors and low_noise_model.safetensors,
    of rank 64, in Wan2.2-T2V-A14B-4steps-lora-rank64-Seko-V1.1 and Wan2.2-I2V-A14B-4steps-lora-rank64-Seko-V1. Four
    steps without guidance by Euler's method, shifted by 5, so at times 1000, 937.5, 833.3 and 625, and the experts
    parted where the base parts them (github.com/ModelTC/Wan2.2-Lightning: wan/configs, wan/utils/fm_solvers_euler.py,
    issue 3). At such strides no step's result stands for the next one's.
    """
    weights = replace(
        weights,
        experts_guidance=1.0,
        exactly=(
            "one pass a step, without guidance",
            f"Euler's method, from evenly spaced levels of noise shifted by {SHIFT:g}, whatever the folder's scheduler",
            *weights.exactly,
        ),
        techniques=("apart", "layers", "fp8", "int8", "blocks", "tiles", "pieces"),
        refiner="lightning",
        always_refined=True,
        refiner_files=("--high", "--low"),
        shift=SHIFT,
    )
    return _card(
        f"{of.id}-lightning",
        name,
        description,
        of.rules.distilled(4),
        weights=weights,
        created=AUGUST_2025,
    )


SHIFT = 5.0
FEBRUARY_2025, APRIL_2025, MAY_2025, JULY_2025 = 1_740_441_600, 1_744_848_000, 1_747_180_800, 1_753_660_800
AUGUST_2025 = 1_754_265_600

# Published with 4 for the first and 3 for the second.
_T2V_WEIGHTS = _weights("Wan2.2-T2V-A14B-Diffusers", "text, by two experts", AREA_720P, 126, experts_guidance=0.75)
_I2V_WEIGHTS = _weights("Wan2.2-I2V-A14B-Diffusers", "first or first and last frame, by two experts", AREA_720P, 126)

_PUBLISHED = (
    _card(
        "wan2.1-t2v-1.3b",
        "Wan 2.1 T2V 1.3B",
        "Text to video at 480P and 16 frames a second; the smallest of its family.",
        _TEXT,
        weights=_weights("Wan2.1-T2V-1.3B-Diffusers", "text", AREA_480P, 29),
        created=FEBRUARY_2025,
    ),
    _card(
        "wan2.1-t2v-14b",
        "Wan 2.1 T2V 14B",
        "Text to video at 480P and 720P, 16 frames a second.",
        replace(_TEXT, sizes=_SIZES_720P),
        weights=_weights("Wan2.1-T2V-14B-Diffusers", "text", AREA_720P, 80),
        created=FEBRUARY_2025,
    ),
    _card(
        "wan2.1-i2v-14b-480p",
        "Wan 2.1 I2V 14B 480P",
        "From a first frame and words, at 480P and 16 frames a second.",
        _FROM_PICTURE,
        weights=_weights("Wan2.1-I2V-14B-480P-Diffusers", "first frame", AREA_480P, 90),
        created=FEBRUARY_2025,
    ),
    _card(
        "wan2.1-i2v-14b-720p",
        "Wan 2.1 I2V 14B 720P",
        "From a first frame and words, at 720P and 16 frames a second.",
        replace(_FROM_PICTURE, sizes=_SIZES_720P),
        weights=_weights("Wan2.1-I2V-14B-720P-Diffusers", "first frame", AREA_720P, 90),
        created=FEBRUARY_2025,
    ),
    _card(
        "wan2.1-flf2v-14b",
        "Wan 2.1 FLF2V 14B",
        "What happens between a first and a last frame, at 720P and 16 frames a second.",
        replace(_FROM_PICTURE, sizes=_SIZES_720P, media=MediaRules(frame_images=_FIRST_AND_LAST)),
        weights=_weights("Wan2.1-FLF2V-14B-720P-diffusers", "first and last frame", AREA_720P, 90),
        created=APRIL_2025,
    ),
    _card(
        "wan2.1-vace-1.3b",
        "Wan 2.1 VACE 1.3B",
        "Text, keyframes at any frame, references, a clip to continue or one to make anew; 480P, 16 frames a second.",
        _ANY_FRAMES,
        weights=_weights("Wan2.1-VACE-1.3B-diffusers", "any frames", AREA_480P, 19),
        created=MAY_2025,
    ),
    _card(
        "wan2.1-vace-14b",
        "Wan 2.1 VACE 14B",
        "Text, keyframes at any frame, references, a clip to continue or one to make anew; 720P, 16 frames a second.",
        replace(_ANY_FRAMES, sizes=_SIZES_720P),
        weights=_weights("Wan2.1-VACE-14B-diffusers", "any frames", AREA_720P, 75),
        created=MAY_2025,
    ),
    _card(
        "wan2.2-ti2v-5b",
        "Wan 2.2 TI2V 5B",
        "From words, with or without a first frame, at 720P and 24 frames a second, on one consumer card.",
        replace(
            _TEXT,
            sizes=open_sizes(1280, 704),
            fps=Span(8, 60, 24),
            media=MediaRules(frame_images=_MAYBE_FIRST),
        ),
        weights=_weights("Wan2.2-TI2V-5B-Diffusers", "text or first frame", 1280 * 704, 34, fps=24),
        created=JULY_2025,
    ),
    _card(
        "wan2.2-t2v-a14b",
        "Wan 2.2 T2V A14B",
        "Text to video at 480P and 720P, 16 frames a second; two experts of 14B, one for layout, one for detail.",
        replace(_TEXT, sizes=_SIZES_720P, steps=Span(1, 100, 40), guidance_scale=Span(1, 20, 4.0)),
        weights=_T2V_WEIGHTS,
        created=JULY_2025,
    ),
    _card(
        "wan2.2-i2v-a14b",
        "Wan 2.2 I2V A14B",
        "From a first frame, or a first and a last, at 480P and 720P, 16 frames a second; two experts of 14B.",
        replace(
            _FROM_PICTURE,
            sizes=_SIZES_720P,
            steps=Span(1, 100, 40),
            guidance_scale=Span(1, 20, 3.5),
            media=MediaRules(frame_images=_FIRST_OR_BOTH),
        ),
        weights=_I2V_WEIGHTS,
        created=JULY_2025,
    ),
)

_T2V, _I2V = _PUBLISHED[-2:]
CARDS = (
    *_PUBLISHED,
    _lightning(
        _T2V,
        _T2V_WEIGHTS,
        "Wan 2.2 T2V A14B Lightning",
        "Text to video at 480P and 720P in 4 fixed steps, without guidance or a negative prompt; wears the two LoRAs "
        "of lightx2v/Wan2.2-Lightning, which its operator adds.",
    ),
    _lightning(
        _I2V,
        _I2V_WEIGHTS,
        "Wan 2.2 I2V A14B Lightning",
        "From a first frame, or a first and a last, in 4 fixed steps, without guidance or a negative prompt; wears the "
        "two LoRAs of lightx2v/Wan2.2-Lightning, which its operator adds.",
    ),
)
