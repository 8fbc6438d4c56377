"""An owner's videos in pages, picked by status and model; and removing one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_moves import claimed, finished

from rushes.api.auth import key_digest
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}
HOSTED = "minimax/hailuo-02"


class Ring:
    """Every key is known, and its first letters are its owner's name."""

    def __init__(self) -> None:
        self.owners = {
            key_digest(f"{name}-key"): name for name in ("ann", "bob", "cid", "dan", "eve", "fay", "gus", "hal")
        }

    def owner_of(self, digest: str) -> str | None:
        return self.owners.get(digest)


class Person:
    def __init__(self, url: str, name: str) -> None:
        self.client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {name}-key"})

    def ask(self, **fields: Any) -> str:
        reply = self.client.post("/v2/videos", json={**BODY, **fields})
        assert reply.status_code == 200, reply.text
        id: str = reply.json()["id"]
        return id

    def page(self, **query: Any) -> dict[str, Any]:
        reply = self.client.get("/v2/videos", params=query)
        assert reply.status_code == 200, reply.text
        page: dict[str, Any] = reply.json()
        return page

    def ids(self, **query: Any) -> list[str]:
        return [video["id"] for video in self.page(**query)["data"]]


@pytest.fixture(scope="module")
def person(open_door: Callable[..., str], store: JobStore, storage: LocalStorage) -> Iterator[Callable[[str], Person]]:
    videos = Videos(Catalogue([CARD], {HOSTED: CARD.id}), store, storage)
    url = open_door(keys=Ring(), videos=videos)
    people: list[Person] = []

    def named(name: str) -> Person:
        people.append(Person(url, name))
        return people[-1]

    yield named
    for one in people:
        one.client.close()


def test_the_newest_come_first_and_pages_join_without_a_gap(person: Callable[[str], Person]) -> None:
    ann = person("hal")
    made = [ann.ask(seed=n) for n in range(5)]
    first = ann.page(limit=2)
    assert [video["id"] for video in first["data"]] == [made[4], made[3]]
    assert (first["object"], first["has_more"], first["next_cursor"]) == ("list", True, made[3])
    assert (first["first_id"], first["last_id"]) == (made[4], made[3])
    second = ann.page(limit=2, after=first["next_cursor"])
    last = ann.page(limit=2, after=second["next_cursor"])
    assert [video["id"] for video in [*second["data"], *last["data"]]] == made[2::-1]
    assert (last["has_more"], last["next_cursor"]) == (False, None)
    assert ann.ids(order="asc") == made
    assert ann.ids(order="asc", after=made[1]) == made[2:]


def test_a_row_is_the_video_as_it_is_seen_alone(person: Callable[[str], Person]) -> None:
    bob = person("bob")
    id = bob.ask(metadata={"order": 5})
    assert bob.page()["data"] == [bob.client.get(f"/v2/videos/{id}").json()]


def test_nobody_sees_somebody_elses(person: Callable[[str], Person]) -> None:
    id = person("cid").ask()
    assert id not in person("dan").ids(limit=100)
    assert person("dan").page() == {
        "object": "list",
        "data": [],
        "next_cursor": None,
        "first_id": None,
        "last_id": None,
        "has_more": False,
        "warnings": [],
    }


