"""`reuse`: the very same request of the same owner is answered with a finished copy, and says of what."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_moves import BYTES, claimed, finished
from PIL import Image

from rushes.api.auth import key_digest
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow", "reuse": True}


def _picture() -> bytes:
    held = BytesIO()
    Image.new("RGB", (96, 64), "teal").save(held, "PNG")
    return held.getvalue()


PICTURE = _picture()


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


def post(client: httpx.Client, headers: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    reply = client.post("/v2/videos", json={**BODY, **fields}, headers=headers)
    assert reply.status_code == 200, reply.text
    video: dict[str, Any] = reply.json()
    return video


@pytest.fixture
def made(client: httpx.Client, store: JobStore, storage: LocalStorage, tmp_path: Path, seed: int) -> dict[str, Any]:
    """A finished video of this test's own seed."""
    video = post(client, seed=seed)
    finished(store, storage, claimed(store, video["id"]), tmp_path)
    seen: dict[str, Any] = client.get(f"/v2/videos/{video['id']}").json()
    return seen


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return sum(request.node.name.encode())


def test_the_same_again_is_there_at_once(client: httpx.Client, made: dict[str, Any], seed: int) -> None:
    assert made["reused"] is None
    again = post(client, seed=seed, metadata={"take": 2})
    assert (again["status"], again["progress"], again["reused"]) == ("completed", 100, made["id"])
    assert again["id"] != made["id"]
    assert again["made"] == made["made"]
    assert again["metadata"] == {"take": 2}
    assert httpx.get(again["outputs"]["video_url"]).content == BYTES
    assert client.get(f"/v2/videos/{again['id']}").json() == again
    events = client.get(f"/v2/videos/{again['id']}/events").text
    assert [line for line in events.splitlines() if line.startswith("event")] == ["event: queued", "event: completed"]


def test_without_being_asked_it_is_made_anew(client: httpx.Client, made: dict[str, Any], seed: int) -> None:
    for reuse in (False, None):
        assert post(client, seed=seed, reuse=reuse)["status"] == "in_progress"


def test_what_makes_another_video_is_made_anew(client: httpx.Client, made: dict[str, Any], seed: int) -> None:
    for change in ({"seed": seed + 1}, {"steps": 11}, {"prompt": "a dog runs"}, {"output_quality": 30}):
        video = post(client, **{"seed": seed, **change})
        assert (video["status"], video["reused"]) == ("in_progress", None), change


def test_without_a_seed_it_is_made_anew_and_says_so(client: httpx.Client) -> None:
    video = post(client)
    assert video["status"] == "in_progress"
    assert any(warning["message"].startswith("reuse: without a seed") for warning in video["warnings"])


def test_an_owner_reuses_their_own_only(client: httpx.Client, url: str, made: dict[str, Any], seed: int) -> None:
    with httpx.Client(base_url=url, headers={"Authorization": "Bearer bob-key"}) as other:
        assert post(other, seed=seed)["status"] == "in_progress"


@pytest.mark.parametrize("first", [True, False], ids=["the first", "the copy"])
def test_either_can_be_removed_without_the_other(
    client: httpx.Client, made: dict[str, Any], seed: int, first: bool
) -> None:
    again = post(client, seed=seed)
    gone, kept = (made, again) if first else (again, made)
    assert client.delete(f"/v2/videos/{gone['id']}").status_code == 200
    assert httpx.get(gone["outputs"]["video_url"]).status_code == 404
    assert httpx.get(kept["outputs"]["video_url"]).content == BYTES


def test_a_copy_keeps_what_was_sent_along_when_the_first_is_removed(
    client: httpx.Client, store: JobStore, storage: LocalStorage, tmp_path: Path, seed: int
) -> None:
    sent = {"media": {"frame_images": [{"input_image": base64.b64encode(PICTURE).decode(), "frame": "first"}]}}
    first = post(client, seed=seed, **sent)
    finished(store, storage, claimed(store, first["id"]), tmp_path)
    again = post(client, seed=seed, **sent)
    assert again["reused"] == first["id"]
    client.delete(f"/v2/videos/{first['id']}")
    key = hashlib.sha256(PICTURE).hexdigest()
    assert store.unknown_keys({key, "nobody's"}) == {"nobody's"}  # or the sweeper would take it, and none replay it
    client.delete(f"/v2/videos/{again['id']}")
    assert store.unknown_keys({key}) == {key}


def test_what_is_fetched_from_an_address_is_made_anew(
    client: httpx.Client, store: JobStore, storage: LocalStorage, tmp_path: Path, seed: int
) -> None:
    sent = {"media": {"frame_images": [{"input_image": "https://example.org/a.png", "frame": "first"}]}}
    finished(store, storage, claimed(store, post(client, seed=seed, **sent)["id"]), tmp_path)
    again = post(client, seed=seed, **sent)
    assert (again["status"], again["reused"]) == ("in_progress", None)


def test_a_file_that_is_gone_is_made_anew(
    client: httpx.Client, made: dict[str, Any], seed: int, store: JobStore, storage: LocalStorage
) -> None:
    artifact = store.get(made["id"]).artifact
    assert artifact is not None
    storage.delete(artifact.key)
    assert post(client, seed=seed)["status"] == "in_progress"


def test_sent_again_under_one_key_it_is_one_copy(
    client: httpx.Client, made: dict[str, Any], seed: int, storage: LocalStorage
) -> None:
    files = set(storage._root.iterdir())
    ids = {post(client, {"Idempotency-Key": f"reuse-{seed}"}, seed=seed)["id"] for _ in range(3)}
    assert len(ids) == 1
    assert len(set(storage._root.iterdir()) - files) == 1


@pytest.mark.parametrize("value", ["yes", 1, []])
def test_what_is_no_yes_or_no_is_refused(client: httpx.Client, value: Any) -> None:
    reply = client.post("/v2/videos", json={**BODY, "reuse": value})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "reuse")
