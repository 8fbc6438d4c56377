"""A tiny Wan-Animate-2 served as any model is, in segments as long as published, called with the real client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tiny_animate2
from foreign_cases import film as mp4
from over_http import PICTURE, SMALLEST, Make, added, each_another, facts, frames, text, warm
from served import Server
from small_requests import film
from tiny_animate2 import DISTILLED

MODEL, FEW_STEPS = "wan2.2-animate-2-14b", "wan2.2-animate-2-14b-distilled"
CLIP, OTHER_CLIP = (text(mp4(film(seed, 25))) for seed in (20, 50))
MEDIA = {**frames("first"), "source_video": CLIP}
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST, "steps": 1, "media": MEDIA}
FEW: dict[str, Any] = {"model": FEW_STEPS, "steps": None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    added(place, MODEL, "--from", tiny_animate2.built(place / "base"))
    added(place, FEW_STEPS, "--from", tiny_animate2.built(place / "few", DISTILLED))
    with warm(place, **ASKED) as server:
        yield server


def test_the_same_request_gives_the_same_file_and_every_field_another(made: Make) -> None:
    changes: list[dict[str, Any]] = [
        {"prompt": None},
        {"negative_prompt": "blurry"},
        {"guidance_scale": 1},
        {"steps": 2},
        {"seed": 8},
        {"fps": 12},
        {"output_format": "WEBM"},
        {"media": {**MEDIA, **frames("first", seed=2)}},
        {"media": {**MEDIA, "source_video": OTHER_CLIP}},
    ]
    assert facts(each_another(made, changes)) == (64, 64, 24, 24.0)


def test_a_longer_film_goes_on_in_a_second_segment(made: Make) -> None:
    _, file = made(seconds="4", guidance_scale=1)
    assert facts(file) == (64, 64, 96, 24.0), "81 frames are a segment"


def test_a_distilled_one_makes_its_ten_steps_unasked_and_refuses_others(
    made: Make, refused: Callable[..., Any]
) -> None:
    assert facts(made(**FEW)[1]) == (64, 64, 24, 24.0)
    for change in ({"steps": 8}, {"guidance_scale": 3}, {"negative_prompt": "blurry"}):
        assert refused(**{**FEW, **change}) == (400, *change)


def test_a_reference_image_alone_is_taken_as_the_character(made: Make, plain: bytes) -> None:
    job, file = made(media={"reference_images": [PICTURE], "source_video": CLIP})
    assert file == plain
    assert "used as the first frame" in str(job["warnings"])


def test_without_a_character_or_a_clip_it_is_refused(refused: Callable[..., Any]) -> None:
    for given, param in (
        (frames("first"), "media.source_video"),
        ({"source_video": CLIP}, "media.frame_images"),
        ({**MEDIA, "audio_inputs": [PICTURE]}, "media.audio_inputs"),
    ):
        assert refused(media=given) == (400, param)