def test_a_status_picks_what_says_it(
    person: Callable[[str], Person], store: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    eve = person("eve")
    done, at_work, waiting, given_up = (eve.ask(seed=n) for n in range(4))
    finished(store, storage, claimed(store, done), tmp_path)
    claimed(store, at_work)
    eve.client.post(f"/v2/videos/{given_up}/cancel")
    assert eve.ids(status="completed") == [done]
    assert eve.ids(status="in_progress") == [waiting, at_work]
    assert eve.ids(status="queued") == [waiting]
    assert eve.ids(status="failed") == eve.ids(status="cancelled") == [given_up]
    for status in ("completed", "in_progress", "failed"):
        assert {video["status"] for video in eve.page(status=status)["data"]} == {status}


def test_a_model_picks_by_the_id_that_was_asked_for_or_by_what_makes_it(person: Callable[[str], Person]) -> None:
    fay = person("fay")
    own, hosted = fay.ask(), fay.ask(model=HOSTED)
    assert fay.ids(model="rushes/mini") == [hosted, own]
    assert fay.ids(model=HOSTED) == [hosted]
    assert fay.ids(model="Rushes/MINI") == [hosted, own]
    shouted = fay.ask(model=HOSTED.upper())
    assert fay.ids(model=HOSTED) == fay.ids(model=HOSTED.title()) == [shouted, hosted]
    assert fay.ids(model="nobody/nothing") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"order": "up"}, "order"),
        ({"status": "done"}, "status"),
        ({"after": "../../etc"}, "after"),
        ({"after": "x" * 65}, "after"),
        ({"model": "x" * 257}, "model"),
        ({"model": ["a", "b"]}, "model"),
        ({"model": "a\x00b"}, "model"),
    ],
)
def test_a_query_that_cannot_be_met_is_refused_by_field(
    person: Callable[[str], Person], query: dict[str, Any], field: str
) -> None:
    reply = person("ann").client.get("/v2/videos", params=query)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == field


def test_a_misspelt_filter_is_said_or_refused(person: Callable[[str], Person]) -> None:
    ann = person("ann")
    assert ann.page(stauts="completed")["warnings"] == [{"message": "stauts: not a field of this API; ignored"}]
    reply = ann.client.get("/v2/videos", params={"stauts": "completed"}, headers={"x-rushes-strict": "true"})
    assert reply.status_code == 400
    assert (reply.json()["error"]["param"], reply.json()["error"]["code"]) == ("stauts", "unknown_parameter")


def test_a_removed_video_leaves_nothing_behind(
    person: Callable[[str], Person], store: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    gus = person("gus")
    id = gus.ask()
    finished(store, storage, claimed(store, id), tmp_path)
    video = gus.client.get(f"/v2/videos/{id}").json()
    artifact = store.get(id).artifact
    assert artifact is not None
    file = storage.path(artifact.key)
    assert person("ann").client.delete(f"/v2/videos/{id}").status_code == 404

    reply = gus.client.delete(f"/v2/videos/{id}")
    assert (reply.status_code, reply.json()) == (200, {"id": id, "object": "video.deleted", "deleted": True})
    assert gus.client.get(f"/v2/videos/{id}").status_code == 404
    assert gus.client.delete(f"/v2/videos/{id}").status_code == 404
    assert httpx.get(video["outputs"]["video_url"]).status_code == 404
    assert not file.exists()
    assert gus.ids() == []


def test_a_paused_video_is_passed_over_until_it_is_resumed(person: Callable[[str], Person], store: JobStore) -> None:
    ann = person("ann")
    id = ann.ask()
    paused = ann.client.post(f"/v2/videos/{id}/pause").json()
    assert (paused["status"], paused["stage"], paused["queue_position"]) == ("in_progress", "paused", None)
    while (claim := store.claim("test", ["rushes/mini"])) is not None:
        assert claim.job.id != id
    assert ann.client.post(f"/v2/videos/{id}/resume").json()["stage"] == "queued"
    claim = claimed(store, id)
    assert ann.client.post(f"/v2/videos/{id}/pause").json()["stage"] == "loading"
    assert store.renew(claim).preempt
    assert person("bob").client.post(f"/v2/videos/{id}/resume").status_code == 404


@pytest.mark.parametrize("prefix", ["/v2", "/v1", "", "/v1/v2", "/v2/v2"])
def test_every_mount_point_lists_and_removes(person: Callable[[str], Person], prefix: str) -> None:
    ann = person("ann")
    id = ann.ask()
    assert ann.client.get(f"{prefix}/videos").json()["data"][0]["id"] == id
    assert ann.client.delete(f"{prefix}/videos/{id}").json()["deleted"] is True
