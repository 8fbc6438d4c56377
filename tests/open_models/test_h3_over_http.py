"""A tiny MiniMax-H3 served as any model is, and called with the real Together client: every field of its card."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_h3
from foreign_cases import film as mp4
from foreign_cases import wav
from generations import Client
from over_http import SMALLEST, Made, added, changes_said, facts, heard, png, refused, video, warm
from served import Server
from small_requests import film, picture
from tiny_h3 import OLD_NORM

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

MODEL = "minimax-h3"
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST, "seconds": "5"}


def sound(seed: int, seconds: float) -> Any:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * 48_000), 2)).astype(np.float32)


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def frame(seed: int, place: str) -> dict[str, Any]:
    return {"input_image": png(picture(seed)), "frame": place}


SEEN, HEARD = film(20, 30), sound(1, 1.2)  # 40 ms each, as `mp4` writes them
CLIP, SOUNDING = text(mp4(SEEN)), text(mp4(SEEN, sound=HEARD))
VOICE, OTHER_VOICE = (text(wav(sound(seed, 3.5))) for seed in (2, 3))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    folder = str(tiny_h3.built(place / "h3"))
    Path(folder, "LICENSE").write_text("MiniMax H3 COMMUNITY LICENSE AGREEMENT. Not in the European Union.")
    assert "licence" in added(place / "data", MODEL, "--from", folder, fails=True)["error"]["message"]
    added(place / "data", MODEL, "--accept-licence", "--from", folder)
    with warm(place, **ASKED) as server:
        yield server


def made(server: Server, client: Client, **changes: Any) -> Made:
    return video(server, client, **{**ASKED, **changes})


def test_the_same_request_gives_the_same_file_and_every_field_another(server: Server, client: Client) -> None:
    _, plain = made(server, client)
    assert made(server, client)[1] == plain
    assert facts(plain) == (64, 64, 120, 24.0)
    changes: list[dict[str, Any]] = [
        {"prompt": "A rocket flies"},
        {"steps": 3},
        {"seed": 8},
        {"output_quality": 40},
        {"output_format": "WEBM"},
        {"generate_audio": True},
        {"seconds": "6"},
        {"fps": 12},
        {"media": {"frame_images": [frame(1, "first")]}},
        {"media": {"frame_images": [frame(1, "last")]}},
        {"media": {"frame_images": [frame(1, "first"), frame(2, "last")]}},
        {"media": {"reference_images": [png(picture(1))]}},
        {"media": {"reference_images": [png(picture(1)), png(picture(2))]}},
        {"media": {"reference_videos": [CLIP]}},
        {"media": {"reference_videos": [SOUNDING]}},
        {"media": {"reference_videos": [CLIP], "audio_inputs": [VOICE]}},
        {"media": {"reference_videos": [CLIP], "audio_inputs": [OTHER_VOICE]}},
        {"media": {"reference_images": [png(picture(1))], "reference_videos": [SOUNDING], "audio_inputs": [VOICE]}},
    ]
    films = [made(server, client, **change)[1] for change in changes]
    assert len({plain, *films}) == len(changes) + 1


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_the_sound_is_in_the_file_as_long_as_the_film(server: Server, client: Client, output_format: str) -> None:
    _, file = made(server, client, generate_audio=True, output_format=output_format)
    samples = heard(file)
    assert abs(samples.shape[1] / 48_000 - 5.0) < 0.1
    assert np.abs(samples).max() > 1e-3


def test_what_was_scaled_retimed_and_left_out_is_said(server: Server, client: Client) -> None:
    long = text(mp4(film(50, 150)))
    job, file = made(server, client, width=100, height=70, fps=12, media={"reference_videos": [long]})
    assert facts(file) == (100, 70, 60, 12.0)
    said = changes_said(job)
    assert "scaled to 100×70" in said
    assert "made at 24 fps; retimed to 12 fps" in said
    assert "of its 6 s the first 5.17 are looked at" in said


def test_an_example_that_cannot_be_read_ends_the_job_with_the_reason(server: Server, client: Client) -> None:
    short = text(mp4(film(50, 5)))
    body = {**ASKED, "media": {"reference_videos": [short]}}
    job = server.ended(client.returned("videos.create", **body)["id"])
    assert job["status"] == "failed"
    assert "shorter than half a second" in str(job)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"negative_prompt": "blurry"}, "negative_prompt"),
        ({"guidance_scale": 4}, "guidance_scale"),
        ({"seconds": "4"}, "seconds"),
        ({"seconds": "15"}, "seconds"),
        ({"prompt": None}, "prompt"),
        ({"media": {"source_video": CLIP}}, "media.source_video"),
        ({"media": {"frame_videos": [CLIP]}}, "media.frame_videos"),
        ({"media": {"audio_inputs": [VOICE]}}, "media.reference_images"),
        ({"media": {"frame_images": [frame(1, "first")], "reference_videos": [CLIP]}}, "media.frame_images"),
        ({"media": {"frame_images": [{"input_image": png(picture(1)), "frame": 60}]}}, "media.frame_images"),
        ({"media": {"reference_images": [png(picture(1))] * 10}}, "media.reference_images"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(
    server: Server, client: Client, change: dict[str, Any], param: str
) -> None:
    status, fault = refused(client, **{**ASKED, **change})
    assert status == 400
    assert fault is not None and fault.startswith(param)
