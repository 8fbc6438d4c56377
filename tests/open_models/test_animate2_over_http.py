"""A tiny Wan-Animate-2 served as any model is, in segments as long as published, called with the real client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
import tiny_animate2
from generations import Client
from over_http import Made, added, facts, png, refused, video, warm
from served import Server
from small_requests import film, picture
from tiny_animate2 import DISTILLED

MODEL, FEW_STEPS = "wan2.2-animate-2-14b", "wan2.2-animate-2-14b-distilled"


def clip(place: Path, seed: int, frames: int = 24) -> str:
    path = place / f"{seed}.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for picture in film(seed, frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return base64.b64encode(path.read_bytes()).decode()


def media(character: int, source: str) -> dict[str, Any]:
    return {"frame_images": [{"input_image": png(picture(character)), "frame": "first"}], "source_video": source}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("clips")
    return {
        "model": MODEL,
        "prompt": "A penguin waddles across the snow",
        "width": 64,
        "height": 64,
        "seconds": "1",
        "steps": 1,
        "seed": 7,
        "media": media(1, clip(place, 20)),
    }


@pytest.fixture(scope="module")
def server(asked: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    added(place / "data", MODEL, "--from", str(tiny_animate2.built(place / "base")))
    added(place / "data", FEW_STEPS, "--from", str(tiny_animate2.built(place / "few", DISTILLED)))
    with warm(place, **asked) as server:
        yield server


def made(server: Server, client: Client, asked: dict[str, Any], **changes: Any) -> Made:
    return video(server, client, **{**asked, **changes})


def test_the_same_request_gives_the_same_file_and_every_field_another(
    server: Server, client: Client, asked: dict[str, Any], tmp_path: Path
) -> None:
    _, plain = made(server, client, asked)
    assert made(server, client, asked)[1] == plain
    assert facts(plain) == (64, 64, 24, 24.0)
    changes: list[dict[str, Any]] = [
        {"prompt": None},
        {"negative_prompt": "blurry"},
        {"guidance_scale": 1},
        {"steps": 2},
        {"seed": 8},
        {"fps": 12},
        {"output_format": "WEBM"},
        {"media": media(2, asked["media"]["source_video"])},
        {"media": media(1, clip(tmp_path, 50))},
    ]
    films = [made(server, client, asked, **change)[1] for change in changes]
    assert len({plain, *films}) == len(changes) + 1


def test_a_longer_film_goes_on_in_a_second_segment(server: Server, client: Client, asked: dict[str, Any]) -> None:
    _, file = made(server, client, asked, seconds="4", guidance_scale=1)
    assert facts(file) == (64, 64, 96, 24.0), "81 frames are a segment"


def test_a_distilled_one_makes_its_ten_steps_unasked_and_refuses_others(
    server: Server, client: Client, asked: dict[str, Any]
) -> None:
    few = {**asked, "model": FEW_STEPS, "steps": None}
    assert facts(made(server, client, few)[1]) == (64, 64, 24, 24.0)
    assert refused(client, **{**few, "steps": 8}) == (400, "steps")
    assert refused(client, **{**few, "guidance_scale": 3}) == (400, "guidance_scale")
    assert refused(client, **{**few, "negative_prompt": "blurry"}) == (400, "negative_prompt")


def test_a_reference_image_alone_is_taken_as_the_character(
    server: Server, client: Client, asked: dict[str, Any]
) -> None:
    given = {"reference_images": [png(picture(1))], "source_video": asked["media"]["source_video"]}
    job, file = made(server, client, asked, media=given)
    assert file == made(server, client, asked)[1]
    assert "used as the first frame" in str(job["warnings"])


def test_without_a_character_or_a_clip_it_is_refused(server: Server, client: Client, asked: dict[str, Any]) -> None:
    both = asked["media"]
    for given, param in (
        ({"frame_images": both["frame_images"]}, "media.source_video"),
        ({"source_video": both["source_video"]}, "media.frame_images"),
        ({**both, "audio_inputs": [png(picture(1))]}, "media.audio_inputs"),
    ):
        assert refused(client, **{**asked, "media": given}) == (400, param)
