"""Calling a webhook under the same rules, and refusing one before it is queued."""

from __future__ import annotations

import pytest
from egress_servers import Ground, watched_sockets

from rushes.egress.policy import NotReached
from rushes.egress.post import Answered, post
from rushes.egress.target import check_url
from rushes.errors import InvalidValue


def told(on: Ground, url: str, deadline_s: float = 20) -> Answered:
    return post(on.url(url), b'{"a": 1}', {"X-Kind": "test"}, deadline_s=deadline_s, policy=on.policy)


def test_the_body_and_the_headers_arrive(on: Ground) -> None:
    assert told(on, "http://public.test:{port}/echo?of=what") == Answered(200)
    (request,) = on.public.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /echo?of=what HTTP/1.1\r\n")
    assert b"X-Kind: test" in head
    assert body == b'{"a": 1}'


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("empty", Answered(204)),
        ("gone", Answered(410)),
        ("later", Answered(429, "120")),
        ("broken", Answered(500)),
        ("to-inner", Answered(302)),
        ("endless-body", Answered(200)),
    ],
)
def test_the_answer_is_its_status_and_nothing_is_followed_or_read(path: str, answer: Answered, on: Ground) -> None:
    assert told(on, f"http://public.test:{{port}}/{path}") == answer
    assert len(on.public.requests) == 1
    assert on.inner.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://public.test:{port}/slow-headers",
        "http://public.test:{port}/silent",
        "http://public.test:{port}/reset-at-once",
        "http://inner.test:{port}/echo",
        "http://mixed.test:{port}/echo",
        "https://other.test:{tls}/echo",
        "http://user@public.test:{port}/echo",
    ],
)
def test_what_cannot_be_reached_is_no_answer(url: str, on: Ground) -> None:
    with pytest.raises(NotReached):
        told(on, url, deadline_s=0.7)
    assert on.inner.requests == []


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("http://public.test/hook", "http without TLS"),
        ("ftp://public.test/hook", "neither http nor https"),
        ("https://me:secret@public.test/hook", "a user name"),
        ("https://public.test:8443/hook", "port 8443"),
        ("https://10.0.0.1/hook", "an address that is not public"),
        ("https://2130706433/hook", "a number in place of a host"),
        ("https://public.test/ho ok", "a space, a backslash or a control character"),
        ("hook", "no address"),
        ("", "no address"),
    ],
)
def test_a_url_that_could_never_be_asked_is_refused_at_the_door(url: str, given: str, on: Ground) -> None:
    policy = on.fresh(networks=(), ports=frozenset((80, 443))).policy
    with watched_sockets() as seen, pytest.raises(InvalidValue) as refusal:
        check_url(url, policy, "webhook_url")
    assert refusal.value.field == "webhook_url"
    assert f"given {given}" in refusal.value.message
    assert "secret" not in refusal.value.message
    assert seen == []


def test_a_name_is_not_resolved_at_the_door(on: Ground) -> None:
    check_url(on.url("http://inner.test:{port}/hook"), on.policy, "webhook_url")
    assert on.names.asked == []
