"""Tiny Kandinsky 6 models served as any model is, and called with the real Together client: every field of a card."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tiny_kandinsky6
from generations import Client
from over_http import SMALLEST, Made, added, changes_said, facts, heard, png, refused, video, warm
from served import Server
from small_requests import picture
from tiny_kandinsky6 import DISTILLED

MODEL, FEW_STEPS = "kandinsky-6-lite", "kandinsky-6-pro-distilled"
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST}
FIRST, OTHER = ({"frame_images": [{"input_image": png(picture(n)), "frame": "first"}]} for n in (1, 2))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    full, few = tiny_kandinsky6.built(place / "full"), tiny_kandinsky6.built(place / "few", DISTILLED)
    assert "this one is of" in added(place / "data", FEW_STEPS, "--from", str(full), fails=True)["error"]["message"]
    added(place / "data", MODEL, "--from", str(full))
    added(place / "data", FEW_STEPS, "--from", str(few))
    with warm(place, **ASKED) as server:
        yield server


def made(server: Server, client: Client, **changes: Any) -> Made:
    return video(server, client, **{**ASKED, **changes})


def test_the_same_request_gives_the_same_file_and_every_field_another(server: Server, client: Client) -> None:
    _, plain = made(server, client)
    assert made(server, client)[1] == plain
    assert facts(plain) == (64, 64, 24, 24.0)
    assert heard(plain) is None
    changes: list[dict[str, Any]] = [
        {"prompt": "A rocket flies"},
        {"negative_prompt": "blurry"},
        {"guidance_scale": 2},
        {"guidance_scale": 1},
        {"steps": 3},
        {"seed": 8},
        {"output_quality": 40},
        {"output_format": "WEBM"},
        {"generate_audio": True},
        {"seconds": "2"},
        {"fps": 12},
        {"media": FIRST},
        {"media": OTHER},
        {"media": FIRST, "generate_audio": True},
    ]
    films = [made(server, client, **change)[1] for change in changes]
    assert len({plain, *films}) == len(changes) + 1


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_the_sound_is_in_the_file_as_long_as_the_film(server: Server, client: Client, output_format: str) -> None:
    _, file = made(server, client, generate_audio=True, output_format=output_format)
    samples = heard(file)
    assert abs(samples.shape[1] / 48_000 - 1.0) < 0.1
    assert np.abs(samples).max() > 1e-3


def test_a_distilled_one_makes_its_ten_steps_unasked_and_refuses_others(server: Server, client: Client) -> None:
    few = {**ASKED, "model": FEW_STEPS, "steps": None}
    _, file = video(server, client, **few, generate_audio=True, media=FIRST)
    assert facts(file) == (64, 64, 24, 24.0)
    assert np.abs(heard(file)).max() > 1e-3
    assert refused(client, **{**few, "steps": 16}) == (400, "steps")
    assert refused(client, **{**few, "guidance_scale": 5}) == (400, "guidance_scale")
    assert refused(client, **{**few, "negative_prompt": "blurry"}) == (400, "negative_prompt")


def test_what_was_scaled_and_retimed_is_said(server: Server, client: Client) -> None:
    job, file = made(server, client, width=100, height=70, fps=12)
    assert facts(file) == (100, 70, 12, 12.0)
    assert "scaled to 100×70" in changes_said(job)
    assert "made at 24 fps; retimed to 12 fps" in changes_said(job)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"media": {"frame_images": [{"input_image": png(picture(1)), "frame": "last"}]}}, "media.frame_images"),
        ({"media": {"audio_inputs": [png(picture(1))]}}, "media.audio_inputs"),
        ({"media": {"reference_videos": [png(picture(1))]}}, "media.reference_videos"),
        ({"media": {"source_video": png(picture(1))}}, "media.source_video"),
        ({"seconds": "6"}, "seconds"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
        ({"prompt": None}, "prompt"),
        ({"extra_body": {"quality": "high"}}, "quality"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(
    server: Server, client: Client, change: dict[str, Any], param: str
) -> None:
    status, fault = refused(client, **{**ASKED, **change})
    assert status == 400
    assert fault is not None and fault.startswith(param)
