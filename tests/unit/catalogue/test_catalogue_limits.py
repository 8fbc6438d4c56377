"""Rules as JSON for the models list."""

from __future__ import annotations

import json

import pytest
from catalogue_cases import BY_MINI, every_offer

from rushes.catalogue.limits import limits
from rushes.catalogue.lookup import Offer


@pytest.mark.parametrize("offer", every_offer(), ids=lambda offer: f"{offer.asked_id} by {offer.card.id}")
def test_every_models_limits_are_plain_json_with_real_defaults(offer: Offer) -> None:
    said = limits(offer.rules)
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert all(said[field]["default"] is not None for field in ("seconds", "fps", "steps", "guidance_scale"))


def test_the_embedded_models_limits_read_as_the_card_says() -> None:
    said = limits(BY_MINI.find("rushes/mini").rules)
    assert said["seconds"] == {"minimum": 1, "maximum": 10, "default": 6}
    assert said["size"]["default"] == "1366x768"
    assert said["size"]["resolution_and_ratio"]["sizes"]["720P"]["1:1"] == "960x960"
    assert said["guidance_scale"]["above"] == 0
    assert said["output_format"] == {"choices": ["MP4", "WEBM"], "default": "MP4"}
    assert said["media"] == {
        "frame_images": {"max_items": 10, "positions": ["first", "last", "any"], "max_bytes": 30 * 2**20},
        "frame_videos": {"max_items": 1, "max_bytes": 200 * 2**20, "max_seconds": 60},
        "reference_images": {"max_items": 1, "max_bytes": 30 * 2**20},
        "reference_videos": {"max_items": 1, "max_bytes": 200 * 2**20, "max_seconds": 60},
        "source_video": {"max_items": 1, "max_bytes": 200 * 2**20, "max_seconds": 60},
        "audio_inputs": {"max_items": 1, "max_bytes": 15 * 2**20, "min_seconds": 3, "max_seconds": 30},
    }
    assert said["needs_one_of"] == ["prompt", *(f"media.{member}" for member in said["media"])]


def test_a_hosted_ids_limits_say_what_it_does_not_take() -> None:
    hailuo = limits(BY_MINI.find("minimax/hailuo-02").rules)
    assert hailuo["negative_prompt"] is None
    assert hailuo["size"]["resolution_and_ratio"] is None
    assert hailuo["seconds"] == {"choices": [6, 10], "default": 6}
    assert hailuo["media"] == {"frame_images": {"max_items": 1, "positions": ["first"], "max_bytes": 30 * 2**20}}
    edit = limits(BY_MINI.find("Wan-AI/wan2.7-videoedit").rules)
    assert edit["needs_one_of"] == ["media.source_video"]
    assert edit["size"]["width_and_height"] is None
