"""A request sent again is the same video: by the key its sender gave it, or as a client's own marked retry."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_moves import claimed, finished

from rushes.api.auth import key_digest
from rushes.api.repeats import KEY_WINDOW_S, RETRY_WINDOW_S, sameness
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}


class Ring:
    def owner_of(self, digest: str) -> str | None:
        return {key_digest(f"{name}-key"): name for name in ("ann", "bob")}.get(digest)


@pytest.fixture(scope="module")
def url(open_door: Callable[..., str]) -> str:
    return open_door(keys=Ring())


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer ann-key"}) as client:
        yield client


def post(client: httpx.Client, headers: dict[str, str], **fields: Any) -> httpx.Response:
    reply = client.post("/v2/videos", json={**BODY, **fields}, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply


def id_of(client: httpx.Client, headers: dict[str, str], **fields: Any) -> str:
    id: str = post(client, headers, **fields).json()["id"]
    return id


def retry(number: int) -> dict[str, str]:
    return {"x-stainless-retry-count": str(number)}


def test_a_retry_gets_the_first_attempts_job(client: httpx.Client) -> None:
    first = post(client, retry(0), seed=1)
    assert "idempotent-replayed" not in first.headers
    for number in (1, 2):
        again = post(client, retry(number), seed=1)
        assert again.json()["id"] == first.json()["id"]
        assert again.headers["idempotent-replayed"] == "true"


def test_asking_twice_makes_two(client: httpx.Client) -> None:
    assert len({id_of(client, retry(0), seed=2), id_of(client, retry(0), seed=2), id_of(client, {}, seed=2)}) == 3


def test_a_retry_of_another_body_makes_its_own(client: httpx.Client) -> None:
    assert id_of(client, retry(1), seed=3) != id_of(client, retry(1), seed=4)


def test_a_retry_whose_first_attempt_never_arrived_makes_the_job(client: httpx.Client) -> None:
    assert id_of(client, retry(1), seed=5) == id_of(client, retry(2), seed=5)


def test_a_retry_is_of_the_newest_request_with_its_body(client: httpx.Client) -> None:
    id_of(client, retry(0), seed=7)
    second = id_of(client, retry(0), seed=7)
    assert id_of(client, retry(1), seed=7) == second


def test_a_retry_at_a_door_that_was_opened_since_gets_the_first_job(
    client: httpx.Client, open_door: Callable[..., str], videos: Videos
) -> None:
    first = id_of(client, retry(0), seed=8)
    with httpx.Client(base_url=open_door(keys=Ring(), videos=videos), headers=client.headers) as restarted:
        assert id_of(restarted, retry(1), seed=8) == first


def test_twenty_at_once_are_twenty_jobs_in_order(client: httpx.Client) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(id_of(client, retry(0), seed=6))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 20
    made = [client.get(f"/v2/videos/{id}").json() for id in sorted(ids)]
    assert [job["created_at"] for job in made] == sorted(job["created_at"] for job in made)


def test_the_same_key_and_body_are_the_same_job(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "order 17, take 1"}
    first = post(client, key)
    again = post(client, {**key, **retry(1)})
    assert again.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


def test_another_key_is_another_job(client: httpx.Client) -> None:
    assert id_of(client, {"Idempotency-Key": "a"}) != id_of(client, {"Idempotency-Key": "b"})


def test_the_same_key_with_another_body_is_refused(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "order-18"}
    post(client, key, seed=1)
    reply = client.post("/v2/videos", json={**BODY, "seed": 2}, headers=key)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert reply.headers["x-should-retry"] == "false"


def test_owners_keys_do_not_meet(client: httpx.Client, url: str) -> None:
    key = {"Idempotency-Key": "ours"}
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer bob-key"}) as other:
        assert id_of(client, key) != id_of(other, key)
        assert id_of(other, retry(1), seed=9) != id_of(client, retry(1), seed=9)


def test_a_refused_request_uses_up_no_key(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "order-19"}
    assert client.post("/v2/videos", json={**BODY, "steps": 9}, headers=key).status_code == 400
    assert "idempotent-replayed" not in post(client, key).headers


def test_twins_that_arrive_at_once_are_one_job(client: httpx.Client) -> None:
    replies: list[httpx.Response] = []
    key = {"Idempotency-Key": "twins"}
    threads = [threading.Thread(target=lambda: replies.append(post(client, key))) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1


def test_a_key_still_finds_a_job_that_has_ended(
    client: httpx.Client, store: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": "order-20"}
    id = id_of(client, key)
    finished(store, storage, claimed(store, id), tmp_path)
    assert post(client, key).json()["status"] == "completed"


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9t\u00e9", "a\tb"])
def test_a_key_that_is_none_is_refused_by_name(client: httpx.Client, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode()), (b"content-type", b"application/json")]
    reply = client.post("/v2/videos", content=json.dumps(BODY).encode(), headers=headers)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "idempotency-key")


def test_the_longest_key_is_taken(client: httpx.Client) -> None:
    key = {"Idempotency-Key": "~" * 255}
    assert id_of(client, key) == id_of(client, key)


def test_keys_are_remembered_for_a_day_and_bodies_as_long_as_clients_retry() -> None:
    assert sameness(b"{}", "k", False).window_s == KEY_WINDOW_S == 86_400
    assert sameness(b"{}", None, True).window_s == RETRY_WINDOW_S == 75
    assert sameness(b"{}", None, False).window_s == 0
    assert sameness(b"{}", None, True).key == sameness(b"{}", None, False).key != sameness(b"[]", None, False).key
