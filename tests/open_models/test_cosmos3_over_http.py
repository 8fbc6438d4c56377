"""A tiny Cosmos 3 served as any model is, and called with the real Together client: every field of its card."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import tiny_cosmos3
from over_http import FIELDS, PICTURE, SMALLEST, Make, added, each_another, facts, frames, heard_for, retimed, warm
from served import Server
from tiny_cosmos3 import OLD_NORM

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

MODEL = "cosmos3-nano"
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    folder = tiny_cosmos3.built(place / "cosmos")
    assert "licence" in added(place, MODEL, "--from", folder, fails=True)["error"]["message"]
    added(place, MODEL, "--accept-licence", "--from", folder)
    with warm(place, **ASKED) as server:
        yield server


def test_the_same_request_gives_the_same_file_and_every_field_another(made: Make) -> None:
    spoken: list[dict[str, Any]] = [{"generate_audio": True}, {"media": frames("first"), "generate_audio": True}]
    pictured = [{"media": frames("first", seed=seed)} for seed in (1, 2)]
    plain = each_another(made, [*FIELDS, *spoken, *pictured, {"seconds": "2"}, {"fps": 12}])
    assert facts(plain) == (64, 64, 24, 24.0)


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_the_sound_is_in_the_file_as_long_as_the_film(made: Make, output_format: str) -> None:
    heard_for(made(generate_audio=True, output_format=output_format)[1], 1.0)


def test_what_was_scaled_and_retimed_is_said(made: Make) -> None:
    retimed(made, 1)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"media": frames("last")}, "media.frame_images[0].frame"),
        ({"media": {"audio_inputs": [PICTURE]}}, "media.audio_inputs"),
        ({"media": {"reference_videos": [PICTURE]}}, "media.reference_videos"),
        ({"seconds": "8"}, "seconds"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(
    refused: Callable[..., Any], change: dict[str, Any], param: str
) -> None:
    assert refused(**change) == (400, param)
