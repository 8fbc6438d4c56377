"""What a request may hold: taken, refused with the name of the field, or ignored and said so."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from generations import Client, Raised
from served import QUICK, Server

PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(48)).decode()
TEXT = "data:text/plain;base64," + base64.b64encode(b"no picture").decode()


def accepted(client: Client, server: Server, **changes: Any) -> dict[str, Any]:
    """The job of QUICK with `changes`, given up at once."""
    job: dict[str, Any] = client.returned("videos.create", **{**QUICK, **changes})
    server.cancel(job["id"])
    return job


def refused(client: Client, **changes: Any) -> dict[str, Any]:
    """The error that QUICK with `changes` is refused with."""
    raised: Raised = client.refused("videos.create", **{**QUICK, **changes})
    assert (raised.kind, raised.status) == ("BadRequestError", 400), raised
    return raised.error


@pytest.mark.parametrize("steps", [10, 50])
def test_steps_at_either_end_are_taken(newest: Client, server: Server, steps: int) -> None:
    assert accepted(newest, server, steps=steps)["steps"] == steps


@pytest.mark.parametrize("guidance_scale", [6, 7.5, 13])
def test_guidance_of_any_kind_of_number_is_taken(newest: Client, server: Server, guidance_scale: float) -> None:
    accepted(newest, server, guidance_scale=guidance_scale)


@pytest.mark.parametrize("seconds", ["5", "1", "10", "2.5"])
def test_seconds_come_back_as_the_string_that_was_sent(newest: Client, server: Server, seconds: str) -> None:
    assert accepted(newest, server, seconds=seconds)["seconds"] == seconds


def test_seconds_may_be_a_number_and_come_back_as_a_string(newest: Client, server: Server) -> None:
    assert accepted(newest, server, extra_body={"seconds": 5})["seconds"] == "5"


@pytest.mark.parametrize(
    ("field", "value", "code", "told"),
    [
        ("steps", 9, "invalid_value", "10 to 50"),
        ("steps", 51, "invalid_value", "10 to 50"),
        ("seconds", "abc", "invalid_value", "number of seconds"),
        ("seconds", "0", "invalidDuration", "1 to 10"),
        ("seconds", "11", "invalidDuration", "1 to 10"),
        ("guidance_scale", "x", "invalid_value", "a number"),
        ("output_format", "GIF", "invalid_value", "MP4"),
        ("output_quality", 52, "invalid_value", "51"),
        ("fps", 14, "invalid_value", "15 to 60"),
        ("seed", -1, "invalid_value", "2147483647"),
        ("width", 97, "invalid_value", "even"),
        ("generate_audio", True, "unsupportedParameter", "test/tiny"),
        ("prompt", "", "invalid_value", "1"),
        ("prompt", "x" * 32_001, "invalid_value", "32"),
        ("model", "", "invalid_value", "1"),
    ],
)
def test_a_value_that_cannot_be_met_is_refused_by_field(
    newest: Client, field: str, value: Any, code: str, told: str
) -> None:
    error = refused(newest, **{field: value})
    assert (error["param"], error["code"]) == (field, code)
    assert told in error["message"]
    assert error["type"] == "invalid_request_error"


def test_a_prompt_of_32_000_characters_is_taken(newest: Client, server: Server) -> None:
    accepted(newest, server, prompt="x" * 32_000)


OPTIONAL = {
    *("negative_prompt", "height", "width", "resolution", "ratio", "seconds", "fps", "steps", "seed"),
    *("guidance_scale", "output_format", "output_quality", "generate_audio", "media"),
}


@pytest.mark.parametrize("name", ["1.5.35", "2.42.0", "3.1.1", "ts"])
def test_nothing_given_for_every_optional_argument_is_as_if_absent(
    client_named: Any, server: Server, name: str
) -> None:
    nothing = dict.fromkeys(["frame_images", "reference_images"] if name != "3.1.1" else [])
    job = client_named(name).returned(
        "videos.create", model="test/tiny", prompt="a fox", **nothing, **dict.fromkeys(OPTIONAL)
    )
    server.cancel(job["id"])
    seen = server.video(job["id"])
    assert (seen["size"], seen["seconds"], seen["fps"]) == ("1366x768", "6", 24)


@pytest.mark.parametrize(
    ("member", "given"),
    [
        ("reference_videos", [{"video": "https://example.com/clip.mp4"}]),
        ("audio_inputs", ["https://example.com/sound.wav"]),
    ],
)
def test_media_that_the_model_does_not_take_is_refused_by_member(newest: Client, member: str, given: Any) -> None:
    error = refused(newest, media={member: given})
    assert (error["param"], error["code"]) == (f"media.{member}", "unsupportedParameter")


@pytest.mark.parametrize("name", ["1.5.35", "2.42.0", "ts"])
@pytest.mark.parametrize(
    ("spelling", "given"), [("frame_images", [{"input_image": TEXT}]), ("reference_images", [TEXT])]
)
def test_the_old_spellings_of_media_are_read_and_refused_by_the_same_rules(
    client_named: Any, name: str, spelling: str, given: Any
) -> None:
    raised = client_named(name).refused("videos.create", **{**QUICK, spelling: given})
    assert raised.status == 400
    assert "frame_images" in raised.error["param"]  # one reference image alone is a first frame, as in I2V calls


def test_what_nobody_knows_is_ignored_and_said_and_metadata_comes_back(newest: Client, server: Server) -> None:
    more = {"settings": {"audio": False}, "metadata": {"take": 3, "who": ["a", None]}, "foo": 1}
    job = accepted(newest, server, extra_body=more)
    assert job["metadata"] == more["metadata"]
    assert [warning["message"] for warning in job["warnings"]] == ["foo: not a field of this API; ignored"]


def test_the_raw_reply_carries_its_request_id(client_named: Any, server: Server) -> None:
    for name in ("2.42.0", "3.1.1"):
        raw = client_named(name).returned("create_raw", **QUICK)
        assert raw["status"] == 200
        assert raw["headers"]["x-request-id"].startswith("req_")
        assert raw["headers"]["content-type"].startswith("application/json")
        server.cancel(raw["video"]["id"])


def test_the_answer_is_json_that_holds_what_was_settled(newest: Client, server: Server) -> None:
    job = accepted(newest, server, model="TEST/Tiny", seed=7)
    assert json.loads(json.dumps(job)) == job
    assert (job["model"], job["made_by"], job["seed"]) == ("TEST/Tiny", "test/tiny", 7)
    assert (job["size"], job["seconds"]) == ("96x64", "1")


def test_the_hosted_example_works_with_nothing_but_the_base_url_changed(newest: Client, server: Server) -> None:
    job = newest.returned(
        "videos.create",
        model="minimax/hailuo-02",
        prompt="A serene sunset over the ocean with gentle waves",
        width=1366,
        height=768,
        seconds="6",
        fps=25,
        steps=30,
        guidance_scale=8.0,
        output_format="MP4",
        output_quality=20,
        seed=42,
    )
    server.cancel(job["id"])
    assert (job["model"], job["made_by"], job["size"], job["seconds"]) == (
        "minimax/hailuo-02",
        "test/tiny",
        "1366x768",
        "6",
    )
