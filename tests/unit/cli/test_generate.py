"""`rushes generate`: one video in one process, said well, refused well, stopped well."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import fields
from pathlib import Path

import pytest
from cli_cases import SMALL, TINY, rushes, started, wait_until
from typer.testing import CliRunner

from rushes.cli import make
from rushes.cli.app import app
from rushes.contract.media import Media
from rushes.contract.request import VideoRequest
from rushes.errors import Unavailable
from rushes.media.probe import probe
from rushes.settings import Settings


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "data")


def test_a_prompt_becomes_a_file_of_exactly_the_asked_shape_and_its_path_is_all_of_stdout(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", "a canary sings", "-o", "clip.mp4", *SMALL, "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "clip.mp4\n"
    facts = probe(tmp_path / "clip.mp4")
    assert (facts.width, facts.height, facts.fps, facts.num_frames, facts.codec) == (96, 64, 15, 15, "h264")
    assert left_in(tmp_path) == ["clip.mp4"]


def test_it_says_what_it_will_make_what_was_not_asked_for_and_what_came_out(tmp_path: Path) -> None:
    said = rushes(tmp_path, "generate", "a canary sings", *SMALL, "--seed", "7").stderr
    assert "test/tiny: 96×64, 1 s at 15 fps (15 frames), 20 steps, guidance 2.5, seed 7, MP4 quality 20" in said
    assert "not asked for, so the model's own: " in said
    assert "steps" in said.partition("model's own: ")[2].partition("\n")[0]
    assert "15 frames, 96×64, 15 fps, 1 s, " in said
    assert "made at 64×36; scaled to 96×64, which cuts off 16% of the width\n" in said
    assert "made at 8 fps; retimed to 15 fps\n" in said
    assert "the same again: --seed 7" in said


def test_advice_is_given_before_the_work_and_the_work_is_done_all_the_same(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", "a canary sings", *SMALL, "--guidance-scale", "20")
    assert done.returncode == 0
    assert "advice: guidance_scale: " in done.stderr


def test_the_suffix_of_the_output_chooses_the_format(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", "a canary sings", "-o", "clip.webm", *SMALL)
    assert done.returncode == 0, done.stderr
    assert probe(tmp_path / "clip.webm").codec == "vp9"


def test_without_an_output_the_file_is_named_after_its_format(tmp_path: Path) -> None:
    assert rushes(tmp_path, "generate", "a canary sings", *SMALL, "--output-format", "webm").stdout == "rushes.webm\n"


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert (
            rushes(tmp_path, "generate", "a canary sings", "-o", f"{name}.mp4", *SMALL, "--seed", seed).returncode == 0
        )
    first, again, other = ((tmp_path / f"{name}.mp4").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_with_json_stdout_is_one_object_with_the_file_the_facts_and_every_settled_value(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", "a canary sings", "-o", "clip.mp4", *SMALL, "--seed", "7", "--json")
    said = json.loads(done.stdout)
    assert said["file"] == "clip.mp4"
    assert said["artifact"]["size_bytes"] == (tmp_path / "clip.mp4").stat().st_size
    assert said["artifact"]["native"] == {"width": 64, "height": 36, "fps": 8, "num_frames": 8, "how": ""}
    assert said["request"]["seed"] == 7
    assert said["request"]["steps"] == 20
    assert {note["field"] for note in said["notes"]} >= {"steps", "guidance_scale"}
    assert [note["field"] for note in said["notes"] if note["kind"] == "made"] == ["width", "fps"]
    assert done.stderr == ""


URL = "https://example.com/a"
REFUSED = [
    (("--seconds", "11"), "seconds"),
    (("--seconds", "abc"), "seconds"),
    (("--seconds", "nan"), "seconds"),
    (("--steps", "9"), "steps"),
    (("--steps", "20.5"), "steps"),
    (("--fps", "9" * 400), "fps"),
    (("--width", "97", "--height", "64"), "width"),
    (("--guidance-scale", "x"), "guidance_scale"),
    (("--seed", "-1"), "seed"),
    (("--output-quality", "52"), "output_quality"),
    (("--output-format", "GIF"), "output_format"),
    (("--output-format", "WEBM", "-o", "clip.mp4"), "output_format"),
    (("--first-frame", URL, "--frame", f"0={URL}"), "media.frame_images[1].frame"),
    (("--frame-image", f"99={URL}"), "media.frame_images[0].frame"),
    (("--frame-image", "3=nowhere.png"), "media.frame_images"),
    (("--frame-video", URL, "--source", URL), "media.frame_videos"),
    (("--continue", URL, "--continue", URL), "media.frame_videos"),
    (("--reference-image", URL, "--reference-video", URL), "media.reference_images"),
    (("--reference-image", URL, "--reference-image", URL), "media.reference_images"),
    (("--reference-video", URL, "--reference-video", URL), "media.reference_videos"),
    (("--audio-input", URL, "--audio", URL), "media.audio_inputs"),
    (("--source-video", "nowhere.mp4"), "media.source_video"),
    (("--model", "nobody/nothing"), "model"),
    (("--source-video", "a" * 300), "media.source_video"),
    (("--source-video", "~nobody-has-this-name/clip.mp4"), "media.source_video"),
    (("-o", "clip.gif"), "output"),
    (("-o", f"{'a' * 300}.mp4"), "output"),
    (("-o", "nowhere/clip.mp4"), "output"),
]


@pytest.mark.parametrize(("flags", "field"), REFUSED, ids=[" ".join(flags)[:40] for flags, _ in REFUSED])
def test_what_cannot_be_honoured_is_refused_by_name_before_any_work(
    flags: tuple[str, ...], field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(make, "build_engine", lambda settings: pytest.fail("began to work"))
    done = CliRunner().invoke(app, ["generate", "a canary sings", "--seconds", "1", *flags, "--json"])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["param"] == field
    assert left_in(tmp_path) == []


def test_a_refusal_is_one_line_for_people(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", "a canary sings", *SMALL, "--seconds", "11")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("rushes: seconds: ")
    assert "allowed: 1 to 10" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_prompt_is_refused(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", *SMALL)
    assert done.returncode == 2
    assert "prompt" in done.stderr


def test_an_unknown_flag_is_refused(tmp_path: Path) -> None:
    done = rushes(tmp_path, "generate", "a canary sings", "--frames", "12")
    assert done.returncode == 2
    assert "--frames" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopped_while_it_works_it_exits_130_and_leaves_nothing_behind(number: int, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("the one from before")
    running = started(tmp_path, "generate", "slow 1", "-o", "clip.mp4", *SMALL, "--steps", "50")
    wait_until(lambda: list(tmp_path.glob(".rushes-*/scratch")), "the folder it works in")
    os.kill(running.pid, number)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    assert left_in(tmp_path) == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_text() == "the one from before"


def test_it_works_with_the_settings_of_a_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def build_engine(settings: Settings) -> None:
        heard.append(settings.jobs.memory_bytes)
        raise Unavailable("that was all there was to hear")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUSHES_MEMORY_BYTES", "8000000000")
    monkeypatch.setattr(make, "build_engine", build_engine)
    assert CliRunner().invoke(app, ["generate", "a canary sings"]).exit_code == 1
    assert heard == [8_000_000_000]


def test_every_field_of_the_contract_is_a_flag_of_the_same_name(tmp_path: Path) -> None:
    said = rushes(tmp_path, "generate", "--help").stdout
    said_by_the_door = {"metadata", "warnings", "media", "prompt"}
    of_a_server = {"reuse", "webhook_url"}  # there is nobody to call and nothing kept to copy
    singular = {"frame_images", "frame_videos", "reference_images", "reference_videos", "audio_inputs", "loras"}
    names = {field.name for field in (*fields(VideoRequest), *fields(Media))} - said_by_the_door - of_a_server
    for name in names:
        flag = (name.removesuffix("s") if name in singular else name).replace("_", "-")
        assert re.search(rf"--{flag}[ ,]", said), flag


def test_the_tiny_model_is_no_part_of_the_product(tmp_path: Path) -> None:
    assert TINY not in rushes(tmp_path, "generate", "--help").stdout
