"""What a client may get wrong in a request, and the answer to each: never a 500, always the field."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

URL = "https://example.org/cat.png"
LONG = "x" * 32_001

ACCEPTED: list[dict[str, Any]] = [
    {},
    {"seconds": "5"},
    {"seconds": 5},
    {"seconds": 2.5},
    {"seconds": "1"},
    {"seconds": "10"},
    {"steps": 10},
    {"steps": 50},
    {"guidance_scale": 6},
    {"guidance_scale": 7.5},
    {"guidance_scale": 13},
    {"output_format": "webm"},
    {"output_format": "Mp4"},
    {"output_quality": 0},
    {"output_quality": 51},
    {"seed": 0},
    {"seed": 2**31 - 1},
    {"fps": 15},
    {"fps": 60},
    {"width": 640, "height": 360},
    {"resolution": "720p", "ratio": "1:1"},
    {"prompt": "x" * 32_000},
    {"prompt": "狐が走る 🦊\n\tzweite Zeile"},
    {"negative_prompt": ""},
    {"settings": {"audio": False}, "metadata": {"a": 1}, "foo": 1},
    {"frame_images": [], "media": {"frame_images": None}},
    dict.fromkeys(("seed", "fps", "steps", "seconds", "media", "width", "height", "metadata", "settings")),
]

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"output_format": "GIF"}, "output_format", "invalid_value"),
    ({"output_quality": 52}, "output_quality", "invalid_value"),
    ({"output_quality": True}, "output_quality", "invalid_value"),
    ({"steps": 9}, "steps", "invalid_value"),
    ({"steps": 51}, "steps", "invalid_value"),
    ({"steps": 0}, "steps", "invalid_value"),
    ({"steps": "20"}, "steps", "invalid_value"),
    ({"prompt": ""}, "prompt", "invalid_value"),
    ({"prompt": "   "}, "prompt", "invalid_value"),
    ({"prompt": LONG}, "prompt", "invalid_value"),
    ({"prompt": None}, "prompt", "missing_required_parameter"),
    ({"prompt": "nul \0"}, "prompt", "invalid_value"),
    ({"negative_prompt": LONG}, "negative_prompt", "invalid_value"),
    ({"seconds": "abc"}, "seconds", "invalid_value"),
    ({"seconds": "0"}, "seconds", "invalidDuration"),
    ({"seconds": "11"}, "seconds", "invalidDuration"),
    ({"seconds": -1}, "seconds", "invalidDuration"),
    ({"seconds": 1e9}, "seconds", "invalidDuration"),
    ({"fps": 14}, "fps", "invalid_value"),
    ({"fps": 61}, "fps", "invalid_value"),
    ({"guidance_scale": "x"}, "guidance_scale", "invalid_value"),
    ({"guidance_scale": 0}, "guidance_scale", "invalid_value"),
    ({"guidance_scale": -7}, "guidance_scale", "invalid_value"),
    ({"seed": -1}, "seed", "invalid_value"),
    ({"seed": 1.5}, "seed", "invalid_value"),
    ({"seed": 2**31}, "seed", "invalid_value"),
    ({"seed": 10**400}, "seed", "invalid_value"),
    ({"width": 640}, "height", "missing_required_parameter"),
    ({"width": 641, "height": 360}, "width", "invalid_value"),
    ({"width": -2, "height": 360}, "width", "invalid_value"),
    ({"width": 100_000, "height": 100_000}, "width", "invalid_value"),
    ({"resolution": "8K"}, "resolution", "invalid_value"),
    ({"ratio": "7:3"}, "ratio", "invalid_value"),
    ({"ratio": ":::"}, "ratio", "invalid_value"),
    ({"ratio": "7:3", "width": 640, "height": 360}, "ratio", "invalid_value"),
    ({"resolution": "720P", "width": 640, "height": 360}, "resolution", "invalid_value"),
    ({"generate_audio": "yes"}, "generate_audio", "invalid_value"),
    ({"metadata": [1]}, "metadata", "invalid_value"),
    ({"metadata": {"a": "x" * 70_000}}, "metadata", "invalid_value"),
    ({"media": {"frame_videos": [{"video": URL}, {"video": URL}]}}, "media.frame_videos", "invalid_value"),
    ({"media": {"reference_images": [URL, URL]}}, "media.reference_images", "invalid_value"),
    ({"media": {"reference_videos": [URL], "reference_images": [URL]}}, "media.reference_images", "invalid_value"),
    ({"media": {"source_video": {"video": URL}, "frame_videos": [URL]}}, "media.frame_videos", "invalid_value"),
    ({"media": {"audio_inputs": [{"audio": URL}, URL]}}, "media.audio_inputs", "invalid_value"),
    ({"media": {"nonsense": [URL]}}, "media.nonsense", "unknown_parameter"),
    ({"frame_images": [{"input_image": URL, "frame": 9999}]}, "media.frame_images[0].frame", "invalid_value"),
    ({"media": {"frame_images": [URL] * 11}}, "media.frame_images", "invalid_value"),
    ({"media": {"frame_images": [{"input_image": URL, "frame": -1}]}}, "media.frame_images[0].frame", "invalid_value"),
    ({"media": {"frame_images": ["not a source"]}}, "media.frame_images[0]", "invalid_value"),
    ({"model": ""}, "model", "invalid_value"),
    ({"model": None}, "model", "missing_required_parameter"),
    ({"model": ["rushes/mini"]}, "model", "invalid_value"),
]


@pytest.fixture(scope="module")
def client(open_door: Callable[..., str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_door()) as client:
        yield client


def post(client: httpx.Client, fields: dict[str, Any], **headers: str) -> httpx.Response:
    body = {"model": "rushes/mini", "prompt": "a fox runs through deep snow", **fields}
    raw = json.dumps(body).encode()
    return client.post("/v2/videos", content=raw, headers={"content-type": "application/json", **headers})


def refusal(reply: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"id", "error"} and reply.headers["x-should-retry"] == "false"
    error: dict[str, Any] = reply.json()["error"]
    assert len(error["message"]) < 600
    return error


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda fields: json.dumps(fields)[:60])
def test_what_the_contract_allows_is_taken(client: httpx.Client, fields: dict[str, Any]) -> None:
    reply = post(client, fields)
    assert reply.status_code == 200, reply.text
    assert reply.json()["status"] == "in_progress"


@pytest.mark.parametrize(
    ("fields", "param", "code"), REFUSED, ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None
)
def test_what_cannot_be_honoured_is_refused_with_its_field(
    client: httpx.Client, fields: dict[str, Any], param: str, code: str
) -> None:
    error = refusal(post(client, fields))
    assert (error["param"], error["code"]) == (param, code)


def test_a_refused_length_names_the_range_and_the_model(client: httpx.Client) -> None:
    message = refusal(post(client, {"seconds": "12"}))["message"]
    assert "given 12" in message and "1 to 10" in message and "rushes/mini" in message


@pytest.mark.parametrize("model", ["nobody/nothing", "minimax/hailuo-02", "../../etc/passwd", "😀"])
def test_a_model_that_is_not_here_is_not_found(client: httpx.Client, model: str) -> None:
    error = refusal(post(client, {"model": model}), 404)
    assert (error["param"], error["code"]) == ("model", "model_not_available")


def test_model_ids_are_found_in_any_letter_case_and_echoed_as_sent(client: httpx.Client) -> None:
    job = post(client, {"model": "Rushes/Mini"}).json()
    assert (job["model"], job["made_by"]) == ("Rushes/Mini", "rushes/mini")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "rushes/mini", "prompt": "\xc3\x28"}',
        b'{"model": "rushes/mini", "prompt": "a", "prompt": "b"}',
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        '{"model": "rushes/mini"}'.encode("utf-16"),
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_a_body_that_is_no_json_object(client: httpx.Client, raw: bytes) -> None:
    reply = client.post("/v2/videos", content=raw, headers={"content-type": "application/json"})
    error = refusal(reply)
    assert (error["param"], error["code"]) == (None, "malformed_body")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000, "-" + "9" * 5000])
@pytest.mark.parametrize("field", ["seed", "seconds", "guidance_scale", "width", "foo"])
def test_numbers_that_are_none(client: httpx.Client, field: str, number: str) -> None:
    raw = f'{{"model": "rushes/mini", "prompt": "a fox runs", "{field}": {number}}}'.encode()
    reply = client.post("/v2/videos", content=raw, headers={"content-type": "application/json"})
    assert refusal(reply)["param"] == field


@pytest.mark.parametrize("field", ["model", "prompt", "negative_prompt", "resolution", "ratio", "output_format", "foo"])
@pytest.mark.parametrize("text", ["\\ud800", "\\udfff\\ud800", "\\u0000", "\\u001b[2J", "\\u0085"])
def test_text_that_is_none(client: httpx.Client, field: str, text: str) -> None:
    fields = {"model": '"rushes/mini"', "prompt": '"a fox"', field: f'"{text}"'}
    raw = "{" + ",".join(f'"{name}": {value}' for name, value in fields.items()) + "}"
    reply = client.post("/v2/videos", content=raw.encode(), headers={"content-type": "application/json"})
    assert refusal(reply)["param"] == field


def test_a_body_of_a_hundred_megabytes_is_told_the_limit(client: httpx.Client) -> None:
    piece = b"x" * 1_000_000
    reply = client.post(
        "/v2/videos",
        content=(piece for _ in range(100)),
        headers={"content-type": "application/json", "content-length": "100000000"},
    )
    assert refusal(reply, 413)["code"] == "body_too_large"
    assert client.get("/health").status_code == 200


def test_unknown_keys_are_in_the_warnings_now_and_later(client: httpx.Client) -> None:
    made = post(client, {"foo": 1, "metadata": {"order": 5}}).json()
    later = client.get(f"/v2/videos/{made['id']}").json()
    for job in (made, later):
        assert {"message": "foo: not a field of this API; ignored"} in job["warnings"]
        assert job["metadata"] == {"order": 5}


def test_strict_refuses_unknown_keys_by_header_and_by_setting(
    client: httpx.Client, open_door: Callable[..., str]
) -> None:
    by_header = refusal(post(client, {"foo": 1}, **{"x-rushes-strict": "true"}))
    assert (by_header["param"], by_header["code"]) == ("foo", "unknown_parameter")
    assert post(client, {"foo": 1}, **{"x-rushes-strict": "false"}).status_code == 200
    with httpx.Client(base_url=open_door(strict=True)) as strict:
        assert refusal(post(strict, {"foo": 1}))["param"] == "foo"
        assert post(strict, {}).status_code == 200


def test_a_hosted_id_is_held_to_its_own_rules(
    open_door: Callable[..., str], store: JobStore, storage: LocalStorage
) -> None:
    catalogue = Catalogue([CARD], {"minimax/hailuo-02": "rushes/mini"})
    with httpx.Client(base_url=open_door(videos=Videos(catalogue, store, storage))) as mapped:
        error = refusal(post(mapped, {"model": "minimax/Hailuo-02", "negative_prompt": "blur"}))
        assert (error["param"], error["code"]) == ("negative_prompt", "unsupportedParameter")
        job = post(mapped, {"model": "minimax/Hailuo-02"}).json()
        assert (job["model"], job["made_by"]) == ("minimax/Hailuo-02", "rushes/mini")


@pytest.mark.parametrize("prefix", ["/v2", "/v1", "", "/v1/v2", "/v2/v2"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_mount_point_creates_and_retrieves(client: httpx.Client, prefix: str, slash: str) -> None:
    body = {"model": "rushes/mini", "prompt": "a fox runs"}
    made = client.post(f"{prefix}/videos{slash}", json=body)
    assert made.status_code == 200
    got = client.get(f"{prefix}/videos/{made.json()['id']}{slash}")
    assert got.status_code == 200 and got.json() == made.json()


def test_giving_a_video_up_ends_it_as_failed_with_code_cancelled(client: httpx.Client) -> None:
    id = post(client, {}).json()["id"]
    assert client.post(f"/v2/videos/{id}/cancel").json()["status"] == "failed"
    job = client.get(f"/v2/videos/{id}").json()
    assert (job["status"], job["error"]["code"], job["outputs"]) == ("failed", "cancelled", None)
    assert job["completed_at"] >= job["created_at"]
