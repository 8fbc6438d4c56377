"""Every reply that is not a success has the one envelope, and says whether to try again."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from rushes.errors import Busy, RushesError, Unavailable
from rushes.videos import Videos

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}


def envelope(reply: httpx.Response, status: int) -> dict[str, Any]:
    """The error inside the reply, after a look at everything the clients need of it."""
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert set(body) == {"id", "error"} and body["id"] == reply.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and isinstance(error["type"], str) and isinstance(error["code"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    if status in (429, 503):
        assert 1 <= int(reply.headers["retry-after"]) <= 60 and "x-should-retry" not in reply.headers
    elif status < 500:
        assert reply.headers["x-should-retry"] == "false"
    return error


@pytest.fixture(scope="module")
def client(open_door: Callable[..., str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_door(max_body_bytes=100_000)) as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/v2", "/v2/video", "/v3/videos", "/docs", "/v2/videos/a/b/c", "/%00", "//"]
)
def test_an_unknown_route(client: httpx.Client, path: str) -> None:
    assert envelope(client.get(path), 404)["code"] == "route_not_found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PATCH", "/v2/videos", "GET, POST"),
        ("DELETE", "/v1/videos", "GET, POST"),
        ("PUT", "/v2/videos/x", "DELETE, GET"),
        ("POST", "/v1/models", "GET"),
        ("PATCH", "/health", "GET, HEAD"),
    ],
)
def test_a_method_the_route_does_not_take(client: httpx.Client, method: str, path: str, allow: str) -> None:
    reply = client.request(method, path)
    assert envelope(reply, 405)["code"] == "method_not_allowed"
    assert reply.headers["allow"] == allow


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ],
)
def test_a_body_of_another_type(client: httpx.Client, content_type: str) -> None:
    headers = {"content-type": content_type} if content_type else {}
    reply = client.post("/v2/videos", content=json.dumps(BODY).encode(), headers=headers)
    assert envelope(reply, 415)["code"] == "unsupported_content_type"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        "application/vnd.api+json",
    ],
)
def test_every_way_of_saying_json(client: httpx.Client, content_type: str) -> None:
    reply = client.post("/v2/videos", content=json.dumps(BODY).encode(), headers={"content-type": content_type})
    assert reply.status_code == 200


def test_a_body_that_declares_too_much(client: httpx.Client) -> None:
    reply = client.post("/v2/videos", content=b"x" * 5_000_000, headers={"content-type": "application/json"})
    assert envelope(reply, 413)["code"] == "body_too_large"
    assert "100000 bytes" in reply.json()["error"]["message"]


def test_a_body_that_never_says_how_long_it_is(client: httpx.Client) -> None:
    pieces = (b"x" * 50_000 for _ in range(100))
    reply = client.post("/v2/videos", content=pieces, headers={"content-type": "application/json"})
    assert envelope(reply, 413)["code"] == "body_too_large"


def test_a_client_that_waits_to_be_let_in_is_refused_before_it_sends(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as raw:
        raw.sendall(
            b"POST /v2/videos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 5000000\r\nexpect: 100-continue\r\n\r\n"
        )
        assert raw.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "said",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # https where http is spoken
        b"GET /v2/videos/\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost x\r\n\r\n",
        b"POST /v2/videos HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
    ],
    ids=["words", "tls", "path", "header", "length"],
)
def test_what_is_no_http_is_answered_in_the_envelope_too(client: httpx.Client, said: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=60) as raw:
        raw.sendall(said)
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    reply = httpx.Response(int(status.split()[1]), headers=[line.split(": ", 1) for line in lines], content=body)
    assert envelope(reply, 400)["code"] == "malformed_request"


def test_a_body_just_below_the_limit_is_read(client: httpx.Client) -> None:
    room = 100_000 - len(json.dumps({**BODY, "x": ""}))
    reply = client.post("/v2/videos", json={**BODY, "x": "y" * (room - 100)})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v2/supported-models?limit=0", "limit"),
        ("/v2/supported-models?limit=many", "limit"),
        ("/v2/supported-models?limit=1e9", "limit"),
        ("/v2/supported-models?modality=SMELL", "modality"),
        ("/v2/supported-models?after=nobody", "after"),
        ("/v2/supported-models?search=" + "x" * 300, "search"),
    ],
)
def test_a_query_that_cannot_be(client: httpx.Client, path: str, param: str) -> None:
    assert envelope(client.get(path), 400)["param"] == param


@pytest.mark.parametrize(
    "id", ["x", "01a203c3-8a41-7439-adef-4a68d65c6c9f", "%00", "%ED%A0%80", "caf%C3%A9", "a" * 5000, "'--"]
)
def test_an_unknown_video(client: httpx.Client, id: str) -> None:
    assert envelope(client.get(f"/v2/videos/{id}"), 404)["code"] == "video_not_found"


class Broken(Videos):
    """Videos whose store has gone wrong in a given way; how a real one goes wrong is the store's tests' business."""

    def __init__(self, sound: Videos, error: Exception) -> None:
        self.catalogue = sound.catalogue
        self.error = error

    def get(self, owner: str, id: str) -> Any:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Busy(), 429, "queue_full"),
        (Unavailable(), 503, "unavailable"),
        (RushesError("told"), 500, "internal_error"),
        (ZeroDivisionError("canary: a prompt about foxes"), 500, "internal_error"),
        (RecursionError(), 500, "internal_error"),
    ],
)
def test_what_goes_wrong_behind_the_door(
    videos: Videos,
    open_door: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    code: str,
) -> None:
    door = open_door(videos=Broken(videos, error))
    with caplog.at_level(logging.DEBUG):
        reply = httpx.get(f"{door}/v2/videos/abc")
    assert envelope(reply, status)["code"] == code
    assert "canary" not in reply.text and "canary" not in caplog.text
    if status == 500 and not isinstance(error, RushesError):
        assert type(error).__name__ in caplog.text and reply.headers["x-request-id"] in caplog.text
    assert httpx.get(f"{door}/health").status_code == 200


def test_whether_the_door_is_open_can_be_asked_without_a_body(client: httpx.Client) -> None:
    reply = client.head("/health")
    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("said", ["maybe", "yes", "True, false"])
def test_a_strictness_that_is_neither_true_nor_false(client: httpx.Client, said: str) -> None:
    for reply in (
        client.post("/v2/videos", json=BODY, headers={"x-rushes-strict": said}),
        client.get("/v2/videos", headers={"x-rushes-strict": said}),
    ):
        assert envelope(reply, 400)["param"] == "x-rushes-strict"
    assert client.post("/v2/videos", json={**BODY, "z": 1}, headers={"x-rushes-strict": "False"}).status_code == 200


def test_every_reply_has_a_name_of_its_own(client: httpx.Client) -> None:
    names = [client.get("/health").headers["x-request-id"] for _ in range(20)]
    assert len(set(names)) == 20


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as raw:
        raw.sendall(
            b"POST /v2/videos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"
        )
    assert client.get("/health").status_code == 200
