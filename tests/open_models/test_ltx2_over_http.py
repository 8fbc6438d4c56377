"""A tiny LTX-2.3 served as any model is, and called with the real Together client: every field of its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_ltx2
from diffusers import LTX2VideoTransformer3DModel
from foreign_cases import tone, wav
from generations import Client
from over_http import (
    FIELDS,
    PICTURE,
    SMALLEST,
    SOUND_HZ,
    Make,
    added,
    changes_said,
    facts,
    frames,
    heard,
    heard_for,
    lora_added,
    pictures,
    rushes,
    text,
    warm,
)
from served import Server
from tiny_lora import linears, saved, tensors
from tiny_ltx2 import SECOND, THIRD

MODEL, DISTILLED, NEWEST = "ltx-2.3", "ltx-2.3-distilled", "ltx-2.5"
LARGE = {"width": 992, "height": 992}
ASKED: dict[str, Any] = {"model": MODEL, **SMALLEST, "guidance_scale": 3}
EIGHT_STEPS: dict[str, Any] = {"model": DISTILLED, "steps": None, "guidance_scale": None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(tiny_folder: Callable[..., Path], folder: Path) -> Iterator[Server]:
    for id, kind in ((MODEL, SECOND), (DISTILLED, SECOND + tiny_ltx2.DISTILLED)):
        added(folder, id, "--accept-licence", "--from", tiny_folder(kind))
    _add_newest(folder, tiny_folder(THIRD))
    with warm(folder, **ASKED) as server:
        yield server


def _add_newest(folder: Path, checkpoint: Path) -> None:
    """With an upsampler beside its parts, its distilled LoRA, and one for each member of media that one can look at."""
    shutil.copytree(checkpoint, folder / NEWEST)
    tiny_ltx2.upsampler().save_pretrained(folder / NEWEST / "latent_upsampler")
    added(folder, NEWEST, "--accept-licence", "--from", folder / NEWEST)
    network = LTX2VideoTransformer3DModel.from_pretrained(checkpoint / tiny_ltx2.FULL)
    file = saved(folder / "lora.safetensors", tensors(network, {name: name for name in linears(network)}, size=0.05))
    lora_added(folder, "distilled", NEWEST, "--from", file)
    changes = tensors(network, {name: name for name in linears(network)}, size=0.05, seed=1)
    file = saved(folder / "beside.safetensors", changes, reference_downscale_factor=1)
    lora_added(folder, "depth", NEWEST, "--from", file, "--reads", "reference_videos")
    lora_added(folder, "redraw", NEWEST, "--from", file, "--reads", "source_video")


@pytest.mark.parametrize("change", [*FIELDS, {"generate_audio": True}], ids=lambda change: str(*change.items()))
def test_a_field_that_is_taken_changes_the_file(made: Make, plain: bytes, change: dict[str, Any]) -> None:
    assert made(**change)[1] != plain


def test_the_same_request_gives_the_same_file(made: Make, plain: bytes) -> None:
    assert made()[1] == plain


@pytest.mark.parametrize(
    ("change", "expected", "change_said"),
    [
        ({"fps": 30}, (64, 64, 30, 30.0), None),
        ({"fps": 12}, (64, 64, 12, 12.0), "made at 24 fps; retimed to 12 fps"),
        ({"width": 100, "height": 70}, (100, 70, 24, 24.0), "scaled to 100×70"),
        ({"seconds": "2"}, (64, 64, 48, 24.0), None),
    ],
    ids=["a rate of its own", "another rate", "a size between tokens", "seconds"],
)
def test_size_rate_and_length_are_as_asked_and_what_was_done_is_said(
    made: Make, change: dict[str, Any], expected: tuple[int, int, int, float], change_said: str | None
) -> None:
    job, file = made(**change)
    assert facts(file) == expected
    assert (change_said or "") in changes_said(job)
    assert change_said is not None or "retimed" not in changes_said(job)


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_the_sound_is_really_in_the_file(made: Make, plain: bytes, output_format: str) -> None:
    assert heard(plain) is None
    file = made(generate_audio=True, output_format=output_format)[1]
    assert facts(file)[2] == 24
    samples = heard_for(file, 1.0)
    assert len(samples) == 2
    loudness = np.sqrt(np.mean(samples[:, SOUND_HZ // 10 : SOUND_HZ * 9 // 10] ** 2))
    assert 1e-3 < loudness < 1


def test_a_given_sound_is_in_the_file_as_it_was_and_the_pictures_follow_it(made: Make, plain: bytes) -> None:
    sounds = {pitch_hz: text(wav(tone(3.0, 16_000, 1, pitch_hz), 16_000)) for pitch_hz in (440.0, 3000.0)}
    files = {pitch_hz: made(media={"audio_inputs": [given]})[1] for pitch_hz, given in sounds.items()}
    for pitch_hz, file in files.items():
        second = heard(file)[0, :SOUND_HZ]
        spectrum = np.abs(np.fft.rfft(second))
        assert abs(int(spectrum.argmax()) * SOUND_HZ / len(second) - pitch_hz) < 20
    assert len({pictures(file).tobytes() for file in (plain, *files.values())}) == 3


def test_keyframes_at_any_frame_and_a_clip_to_continue_change_the_film(made: Make, plain: bytes) -> None:
    media = [*map(frames, ("first", 8, 13, "last")), frames(0, 10, 20, seed=0)]
    films = [plain] + [made(media=given)[1] for given in media]
    assert len(set(films)) == len(films)
    job, continued = made(seconds="2", media={"frame_videos": [text(plain)]})
    assert facts(continued)[2] == 48
    assert "the video begins with the clip" in changes_said(job)


def test_a_distilled_one_makes_its_eight_steps_unasked(made: Make) -> None:
    job, file = made(**EIGHT_STEPS, generate_audio=True)
    assert facts(file) == (64, 64, 24, 24.0)
    assert heard(file) is not None
    assert job["model"] == DISTILLED


def test_what_is_too_large_for_one_pass_is_enlarged_as_latents_and_the_job_names_the_stage(made: Make) -> None:
    job, file = made(**EIGHT_STEPS, **LARGE)
    assert facts(file) == (992, 992, 24, 24.0)
    assert "made at 512×512; enlarged as latents to 1024×1024, and refined" in changes_said(job)


def test_a_full_one_of_the_newest_generation_makes_film_and_sound(made: Make) -> None:
    job, file = made(model=NEWEST, generate_audio=True)
    assert (job["model"], facts(file)) == (NEWEST, (64, 64, 24, 24.0))
    assert heard(file) is not None


def test_a_full_one_refines_what_is_large_by_the_lora_that_was_registered_for_it(made: Make) -> None:
    job, file = made(model=NEWEST, **LARGE)
    assert facts(file) == (992, 992, 24, 24.0)
    said = "made at 512×512; enlarged as latents to 1024×1024, and refined by the LoRA distilled"
    assert said in changes_said(job)


@pytest.mark.parametrize(("member", "name"), [("reference_videos", "depth"), ("source_video", "redraw")])
def test_a_clip_is_looked_at_by_the_lora_that_was_taught_to(made: Make, plain: bytes, member: str, name: str) -> None:
    clips = [text(file) for file in (plain, made(prompt="A rocket flies")[1])]
    films = []
    for clip in clips:
        job, file = made(model=NEWEST, media={member: clip if member == "source_video" else [clip]})
        assert facts(file) == (64, 64, 24, 24.0)
        assert f"with {name} (revision " in changes_said(job)
        assert f"which looks at media.{member}" in changes_said(job)
        films.append(file)
    assert len({*films, made(model=NEWEST)[1]}) == 3
    named = {"loras": [{"name": name, "weight": 0.5}]}
    media = {member: clips[0] if member == "source_video" else [clips[0]]}
    assert made(model=NEWEST, media=media, extra_body=named)[1] not in films


def test_such_a_film_is_answered_again_for_its_clip_and_lora_alone_and_replays_to_the_same_bytes(
    made: Make, plain: bytes, folder: Path
) -> None:
    clip, other = text(plain), text(made(prompt="A rocket flies")[1])

    def beside(clip: str, **more: Any) -> Any:
        # Of a prompt that no other test has: what those made on this server would be answered again.
        return made(prompt="A fox naps", model=NEWEST, media={"reference_videos": [clip]}, extra_body=more)

    job, file = beside(clip)
    for said in ({}, {"loras": [{"name": "Depth"}]}):
        copy, copied = beside(clip, reuse=True, **said)
        assert copy["reused"] is not None
        assert copied == file
    assert beside(other, reuse=True)[0]["reused"] is None
    assert beside(clip, reuse=True, loras=[{"name": "depth", "weight": 0.5}])[0]["reused"] is None
    assert json.loads(rushes(folder, "replay", job["id"], "--json"))["same"] is True


def test_the_models_list_says_which_lora_looks_at_what(server: Server) -> None:
    limits = {model["id"]: model["limits"] for model in server.ask("GET", "/v1/models").json()}
    assert limits[NEWEST]["loras"]["reads"] == {"depth": "media.reference_videos", "redraw": "media.source_video"}
    assert {"reference_videos", "source_video"} < limits[NEWEST]["media"].keys()
    assert not {"reference_videos", "source_video"} & limits[MODEL]["media"].keys()


def test_a_clip_that_ends_early_says_what_of_it_is_looked_at(made: Make, plain: bytes) -> None:
    job, file = made(model=NEWEST, seconds="2", media={"reference_videos": [text(plain)]})
    assert facts(file)[2] == 48
    assert "of its 1 s the first 0.708 s fill latent frames" in changes_said(job)


def test_a_lora_that_looks_at_a_clip_is_refused_without_one(refused: Callable[..., Any]) -> None:
    named = {"loras": [{"name": "depth"}]}
    assert refused(model=NEWEST, extra_body=named) == (400, "media.reference_videos")


def test_without_that_lora_what_is_large_is_refused_by_the_command_that_adds_it(client: Client) -> None:
    answer = client.refused("videos.create", model=MODEL, prompt="A penguin", resolution="1080P")
    assert (answer.status, answer.error["param"]) == (400, "resolution")
    assert "rushes models add-lora distilled --to ltx-2.3 --from FILE" in answer.error["message"]


@pytest.mark.parametrize("quality", ["high", "fast"])
def test_a_quality_is_taken_and_the_job_says_what_was_done_for_it(made: Make, quality: str) -> None:
    job, file = made(steps=8, extra_body={"quality": quality})
    assert facts(file)[:2] == (64, 64)
    assert ("take the one before (lossy)" in json.dumps(job["made"])) == (quality == "fast")


@pytest.mark.parametrize(
    ("model", "change", "param"),
    [
        (MODEL, LARGE, "width"),
        (MODEL, {"seconds": "21"}, "seconds"),
        (MODEL, {"fps": 61}, "fps"),
        (MODEL, {"guidance_scale": 0.5}, "guidance_scale"),
        (MODEL, {"steps": 1}, "steps"),
        (MODEL, {"prompt": None}, "prompt"),
        (MODEL, {"width": 65}, "width"),
        (MODEL, {"media": {"source_video": PICTURE}}, "media.source_video"),
        (MODEL, {"media": {"reference_videos": [PICTURE]}}, "media.reference_videos"),
        (MODEL, {"media": {"reference_images": [PICTURE, PICTURE]}}, "media.reference_images"),
        (MODEL, {"media": {"audio_inputs": [PICTURE, PICTURE]}}, "media.audio_inputs"),
        (DISTILLED, {}, "steps"),
        (DISTILLED, {"steps": 8}, "guidance_scale"),
        (DISTILLED, {"steps": 8, "guidance_scale": None, "negative_prompt": "blurry"}, "negative_prompt"),
    ],
)
def test_what_a_model_cannot_honour_is_refused_by_name(
    refused: Callable[..., Any], model: str, change: dict[str, Any], param: str
) -> None:
    assert refused(model=model, **change) == (400, param)
