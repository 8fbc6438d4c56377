"""What a page in a browser may do: nothing, unless its origin was named."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

PAGE = "https://app.example.org"
QUESTION = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type,x-stainless-lang,x-stainless-retry-count",
}


@pytest.fixture(scope="module")
def closed(open_door: Callable[..., str]) -> str:
    return open_door()


@pytest.fixture(scope="module")
def named(open_door: Callable[..., str]) -> str:
    return open_door(cors_origins=(PAGE,))


def ask(url: str, origin: str, **headers: str) -> httpx.Response:
    return httpx.options(f"{url}/v2/videos", headers={"origin": origin, **QUESTION, **headers})


def test_without_the_setting_no_page_is_let_in(closed: str) -> None:
    assert ask(closed, PAGE).status_code == 405
    reply = httpx.get(f"{closed}/health", headers={"origin": PAGE})
    assert not any(name.startswith("access-control") for name in reply.headers)


def test_a_named_page_may_send_the_clients_own_headers(named: str) -> None:
    reply = ask(named, PAGE)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == PAGE
    allowed = reply.headers["access-control-allow-headers"].lower()
    assert all(header in allowed for header in QUESTION["access-control-request-headers"].split(","))
    assert "POST" in reply.headers["access-control-allow-methods"]


def test_a_named_page_may_read_answers_and_refusals(named: str) -> None:
    for path, status in (("/health", 200), ("/nope", 404)):
        reply = httpx.get(named + path, headers={"origin": PAGE})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (status, PAGE)
        assert "x-request-id" in reply.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    ("origin", "method"), [("https://evil.example", "POST"), ("null", "POST"), (f"{PAGE}.evil", "GET"), (PAGE, "PATCH")]
)
def test_another_page_or_method_is_refused_in_the_envelope(named: str, origin: str, method: str) -> None:
    reply = ask(named, origin, **{"access-control-request-method": method})
    assert reply.status_code == 400
    assert reply.json()["id"] == reply.headers["x-request-id"]
    assert reply.json()["error"]["param"] == "origin"
    assert origin == PAGE or "access-control-allow-origin" not in reply.headers


def test_a_star_lets_every_page_in_but_no_cookies(open_door: Callable[..., str]) -> None:
    reply = ask(open_door(cors_origins=("*",)), "https://anyone.example")
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, "*")
    assert "access-control-allow-credentials" not in reply.headers
