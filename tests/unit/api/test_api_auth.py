"""Keys at the door, and what each of them may see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import httpx
import pytest

from rushes.api import auth
from rushes.api.auth import KEY_PREFIX, key_digest, new_key
from rushes.jobs.store import JobStore

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture
def keys(store: JobStore) -> dict[str, str]:
    """A key each for ann and bob."""
    made = {name: new_key() for name in ("ann", "bob")}
    for name, key in made.items():
        store.keys.add(key_digest(key), name)
    return made


@pytest.fixture(scope="module")
def client(open_door: Callable[..., str], store: JobStore) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_door(keys=store.keys)) as client:
        yield client


def test_a_key_is_long_random_and_not_what_is_stored() -> None:
    first, second = new_key(), new_key()
    assert first != second
    assert first.startswith(KEY_PREFIX) and len(first) - len(KEY_PREFIX) == 43
    assert len(key_digest(first)) == 64 and first not in key_digest(first)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v2/videos"),
        ("GET", "/v2/videos/01a203c3-8a41-7439-adef-4a68d65c6c9f"),
        ("POST", "/v2/videos/01a203c3-8a41-7439-adef-4a68d65c6c9f/cancel"),
        ("GET", "/v1/models"),
        ("GET", "/v2/supported-models"),
        ("GET", "/v2/supported-models/rushes/mini"),
        ("GET", "/v2/projects/p/models"),
        ("GET", "/v3/whoami"),
    ],
)
def test_without_a_known_key_every_route_says_so(client: httpx.Client, method: str, path: str) -> None:
    wrong = [
        "",
        "Bearer",
        "Bearer rushes_wrong",
        "Basic cnVzaGVz",
        b"Bearer \xff\xfe",
        "Bearer " + "x" * 10_000,
    ]
    for headers in ({}, *({"authorization": value} for value in wrong)):
        reply = client.request(method, path, headers=headers)
        assert reply.status_code == 401, headers
        assert reply.json()["error"]["code"] == "invalid_api_key"
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.headers["x-should-retry"] == "false"


def test_health_needs_no_key(client: httpx.Client) -> None:
    assert client.get("/health").json()["status"] == "ok"


def test_a_key_opens_the_door_and_its_owner_sees_their_own(client: httpx.Client, keys: dict[str, str]) -> None:
    made = client.post("/v2/videos", json=BODY, headers=bearer(keys["ann"]))
    assert made.status_code == 200
    path = f"/v2/videos/{made.json()['id']}"
    assert client.get(path, headers=bearer(keys["ann"])).json() == made.json()


def test_somebody_elses_video_is_not_there(client: httpx.Client, keys: dict[str, str]) -> None:
    id = client.post("/v2/videos", json=BODY, headers=bearer(keys["ann"])).json()["id"]
    foreign = client.get(f"/v2/videos/{id}", headers=bearer(keys["bob"]))
    nobodys = client.get(f"/v2/videos/{id[:-4]}0000", headers=bearer(keys["bob"]))
    assert foreign.status_code == nobodys.status_code == 404
    assert foreign.json()["error"]["code"] == nobodys.json()["error"]["code"] == "video_not_found"
    assert client.post(f"/v2/videos/{id}/cancel", headers=bearer(keys["bob"])).status_code == 404
    assert client.get(f"/v2/videos/{id}", headers=bearer(keys["ann"])).json()["status"] == "in_progress"


def test_a_removed_key_opens_nothing(client: httpx.Client, keys: dict[str, str], store: JobStore) -> None:
    store.keys.remove(key_digest(keys["ann"]))
    assert client.get("/v1/models", headers=bearer(keys["ann"])).status_code == 401


def test_a_key_in_use_is_looked_up_once_in_a_while_and_again_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock_s = 100.0
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: clock_s))
    ring = CountingRing({"digest": "ann"})
    known = auth.Remembered(ring)

    def owner() -> str | None:
        return asyncio.run(known.owner_of("digest"))

    assert (owner(), owner(), ring.asked) == ("ann", "ann", 1)
    del ring.owners["digest"]
    clock_s += auth.REMEMBERED_S
    assert (owner(), owner(), ring.asked) == (None, None, 3)  # of those that nobody has, none is remembered
    ring.owners["digest"] = "bob"
    assert owner() == "bob"


def test_only_so_many_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "MAX_REMEMBERED", 3)
    known = auth.Remembered(CountingRing({str(number): "ann" for number in range(10)}))
    for number in range(10):
        assert asyncio.run(known.owner_of(str(number))) == "ann"
        assert len(known._recent) <= 3


class CountingRing:
    def __init__(self, owners: dict[str, str]) -> None:
        self.owners, self.asked = owners, 0

    def owner_of(self, digest: str) -> str | None:
        self.asked += 1
        return self.owners.get(digest)


def test_whoami_names_the_owner(client: httpx.Client, keys: dict[str, str]) -> None:
    for path in ("/v3/whoami", "/whoami", "/v1/whoami"):
        reply = client.get(path, headers=bearer(keys["bob"])).json()
        assert (reply["type"], reply["organization"]["id"]) == ("org_api_key", "bob")
        assert reply["organization_id"] == reply["api_key_id"] == "bob"


def test_with_keys_off_everybody_is_local(open_door: Callable[..., str], store: JobStore) -> None:
    reply = httpx.post(f"{open_door(keys=None)}/v2/videos", json=BODY)
    assert reply.status_code == 200
    assert store.get(reply.json()["id"]).owner == "local"


def test_the_document_asks_for_a_key_only_where_one_is_needed(open_door: Callable[..., str], store: JobStore) -> None:
    locked = httpx.get(f"{open_door(keys=store.keys)}/openapi.json").json()
    free = httpx.get(f"{open_door(keys=None)}/openapi.json").json()
    assert locked["paths"]["/v2/videos"]["post"]["security"] and "security" not in locked["paths"]["/health"]["get"]
    assert "security" not in free["paths"]["/v2/videos"]["post"]
