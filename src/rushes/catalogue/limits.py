"""Rules as plain JSON, for the models list and `rushes models`."""

from __future__ import annotations

from typing import Any

from rushes.catalogue.card import Limit, MediaRule, Rules, Span, Text
from rushes.catalogue.loras import weight_of
from rushes.catalogue.sizes import Sizes


def limits(rules: Rules, worn: str | None = None) -> dict[str, Any]:
    """What a client may send under `rules`, field by field; a field that is not taken is None, or False for a flag.

    `worn` is the LoRA that the model always wears (`loras.worn_always`).
    Numbers are `{"minimum", "maximum", "default"}` or `{"choices", "default"}`; a missing maximum is None.
    """
    return {
        "prompt": _text(rules.prompt),
        "negative_prompt": _text(rules.negative_prompt),
        "size": _sizes(rules.sizes),
        "seconds": _limit(rules.seconds),
        "fps": _limit(rules.fps),
        "steps": _limit(rules.steps),
        "guidance_scale": _limit(rules.guidance_scale) | _recommended(rules),
        "seed": _limit(rules.seed),
        "output_format": {"choices": list(rules.output_formats), "default": rules.output_formats[0]},
        "output_quality": _limit(rules.output_quality),
        "generate_audio": rules.generate_audio,
        "quality": {"choices": list(rules.qualities), "default": rules.qualities[0]},
        **({"loras": _loras(rules, worn)} if rules.loras else {}),
        "media": {name: _media(rules.media.of(name)) for name in rules.media.taken()},
        "needs_one_of": list(rules.needs),
    }


def _text(text: Text) -> dict[str, Any] | None:
    if not text.taken:
        return None
    return {"required": text.need == "required", "min_characters": text.min_chars, "max_characters": text.max_chars}


def _limit(limit: Limit) -> dict[str, Any]:
    if not isinstance(limit, Span):
        return {"choices": list(limit.values), "default": limit.default}
    low = "above" if limit.above_low else "minimum"
    return {low: limit.low, "maximum": limit.high, "default": limit.default}


def _recommended(rules: Rules) -> dict[str, Any]:
    if rules.advised is None:
        return {}
    return {"recommended": [rules.advised.guidance_low, rules.advised.guidance_high]}


def _sizes(sizes: Sizes) -> dict[str, Any]:
    said: dict[str, Any] = {"width_and_height": None, "resolution_and_ratio": None}
    if sizes.free is not None:
        free = sizes.free
        said["width_and_height"] = {
            "minimum": free.low,
            "maximum": free.high,
            "multiple_of": free.multiple,
            "max_pixels": free.max_area,
        }
    elif sizes.pairs:
        said["width_and_height"] = {"choices": [str(size) for size in sizes.pairs]}
    if sizes.tiers is not None:
        tiers = sizes.tiers
        said["resolution_and_ratio"] = {
            "sizes": {
                resolution: {ratio: str(tiers.size(resolution, ratio)) for ratio in tiers.ratios}
                for resolution in tiers.resolutions
            },
            "default": {"resolution": tiers.resolution, "ratio": tiers.ratio},
        }
    said["default"] = str(sizes.preset)
    return said


def _loras(rules: Rules, worn: str | None) -> dict[str, Any]:
    """Only where the operator registered some: a model may have none for years. `weight` is of all but `always`."""
    names = [lora.name for lora in rules.loras]
    said: dict[str, Any] = {"names": names, "weight": _limit(rules.lora_weight)}
    if worn in names:
        said["always"] = {"name": worn, "weight": _limit(weight_of(worn, rules, worn))}
    if reads := {lora.name: f"media.{lora.reads}" for lora in rules.loras if lora.reads}:
        said["reads"] = reads
    return said


def _media(rule: MediaRule) -> dict[str, Any]:
    said: dict[str, Any] = {"max_items": rule.max_items}
    if rule.positions:
        said["positions"] = list(rule.positions)
    if rule.max_bytes is not None:
        said["max_bytes"] = rule.max_bytes
    if rule.min_seconds is not None:
        said["min_seconds"] = rule.min_seconds
    if rule.max_seconds is not None:
        said["max_seconds"] = rule.max_seconds
    if rule.max_aspect is not None:
        said["max_aspect_ratio"] = rule.max_aspect
    return said
