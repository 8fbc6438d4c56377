"""Tiny Wans served as any model is, and called with the real Together client: every field of their cards."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from generations import Client
from over_http import LOADING_S, SMALLEST, Made, added, changes_said, facts, png, refused, video, warm
from served import REAL, Server
from small_requests import picture
from tiny_wan import ANY, EXPERTS, FIRST_AND_LAST, TEXT, TEXT_OR_FIRST

SERVED = {
    "wan2.1-t2v-1.3b": TEXT,
    "wan2.1-vace-1.3b": ANY,
    "wan2.1-flf2v-14b": FIRST_AND_LAST,
    "wan2.2-ti2v-5b": TEXT_OR_FIRST,
}
SPOILT = "studio/spoilt"
ASKED: dict[str, Any] = {
    **SMALLEST,
    "guidance_scale": 5,
}


PICTURE = png(picture(1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path, tiny_folder: Callable[..., Path]) -> Iterator[Server]:
    for id, kind in SERVED.items():
        added(folder / "data", id, "--from", str(tiny_folder(kind)))
    spoilt = folder / "spoilt"
    shutil.copytree(tiny_folder(EXPERTS), spoilt)
    added(folder / "data", SPOILT, "--like", "wan2.2-t2v-a14b", "--from", str(spoilt))
    weights = spoilt / "transformer_2" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes().replace(b'"proj_out.bias"', b'"proj_out.bits"'))
    with warm(folder, model="wan2.1-vace-1.3b", **ASKED) as server:
        yield server


def made(server: Server, client: Client, model: str = "wan2.1-vace-1.3b", **changes: Any) -> Made:
    """The finished job and its file. A change of None leaves a field out."""
    return video(server, client, model=model, **{**ASKED, **changes})


@pytest.fixture(scope="module")
def plain(server: Server, client: Client) -> bytes:
    """The file of `ASKED` as it is."""
    return made(server, client)[1]


def test_the_models_list_has_what_was_added(server: Server, client: Client) -> None:
    listed = {model["id"]: model for model in server.ask("GET", "/v1/models").json()}
    assert set(SERVED) <= set(listed)


def test_the_same_request_gives_the_same_file_here_and_from_the_command_line(
    server: Server, client: Client, plain: bytes, folder: Path
) -> None:
    assert made(server, client)[1] == plain
    output = folder / "by-hand.mp4"
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in ASKED.items() if name != "prompt"]
    subprocess.run(
        [*REAL, "generate", ASKED["prompt"], "--model", "wan2.1-vace-1.3b", *flags, "-o", str(output)],
        env={**os.environ, "RUSHES_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=LOADING_S,
    )
    assert output.read_bytes() == plain


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "A rocket flies"},
        {"negative_prompt": "blurry"},
        {"steps": 3},
        {"guidance_scale": 2.5},
        {"guidance_scale": 1},
        {"seed": 8},
        {"output_quality": 40},
        {"output_format": "WEBM"},
    ],
    ids=lambda change: str(*change.items()),
)
def test_a_field_that_is_taken_changes_the_film(
    server: Server, client: Client, plain: bytes, change: dict[str, Any]
) -> None:
    assert made(server, client, **change)[1] != plain


@pytest.mark.parametrize(
    ("change", "expected", "said"),
    [
        ({"width": 96, "height": 64, "fps": 24}, (96, 64, 24, 24.0), "made at 16 fps; retimed to 24 fps"),
        ({"width": 100, "height": 70}, (100, 70, 16, 16.0), "made at 112×80; scaled to 100×70"),
        ({"seconds": "2"}, (64, 64, 32, 16.0), None),
    ],
    ids=["fps", "a size between tokens", "seconds"],
)
def test_size_rate_and_length_are_as_asked_and_what_was_done_is_said(
    server: Server, client: Client, change: dict[str, Any], expected: tuple[int, int, int, float], said: str | None
) -> None:
    job, file = made(server, client, **change)
    assert facts(file) == expected
    changes = changes_said(job)
    assert said is None or said in changes, changes


def test_keyframes_at_any_frame_a_clip_to_continue_and_one_to_edit_change_the_film(
    server: Server, client: Client, plain: bytes
) -> None:
    clip = base64.b64encode(plain).decode()
    media: list[dict[str, Any]] = [
        {"frame_images": [{"input_image": PICTURE, "frame": 8}]},
        {"frame_images": [{"input_image": PICTURE, "frame": "last"}]},
        {"source_video": clip},
    ]
    films = [plain] + [made(server, client, media=given)[1] for given in media]
    job, continued = made(server, client, seconds="2", media={"frame_videos": [clip]})
    assert len({*films, continued}) == 5
    said = changes_said(job)
    assert "the video begins with the clip" in said
    assert "exact, on cpu: attention by torch's own kernel (native)" in said, "the plan is on the job"


def test_a_first_and_a_last_frame_are_both_needed_where_the_model_needs_both(server: Server, client: Client) -> None:
    def frames(*places: str) -> dict[str, Any]:
        return {"frame_images": [{"input_image": png(picture(n)), "frame": at} for n, at in enumerate(places)]}

    answer = client.refused("videos.create", model="wan2.1-flf2v-14b", media=frames("first"), **ASKED)
    assert answer.status == 400
    assert answer.error["param"] == "media.frame_images"
    assert "the last frame is missing" in answer.error["message"]
    assert facts(made(server, client, "wan2.1-flf2v-14b", media=frames("first", "last"), prompt=None)[1])[2] == 16


def test_a_first_frame_is_optional_where_the_model_says_so(server: Server, client: Client) -> None:
    given = {"frame_images": [{"input_image": PICTURE, "frame": "first"}]}
    free, led = (made(server, client, "wan2.2-ti2v-5b", media=media)[1] for media in (None, given))
    assert free != led
    assert facts(led) == (64, 64, 24, 24.0)


@pytest.mark.parametrize(
    ("model", "change", "param"),
    [
        ("wan2.1-t2v-1.3b", {"generate_audio": True}, "generate_audio"),
        (
            "wan2.1-t2v-1.3b",
            {"media": {"frame_images": [{"input_image": PICTURE, "frame": "first"}]}},
            "media.frame_images",
        ),
        ("wan2.1-t2v-1.3b", {"seconds": "9"}, "seconds"),
        ("wan2.1-t2v-1.3b", {"guidance_scale": 0.5}, "guidance_scale"),
        ("wan2.1-t2v-1.3b", {"steps": 101}, "steps"),
        ("wan2.1-t2v-1.3b", {"prompt": None}, "prompt"),
        ("wan2.1-t2v-1.3b", {"width": 65}, "width"),
        ("wan2.1-t2v-1.3b", {"width": None, "height": None, "resolution": "4K"}, "resolution"),
        ("wan2.1-vace-1.3b", {"media": {"audio_inputs": [PICTURE]}}, "media.audio_inputs"),
        ("wan2.1-vace-1.3b", {"media": {"frame_videos": [PICTURE], "source_video": PICTURE}}, "media.frame_videos"),
        ("wan2.1-flf2v-14b", {}, "media.frame_images"),
        (
            "wan2.2-ti2v-5b",
            {"media": {"frame_images": [{"input_image": PICTURE, "frame": "last"}]}},
            "media.frame_images[0].frame",
        ),
    ],
)
def test_what_a_model_cannot_honour_is_refused_by_name(
    server: Server, client: Client, model: str, change: dict[str, Any], param: str
) -> None:
    assert refused(client, model=model, **{**ASKED, **change}) == (400, param)


def test_a_checkpoint_that_is_not_whole_fails_its_job_with_the_reason_and_the_next_is_made(
    server: Server, client: Client, plain: bytes
) -> None:
    failed = server.ended(client.returned("videos.create", model=SPOILT, **ASKED)["id"])
    assert failed["status"] == "failed"
    assert "transformer_2 lacks proj_out.bias" in failed["error"]["message"]
    assert made(server, client)[1] == plain


def test_frames_of_a_film_are_pictures_and_not_one_colour(plain: bytes) -> None:
    with av.open(io.BytesIO(plain)) as container:
        film = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    assert film.std() > 1
    assert not np.array_equal(film[0], film[-1])
