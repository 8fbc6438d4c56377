"""Webhooks against a real receiver, checked with the reference library of Standard Webhooks."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from webhook_cases import Heard, Owing, Receiver, calling, eventually, receiving

from rushes.egress.post import Answered
from rushes.events.webhooks import AFTER_S, retry_after_s, signed_headers, wait_s


@pytest.fixture
def owing(tmp_path: Path) -> Iterator[Owing]:
    made = Owing(tmp_path)
    yield made
    made.store.close()


def verified(owing: Owing, heard: Heard) -> dict[str, Any]:
    """The message, if its signature is good."""
    (secret,) = owing.store.deliveries.signing_secrets("me")
    message: dict[str, Any] = Webhook(secret).verify(heard.body, dict(heard.headers))
    return message


def try_once(owing: Owing, receiver: Receiver, **changes: Any) -> dict[str, Any]:
    """One try at the only message; its row after."""
    assert calling(owing, receiver, **changes).tell_next()
    (row,) = owing.rows()
    return row


def test_a_receiver_hears_signed_and_once_that_a_video_is_done(owing: Owing) -> None:
    with receiving(204) as receiver:
        job = owing.ended(receiver.url)
        row = try_once(owing, receiver)
        heard = receiver.next()
        assert not calling(owing, receiver).tell_next()
    message = verified(owing, heard)
    assert heard.path == "/hook?key=canary"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["webhook-id"] == row["id"] == f"msg_{job.id.replace('-', '')}"
    assert message["type"] == "video.completed"
    assert datetime.fromisoformat(message["timestamp"]).timestamp() == pytest.approx(job.finished_at, abs=0.001)
    assert message["data"]["id"] == job.id
    assert message["data"]["status"] == "completed"
    assert message["data"]["metadata"] == {"order": "π"}
    assert message["data"]["outputs"]["video_url"].endswith(f"/{job.secret}.mp4")
    assert b"canary" not in heard.body
    assert len(heard.body) < 20_000
    assert (row["state"], row["last_status"], row["attempt"]) == ("delivered", 204, 1)


def test_a_message_that_was_changed_or_comes_from_elsewhere_does_not_pass(owing: Owing) -> None:
    with receiving(204) as receiver:
        owing.ended(receiver.url)
        try_once(owing, receiver)
        heard = receiver.next()
    (secret,) = owing.store.deliveries.signing_secrets("me")
    (other,) = owing.store.deliveries.signing_secrets("you")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(heard.body.replace(b"completed", b"cancelled"), dict(heard.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(heard.body, dict(heard.headers))


def test_while_a_secret_is_replaced_both_verify(owing: Owing) -> None:
    (old,) = owing.store.deliveries.signing_secrets("me")
    new = owing.store.deliveries.replace_secret("me")
    with receiving(204) as receiver:
        owing.ended(receiver.url)
        try_once(owing, receiver)
        heard = receiver.next()
    for secret in (old, new):
        assert Webhook(secret).verify(heard.body, dict(heard.headers))["type"] == "video.completed"


def test_the_signature_is_the_one_that_the_specification_computes() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    at = datetime.now(UTC).replace(microsecond=0)
    headers = signed_headers("msg_1", int(at.timestamp()), b'{"a": 1}', [secret])
    assert headers["webhook-signature"] == Webhook(secret).sign("msg_1", at, '{"a": 1}')


def test_a_failure_is_tried_again_and_the_receiver_knows_it_by_its_id(owing: Owing) -> None:
    with receiving(500, 503, 200) as receiver:
        owing.ended(receiver.url)
        for _ in range(3):
            try_once(owing, receiver)
            owing.let_time_pass()
        heard = [receiver.next() for _ in range(3)]
    assert len({one.headers["webhook-id"] for one in heard}) == 1
    assert len({one.body for one in heard}) == 1
    for one in heard:
        verified(owing, one)
    assert owing.rows()[0]["state"] == "delivered"


def test_the_tries_keep_the_schedule_and_then_end(owing: Owing, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(500) as receiver:
        owing.ended(receiver.url)
        for number, after_s in enumerate((5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400), 1):
            row = try_once(owing, receiver)
            assert (row["state"], row["attempt"], row["last_status"]) == ("pending", number, 500)
            assert row["in_s"] == pytest.approx(after_s, rel=0.2, abs=5)
            assert not calling(owing, receiver).tell_next()  # not before it is due
            owing.let_time_pass()
        row = try_once(owing, receiver)
        assert (row["state"], row["attempt"]) == ("failed", 10)
        owing.let_time_pass()
        assert not calling(owing, receiver).tell_next()
    assert sum(AFTER_S) == pytest.approx(75.6 * 3600, rel=0.01)
    assert "given up" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize("asked_s", [1200, 10**9])
def test_a_receiver_that_asks_for_time_gets_it_up_to_a_day(owing: Owing, asked_s: int) -> None:
    for status in (429, 503):
        answer = (status, {"Retry-After": str(asked_s)})
        assert wait_s(1, Answered(status, str(asked_s))) == min(asked_s, 86_400)
        with receiving(answer) as receiver:
            owing.ended(receiver.url)
            try_all = calling(owing, receiver)
            assert try_all.tell_next()
            assert owing.rows()[-1]["in_s"] == pytest.approx(min(asked_s, 86_400), abs=60)


def test_time_may_be_asked_for_as_a_date_and_not_for_less_than_is_planned() -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    assert retry_after_s(format_datetime(at, usegmt=True)) == pytest.approx(3600, abs=60)
    assert retry_after_s("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for nonsense in ("soon", "-5", "", "²", "1e3", None):
        assert retry_after_s(nonsense) is None
    least = wait_s(2, Answered(429, "1"))
    assert least is not None
    assert least >= 270


def test_a_redirect_is_not_followed(owing: Owing) -> None:
    with receiving(200) as elsewhere, receiving((302, {"Location": elsewhere.url})) as receiver:
        owing.ended(receiver.url)
        row = try_once(owing, receiver, ports=frozenset((receiver.port, elsewhere.port)))
        assert (row["state"], row["last_status"]) == ("pending", 302)
        assert elsewhere.heard.empty()


def test_a_receiver_that_is_gone_is_called_no_more(owing: Owing) -> None:
    with receiving(410) as receiver:
        owing.ended(receiver.url)
        owing.ended(receiver.url)
        calling(owing, receiver).tell_next()
        owing.let_time_pass()
        assert not calling(owing, receiver).tell_next()
        assert [row["state"] for row in owing.rows()] == ["disabled", "disabled"]
        receiver.next()
        assert receiver.heard.empty()


@pytest.mark.parametrize("fault", ["hold", "reset"])
def test_a_receiver_that_hangs_or_hangs_up_is_tried_again(owing: Owing, fault: str) -> None:
    with receiving(fault, 200) as receiver:
        job = owing.ended(receiver.url)
        row = try_once(owing, receiver, try_s=3)
        assert (row["state"], row["last_status"]) == ("pending", None)
        owing.let_time_pass()
        assert try_once(owing, receiver)["state"] == "delivered"
        receiver.next()
        assert verified(owing, receiver.next())["data"]["id"] == job.id


def test_a_name_that_leads_inside_today_is_not_called(owing: Owing, caplog: pytest.LogCaptureFixture) -> None:
    """Every try resolves anew and is judged anew: the check at the door is not the guard."""
    with receiving(200) as receiver:
        addresses = {"hook.test": ("127.0.0.1",)}
        url = f"http://hook.test:{receiver.port}/hook"
        resolve = lambda host, port: addresses[host]  # noqa: E731
        owing.ended(url)
        owing.ended(url)
        assert calling(owing, receiver, resolve=resolve).tell_next()
        receiver.next()
        addresses["hook.test"] = ("10.0.0.1",)
        assert calling(owing, receiver, resolve=resolve).tell_next()
        assert receiver.heard.empty()
    assert [row["state"] for row in owing.rows()] == ["delivered", "pending"]
    assert "an address that is not public" in caplog.text


def test_a_fault_of_our_own_counts_as_a_try(owing: Owing, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(200) as receiver:
        owing.ended(receiver.url)
        broken = calling(owing, receiver, describe=lambda job: {"width": {1, 2}})
        with caplog.at_level(logging.ERROR):
            assert broken.tell_next()
    assert (owing.rows()[0]["state"], owing.rows()[0]["attempt"]) == ("pending", 1)
    assert owing.rows()[0]["token"] is None


def test_a_slow_receiver_holds_up_nobody_else(owing: Owing) -> None:
    """It owes ten messages to one that hangs, more than there are threads, and three to another."""
    with receiving("hold") as slow, receiving(204) as quick:
        for number in range(10):
            owing.ended(f"{slow.url}&n={number}")
        for _ in range(3):
            owing.ended(quick.url)
        webhooks = calling(owing, slow, quick)
        webhooks.start()
        try:
            slow.next()
            told = {quick.next().headers["webhook-id"] for _ in range(3)}
            assert len(told) == 3
            assert slow.heard.empty()  # one at a time
            assert not slow.held.is_set()
        finally:
            slow.held.set()
            webhooks.stop()


def test_two_that_call_for_one_database_tell_everything_once(owing: Owing) -> None:
    with receiving(204) as receiver:
        jobs = {owing.ended(f"{receiver.url}&n={number}").id for number in range(8)}
        pair = [calling(owing, receiver), calling(owing, receiver)]
        for one in pair:
            one.start()
        heard = [json.loads(receiver.next().body)["data"]["id"] for _ in jobs]
        eventually(lambda: all(row["state"] == "delivered" for row in owing.rows()))
        for one in pair:
            one.stop()
        assert receiver.heard.empty()
    assert sorted(heard) == sorted(jobs)


CALLER = """
import sys
from pathlib import Path
from webhook_cases import Owing, Receiver, calling
calling(Owing(Path(sys.argv[1])), Receiver(port=int(sys.argv[2]))).tell_next()
"""


def test_killed_between_the_answer_and_the_mark_it_tells_again_under_the_same_id(owing: Owing, tmp_path: Path) -> None:
    with receiving(200) as receiver:
        owing.ended(receiver.url)
        killed = subprocess.run(
            [sys.executable, "-c", CALLER, str(tmp_path), str(receiver.port)],
            env={**os.environ, "RUSHES_FAILPOINT": "told:1:kill", "PYTHONPATH": str(Path(__file__).parent)},
            timeout=120,
        )
        assert killed.returncode == -9
        first = receiver.next()
        assert owing.rows()[0]["state"] == "pending"
        assert not calling(owing, receiver).tell_next()  # its lease still holds
        owing.let_time_pass()
        assert try_once(owing, receiver)["state"] == "delivered"
        second = receiver.next()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    verified(owing, second)
