"""Tiny Kandinsky 6 models served as any model is, and called with the real Together client: every field of a card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tiny_kandinsky6
from over_http import (
    FIELDS,
    PICTURE,
    SMALLEST,
    Make,
    added,
    each_another,
    facts,
    frames,
    heard,
    heard_for,
    retimed,
    warm,
)
from served import Server
from tiny_kandinsky6 import DISTILLED

MODEL, FEW_STEPS = "kandinsky-6-lite", "kandinsky-6-pro-distilled"
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST}
FEW: dict[str, Any] = {"model": FEW_STEPS, "steps": None}
FIRST, OTHER = frames("first"), frames("first", seed=2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    full, few = tiny_kandinsky6.built(place / "full"), tiny_kandinsky6.built(place / "few", DISTILLED)
    assert "this one is of" in added(place, FEW_STEPS, "--from", full, fails=True)["error"]["message"]
    added(place, MODEL, "--from", full)
    added(place, FEW_STEPS, "--from", few)
    with warm(place, **ASKED) as server:
        yield server


def test_the_same_request_gives_the_same_file_and_every_field_another(made: Make) -> None:
    more: list[dict[str, Any]] = [
        {"generate_audio": True},
        {"seconds": "2"},
        {"fps": 12},
        {"media": FIRST},
        {"media": OTHER},
        {"media": FIRST, "generate_audio": True},
    ]
    plain = each_another(made, [*FIELDS, *more])
    assert facts(plain) == (64, 64, 24, 24.0)
    assert heard(plain) is None


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_the_sound_is_in_the_file_as_long_as_the_film(made: Make, output_format: str) -> None:
    heard_for(made(generate_audio=True, output_format=output_format)[1], 1.0)


def test_a_distilled_one_makes_its_ten_steps_unasked_and_refuses_others(
    made: Make, refused: Callable[..., Any]
) -> None:
    _, file = made(**FEW, generate_audio=True, media=FIRST)
    assert facts(file) == (64, 64, 24, 24.0)
    heard_for(file, 1.0)
    for change in ({"steps": 16}, {"guidance_scale": 5}, {"negative_prompt": "blurry"}):
        assert refused(**{**FEW, **change}) == (400, *change)


def test_what_was_scaled_and_retimed_is_said(made: Make) -> None:
    retimed(made, 1)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"media": frames("last")}, "media.frame_images[0].frame"),
        ({"media": {"audio_inputs": [PICTURE]}}, "media.audio_inputs"),
        ({"media": {"reference_videos": [PICTURE]}}, "media.reference_videos"),
        ({"media": {"source_video": PICTURE}}, "media.source_video"),
        ({"seconds": "6"}, "seconds"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"prompt": None}, "prompt"),
        ({"extra_body": {"quality": "best"}}, "quality"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(
    refused: Callable[..., Any], change: dict[str, Any], param: str
) -> None:
    assert refused(**change) == (400, param)
