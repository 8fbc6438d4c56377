"""A pipeline that Rushes does not know, added from its folder and served as any model is, to the Together client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_whole
from generations import Client
from over_http import FIELDS, PICTURE, SMALLEST, Make, added, changes_said, each_another, frames, pictures, warm
from served import Server
from tiny_cards import changed
from tiny_whole import COGVIDEOX, HUNYUAN, LTX, MOCHI

MODEL = "studio/penguins"
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("served")
    added(place, MODEL, "--from", tiny_whole.built(COGVIDEOX, place / "cog"))
    with warm(place, **ASKED) as server:
        yield server


def test_the_card_is_what_the_call_takes_and_says_what_it_cannot_promise(server: Server) -> None:
    (card,) = (model for model in server.ask("GET", "/v1/models").json() if model["id"] == MODEL)
    assert "CogVideoXPipeline, called whole" in card["description"]
    assert "a clip that is broken off begins again" in card["description"]
    limits = card["limits"]
    assert limits["size"]["default"] == "64x64", "of its own network, in pixels"
    assert limits["seconds"] == {"minimum": 1, "maximum": 1, "default": 1}, "9 frames at 8 a second"
    assert (limits["steps"]["default"], limits["guidance_scale"]["default"]) == (50, 6.0), "its call's defaults"
    assert limits["media"] == {}


def test_the_same_seed_gives_the_same_file_and_each_field_another(made: Make) -> None:
    film = pictures(each_another(made, FIELDS))
    assert film.shape == (8, 64, 64, 3)
    assert film.std() > 1


def test_what_was_scaled_and_retimed_is_said(made: Make) -> None:
    job, _ = made(width=96, height=96, fps=16)
    said = changes_said(job)
    assert "made at 64×64; scaled to 96×96" in said
    assert "made at 8 fps; retimed to 16 fps" in said


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"media": frames("first")}, "media.frame_images"),
        ({"media": {"audio_inputs": [PICTURE]}}, "media.audio_inputs"),
        ({"generate_audio": True}, "generate_audio"),
        ({"seconds": "2"}, "seconds"),
        ({"guidance_scale": 0.5}, "guidance_scale"),
    ],
)
def test_what_the_pipeline_ignores_is_refused_by_name(
    refused: Callable[..., Any], change: dict[str, Any], param: str
) -> None:
    assert refused(**change) == (400, param)


def test_a_video_that_is_cancelled_ends_without_a_file_and_the_next_is_made(
    server: Server, client: Client, made: Make, plain: bytes
) -> None:
    id = client.returned("videos.create", **{**ASKED, "steps": 200})["id"]
    server.until(id, lambda job: job["status"] == "in_progress")
    server.cancel(id)
    assert server.ended(id)["error"]["code"] == "cancelled"
    assert made()[1] == plain


@pytest.mark.parametrize(
    ("kind", "words", "reason"),
    [
        (LTX, [], None),
        (HUNYUAN, [], None),
        (MOCHI, ["--native", "64x64"], "WIDTHxHEIGHT@FPS"),
        ("LTXImageToVideoPipeline", [], None),
        ("LTXLatentUpsamplePipeline", [], "takes no length or no size"),
        ("WanVideoToVideoPipeline", [], "takes no length or no size"),
        ("LucyEditPipeline", [], "also wants video"),
        ("AnimateDiffControlNetPipeline", [], "also wants conditioning_frames"),
        ("FluxPipeline", [], "takes no length or no size"),
        ("SomebodysOwnPipeline", [], "it has no pipeline 'SomebodysOwnPipeline'"),
        ("AnyFlowPipeline", [], "states no frames a second"),
        ("AnyFlowPipeline", ["--native", "832x480@16"], None),
    ],
    ids=lambda value: str(value),
)
def test_a_folder_is_taken_or_the_reason_why_not_is_said(
    tmp_path: Path, kind: str, words: list[str], reason: str | None
) -> None:
    # Whether its parts are what that pipeline wants is only seen when they are loaded.
    folder = tiny_whole.built(LTX, tmp_path / "folder")
    changed(folder / "model_index.json", {"_class_name": kind})
    said = added(tmp_path, "studio/other", "--from", folder, *words, fails=reason is not None)
    if reason is None:
        assert said["pipeline"] == kind
    else:
        assert reason in said["error"]["message"]


def test_a_negative_prompt_without_effect_is_refused_not_taken(tmp_path: Path) -> None:
    """HunyuanVideo reads its guidance as a number; a negative prompt changes nothing without a second pass."""
    from rushes.models.whole.layout import read

    hunyuan = read(tiny_whole.built(HUNYUAN, tmp_path / "hunyuan"))
    assert (hunyuan.negative, hunyuan.guidance, hunyuan.fps) == (False, 6.0, 24)
    assert (hunyuan.width, hunyuan.height, hunyuan.num_frames) == (1280, 720, 129)
