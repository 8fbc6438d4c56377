"""What the program around a client sees when something is wrong: the class, the status and the whole envelope."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from generations import GENERATIONS, Client, Raised
from served import QUICK, Server

from rushes.errors import Busy, Unavailable

KINDS = {  # which class each generation makes of a status; TypeScript's is the last
    400: ("InvalidRequestError", "BadRequestError", "BadRequestError", "BadRequestError"),
    401: ("AuthenticationError",) * 4,
    404: ("InvalidRequestError", "NotFoundError", "NotFoundError", "NotFoundError"),
    405: ("APIError", "APIStatusError", "APIStatusError", "APIError"),
    413: ("APIError", "APIStatusError", "APIStatusError", "APIError"),
    415: ("InvalidRequestError", "APIStatusError", "APIStatusError", "APIError"),
    429: ("RateLimitError",) * 4,
    500: ("APIError", "InternalServerError", "InternalServerError", "InternalServerError"),
    503: ("ServiceUnavailableError", "InternalServerError", "InternalServerError", "InternalServerError"),
}


def check(client: Client, raised: Raised, status: int, code: str, param: str | None = None) -> None:
    """`raised` is the class this generation has for `status`, and holds every member of the envelope."""
    assert raised.kind == KINDS[status][GENERATIONS.index(client.name)], raised
    assert raised.status == status
    assert raised.headers["x-request-id"].startswith("req_")
    if raised.kind == "ServiceUnavailableError":  # the oldest drops the body of this one
        return
    error = raised.error
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"] and error["type"]
    assert (error["code"], error["param"]) == (code, param)
    if client.name != "1.5.35":
        assert raised.body["id"] == raised.headers["x-request-id"]


def test_a_value_out_of_range(client: Client) -> None:
    check(client, client.refused("videos.create", **{**QUICK, "steps": 51}), 400, "invalid_value", "steps")


def test_an_unknown_model(client: Client) -> None:
    raised = client.refused("videos.create", **{**QUICK, "model": "test/tinny"})
    check(client, raised, 404, "model_not_available", "model")
    assert "did you mean test/tiny?" in raised.error["message"]


def test_a_wrong_key(client: Client) -> None:
    for call, arguments in (("videos.create", QUICK), ("models.list", {})):
        if (call, client.name) == ("models.list", "3.1.1"):
            call = "models.list_supported"
        check(client, client.refused(call, key="wrong", **arguments), 401, "invalid_api_key")


def test_no_such_video(client: Client) -> None:
    for id in ("01893cb0-0000-7000-8000-000000000000", "no-such", "a b", "x" * 100):
        check(client, client.refused("videos.retrieve", id=id), 404, "video_not_found", "id")


def test_somebody_elses_video_is_as_good_as_none(client: Client, server: Server) -> None:
    id = client.returned("videos.create", **QUICK)["id"]
    check(client, client.refused("videos.retrieve", key=server.other_key, id=id), 404, "video_not_found", "id")
    assert server.ask("POST", f"/v2/videos/{id}/cancel", key=server.other_key).status_code == 404
    assert client.returned("videos.retrieve", id=id)["id"] == id
    server.cancel(id)


def test_a_body_beyond_the_limit(client: Client) -> None:
    raised = client.refused("videos.create", **{**QUICK, "prompt": "x" * 300_000})
    check(client, raised, 413, "body_too_large")


@pytest.mark.parametrize(
    ("verb", "path", "text", "content_type", "status", "code"),
    [
        ("PUT", "/v2/videos", "{}", "application/json", 405, "method_not_allowed"),
        ("POST", "/v2/videos", "prompt=a+fox", "application/x-www-form-urlencoded", 415, "unsupported_content_type"),
        ("POST", "/v2/videos", '{"model": "test/tiny",', "application/json", 400, "malformed_body"),
        ("POST", "/v2/videos", '["test/tiny"]', "application/json", 400, "malformed_body"),
        ("POST", "/v2/vidoes", "{}", "application/json", 404, "route_not_found"),
    ],
)
def test_what_only_a_hand_written_request_gets_wrong(
    client: Client, server: Server, verb: str, path: str, text: str, content_type: str, status: int, code: str
) -> None:
    sent = {"verb": verb, "path": path, "text": text, "content_type": content_type}
    raised = client.refused("send", base_url=server.url, **sent)
    check(client, raised, status, code)


def test_a_body_without_a_model(client: Client, server: Server) -> None:
    sent = {"verb": "POST", "path": "/v2/videos", "text": '{"prompt": "a fox"}', "content_type": "application/json"}
    raised = client.refused("send", base_url=server.url, **sent)
    check(client, raised, 400, "missing_required_parameter", "model")


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YTpi", "token"])
def test_without_a_usable_authorization_header_the_envelope_is_the_same(
    server: Server, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    reply = server.bare("GET", "/v1/models", headers)
    assert reply.status_code == 401
    assert reply.json()["error"]["code"] == "invalid_api_key"
    assert set(reply.json()) == {"id", "error"}
    assert reply.headers["www-authenticate"] == "Bearer"


class Broken:
    """Videos that cannot be asked for, in the way that the prompt says."""

    catalogue = None

    def create(self, owner: str, request: Any, idempotency: Any) -> Any:
        raise {"busy": Busy(), "away": Unavailable(), "broken": ZeroDivisionError("a secret")}[request.prompt]


@pytest.mark.parametrize(
    ("prompt", "status", "code"),
    [("busy", 429, "queue_full"), ("away", 503, "unavailable"), ("broken", 500, "internal_error")],
)
def test_what_is_the_servers_own_fault(
    client: Client, open_door: Callable[..., str], prompt: str, status: int, code: str
) -> None:
    base_url = open_door(videos=Broken())
    at_once = {"maxRetries" if client.name == "ts" else "max_retries": 0}
    elsewhere = replace(client, root=base_url)
    raised = elsewhere.refused("videos.create", options=at_once, **{**QUICK, "prompt": prompt})
    check(client, raised, status, code)
    assert "secret" not in raised.text
    if status in (429, 503):
        assert 1 <= int(raised.headers["retry-after"]) <= 60
