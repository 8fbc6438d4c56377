"""Tiny Wans served as any model is, and called with the real Together client: every field of their cards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generations import Client
from over_http import (
    FIELDS,
    PICTURE,
    SMALLEST,
    Make,
    added,
    changes_said,
    facts,
    frames,
    made_by_hand,
    pictures,
    text,
    warm,
)
from served import Server
from tiny_wan import ANY, EXPERTS, FIRST_AND_LAST, TEXT, TEXT_OR_FIRST

SERVED = {
    "wan2.1-t2v-1.3b": TEXT,
    "wan2.1-vace-1.3b": ANY,
    "wan2.1-flf2v-14b": FIRST_AND_LAST,
    "wan2.2-ti2v-5b": TEXT_OR_FIRST,
}
SPOILT = "studio/spoilt"
ASKED: dict[str, Any] = {"model": "wan2.1-vace-1.3b", **SMALLEST, "guidance_scale": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path, tiny_folder: Callable[..., Path]) -> Iterator[Server]:
    for id, kind in SERVED.items():
        added(folder, id, "--from", tiny_folder(kind))
    spoilt = folder / "spoilt"
    shutil.copytree(tiny_folder(EXPERTS), spoilt)
    added(folder, SPOILT, "--like", "wan2.2-t2v-a14b", "--from", spoilt)
    weights = spoilt / "transformer_2" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes().replace(b'"proj_out.bias"', b'"proj_out.bits"'))
    with warm(folder, **ASKED) as server:
        yield server


def test_the_models_list_has_what_was_added(server: Server) -> None:
    listed = {model["id"]: model for model in server.ask("GET", "/v1/models").json()}
    assert set(SERVED) <= set(listed)


def test_the_same_request_gives_the_same_file_here_and_from_the_command_line(
    made: Make, plain: bytes, folder: Path
) -> None:
    assert made()[1] == plain
    assert made_by_hand(folder, ASKED).read_bytes() == plain


@pytest.mark.parametrize("change", [*FIELDS], ids=lambda change: str(*change.items()))
def test_a_field_that_is_taken_changes_the_film(made: Make, plain: bytes, change: dict[str, Any]) -> None:
    assert made(**change)[1] != plain


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
    made: Make, change: dict[str, Any], expected: tuple[int, int, int, float], said: str | None
) -> None:
    job, file = made(**change)
    assert facts(file) == expected
    changes = changes_said(job)
    assert said is None or said in changes, changes


def test_keyframes_at_any_frame_a_clip_to_continue_and_one_to_edit_change_the_film(made: Make, plain: bytes) -> None:
    clip = text(plain)
    films = [plain] + [made(media=given)[1] for given in (frames(8), frames("last"), {"source_video": clip})]
    job, continued = made(seconds="2", media={"frame_videos": [clip]})
    assert len({*films, continued}) == 5
    said = changes_said(job)
    assert "the video begins with the clip" in said
    assert "exact, on cpu: attention by torch's own kernel (native)" in said, "the plan is on the job"


def test_a_first_and_a_last_frame_are_both_needed_where_the_model_needs_both(client: Client, made: Make) -> None:
    asked = {**ASKED, "model": "wan2.1-flf2v-14b"}
    answer = client.refused("videos.create", media=frames("first"), **asked)
    assert answer.status == 400
    assert answer.error["param"] == "media.frame_images"
    assert "the last frame is missing" in answer.error["message"]
    assert facts(made(**{**asked, "media": frames("first", "last"), "prompt": None})[1])[2] == 16


def test_a_first_frame_is_optional_where_the_model_says_so(made: Make) -> None:
    free, led = (made(model="wan2.2-ti2v-5b", media=media)[1] for media in (None, frames("first")))
    assert free != led
    assert facts(led) == (64, 64, 24, 24.0)


@pytest.mark.parametrize(
    ("model", "change", "param"),
    [
        ("wan2.1-t2v-1.3b", {"generate_audio": True}, "generate_audio"),
        ("wan2.1-t2v-1.3b", {"media": frames("first")}, "media.frame_images"),
        ("wan2.1-t2v-1.3b", {"seconds": "9"}, "seconds"),
        ("wan2.1-t2v-1.3b", {"guidance_scale": 0.5}, "guidance_scale"),
        ("wan2.1-t2v-1.3b", {"steps": 101}, "steps"),
        ("wan2.1-t2v-1.3b", {"prompt": None}, "prompt"),
        ("wan2.1-t2v-1.3b", {"width": 65}, "width"),
        ("wan2.1-t2v-1.3b", {"width": None, "height": None, "resolution": "4K"}, "resolution"),
        ("wan2.1-vace-1.3b", {"media": {"audio_inputs": [PICTURE]}}, "media.audio_inputs"),
        ("wan2.1-vace-1.3b", {"media": {"frame_videos": [PICTURE], "source_video": PICTURE}}, "media.frame_videos"),
        ("wan2.1-flf2v-14b", {}, "media.frame_images"),
        ("wan2.2-ti2v-5b", {"media": frames("last")}, "media.frame_images[0].frame"),
    ],
)
def test_what_a_model_cannot_honour_is_refused_by_name(
    refused: Callable[..., Any], model: str, change: dict[str, Any], param: str
) -> None:
    assert refused(model=model, **change) == (400, param)


def test_a_checkpoint_that_is_not_whole_fails_its_job_with_the_reason_and_the_next_is_made(
    server: Server, client: Client, made: Make, plain: bytes
) -> None:
    failed = server.ended(client.returned("videos.create", **{**ASKED, "model": SPOILT})["id"])
    assert failed["status"] == "failed"
    assert "transformer_2 lacks proj_out.bias" in failed["error"]["message"]
    assert made()[1] == plain


def test_frames_of_a_film_are_pictures_and_not_one_colour(plain: bytes) -> None:
    film = pictures(plain)
    assert film.std() > 1
    assert not np.array_equal(film[0], film[-1])
