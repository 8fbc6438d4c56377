"""A video's events: all of them, in order, from any point, to the end; and nothing is left of those who went away."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_moves import claimed, finished

from rushes.api import app as door_parts
from rushes.api import events as stream
from rushes.contract.events import Progress
from rushes.contract.job import JobError
from rushes.errors import Unavailable
from rushes.events import bus as bus_room
from rushes.events.bus import Bus
from rushes.jobs.claims import Setback
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}
PATIENCE_S = 60


@dataclass(frozen=True)
class Told:
    id: int | None
    type: str
    data: dict[str, Any]


@pytest.fixture(scope="module")
def buses() -> list[Bus[Any]]:
    return []


@pytest.fixture(scope="module")
def url(open_door: Callable[..., str], buses: list[Bus[Any]]) -> Iterator[str]:
    def kept(*given: Any, **named: Any) -> Bus[Any]:
        buses.append(Bus(*given, **named, tick_s=0.02))
        return buses[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(door_parts, "Bus", kept)
        yield open_door()


@pytest.fixture
def id(url: str) -> str:
    made: str = httpx.post(f"{url}/v2/videos", json=BODY).json()["id"]
    return made


@contextmanager
def watched(url: str, id: str, after: int | None = None, **headers: str) -> Iterator[Iterator[Told]]:
    query = {} if after is None else {"after": after}
    address = f"{url}/v2/videos/{id}/events"
    with httpx.stream("GET", address, params=query, headers=headers, timeout=PATIENCE_S) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store"
        yield told(reply.iter_lines())


def told(lines: Iterator[str]) -> Iterator[Told]:
    """Events as a browser reads them."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line and "data" in fields:
            yield Told(int(fields["id"]) if "id" in fields else None, fields["event"], json.loads(fields["data"]))
            fields = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_everything_is_told_as_it_happens_and_the_end_is_the_end(
    url: str, id: str, store: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    with watched(url, id) as news:
        assert (first := next(news)).type == "queued" and first.id == 1
        claim = claimed(store, id)
        assert next(news).type == "started"
        store.renew(claim, Progress("denoising", 3, 10, 0.255))
        step = next(news)
        assert (step.id, step.type) == (3, "progress")
        assert {name: step.data[name] for name in ("stage", "step", "steps", "progress", "attempt")} == {
            "stage": "denoising",
            "step": 3,
            "steps": 10,
            "progress": 25,
            "attempt": 1,
        }
        finished(store, storage, claim, tmp_path)
        (last,) = news
    assert last.type == "completed"
    assert last.data["video"] == httpx.get(f"{url}/v2/videos/{id}").json()
    assert last.data["video"]["outputs"]["video_url"].startswith(url)


def test_a_replay_is_the_same_from_the_start_and_from_any_number(url: str, id: str, store: JobStore) -> None:
    claim = claimed(store, id)
    for step in range(5):
        store.renew(claim, Progress("denoising", step, 5, step / 5))
    store.fail(claim, JobError("generation_failed", "the video could not be made"))
    with watched(url, id) as news:
        everything = list(news)
    assert [one.id for one in everything] == list(range(1, 9))
    assert [one.type for one in everything] == ["queued", "started", *["progress"] * 5, "failed"]
    assert everything[-1].data["video"]["error"]["code"] == "generation_failed"
    for known in range(9):
        with watched(url, id, after=known) as news:
            assert list(news) == everything[known:]
        with watched(url, id, after=0, **{"Last-Event-ID": str(known)}) as news:
            assert list(news) == everything[known:]


def test_a_stream_that_was_cut_goes_on_at_another_door(
    url: str, id: str, store: JobStore, videos: Videos, open_door: Callable[..., str]
) -> None:
    with watched(url, id) as news:
        seen = [next(news)]
        claim = claimed(store, id)
        seen.append(next(news))
    store.renew(claim, Progress("denoising", 1, 2, 0.4))
    other = open_door(videos=videos)
    with watched(other, id, **{"Last-Event-ID": str(seen[-1].id)}) as news:
        seen.append(next(news))
        store.cancel(id)
        store.cancelled(claim)
        seen += news
    assert [one.id for one in seen] == [1, 2, 3, 4, 5]
    assert [one.type for one in seen[2:]] == ["progress", "cancelling", "cancelled"]
    assert seen[-1].data["video"]["error"]["code"] == "cancelled"


def test_a_silent_stream_shows_that_it_lives(url: str, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    with httpx.stream("GET", f"{url}/v2/videos/{id}/events", timeout=PATIENCE_S) as reply:
        lines = reply.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": still here"


def test_a_video_that_is_removed_ends_its_streams(
    url: str, id: str, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    with watched(url, id) as news:
        next(news)
        store.delete(id)
        assert [one.type for one in news] == ["deleted"]


def test_a_number_beyond_the_last_one_ends_too(
    url: str, id: str, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)
    with watched(url, id, after=1_000) as news:
        store.cancel(id)
        assert list(news) == []


def test_an_end_that_a_sign_of_life_meets_first_is_told(
    open_door: Callable[..., str], store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step may take longer than the pause between two signs of life, and the end come just before one."""
    monkeypatch.setattr(door_parts, "Bus", lambda read: Bus(read, tick_s=PATIENCE_S))  # nothing is news for long
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.3)
    url = open_door()
    id = httpx.post(f"{url}/v2/videos", json=BODY).json()["id"]
    with watched(url, id) as news:
        assert next(news).type == "queued"
        claim = claimed(store, id)
        store.renew(claim, Progress("denoising", 1, 2, 0.4))
        store.fail(claim, JobError("generation_failed", "the video could not be made"))
        rest = [(one.id, one.type) for one in news]
    assert rest == [(2, "started"), (3, "progress"), (4, "failed")]


def test_clients_that_go_away_leave_nothing(url: str, id: str, buses: list[Bus[Any]]) -> None:
    for _ in range(20):
        with watched(url, id) as news:
            next(news)
    eventually(lambda: all(bus.num_watchers == 0 and bus._tailer is None for bus in buses))


def test_of_a_burst_no_more_than_may_watch_get_a_place_and_it_is_free_again(
    url: str, id: str, buses: list[Bus[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    eventually(lambda: all(bus._places == 0 for bus in buses))  # a place is free a moment after its client is gone
    monkeypatch.setattr(bus_room, "MAX_WATCHERS", 3)
    answered, all_answered = threading.Semaphore(0), threading.Event()

    def watch(_: int) -> int:
        with httpx.stream("GET", f"{url}/v2/videos/{id}/events", timeout=PATIENCE_S) as reply:
            answered.release()
            all_answered.wait(PATIENCE_S)
            return reply.status_code

    with ThreadPoolExecutor(12) as pool:
        watching = [pool.submit(watch, number) for number in range(12)]
        for _ in watching:
            assert answered.acquire(timeout=PATIENCE_S)
        all_answered.set()
        assert sorted(one.result() for one in watching) == [200] * 3 + [429] * 9
    assert httpx.get(f"{url}/v2/videos/nobody/events").status_code == 404
    eventually(lambda: watch(0) == 200)


def test_a_database_that_is_away_for_a_moment_costs_no_event(
    url: str, id: str, store: JobStore, videos: Videos, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = videos.events_since, [0]

    def sometimes(positions: Any) -> Any:
        calls[0] += 1
        if calls[0] % 2:
            raise Unavailable("busy")
        return real(positions)

    monkeypatch.setattr(videos, "events_since", sometimes)
    with watched(url, id) as news:
        next(news)
        claim = claimed(store, id)
        store.release(claim)
        store.cancel(id)
        assert [one.type for one in news] == ["started", "requeued", "cancelled"]


def test_separators_of_lines_in_what_a_client_sent_cut_no_event(url: str) -> None:
    odd = "one\u2028two\u2029three\n\nid: 7"
    id = httpx.post(f"{url}/v2/videos", json={**BODY, "metadata": {odd: odd}}).json()["id"]
    httpx.post(f"{url}/v2/videos/{id}/cancel")
    lines = httpx.get(f"{url}/v2/videos/{id}/events").text.splitlines()
    assert {line.split(":")[0] for line in lines} == {"", "retry", "id", "event", "data"}
    last = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")][-1]
    assert last["video"]["metadata"] == {odd: odd}


def test_who_worked_on_it_is_nobodys_business(url: str, id: str, store: JobStore) -> None:
    while (claim := store.claim("host-17-secret", ["rushes/mini"])) is not None and claim.job.id != id:
        pass
    store.rescue("host-17-secret")
    store.cancel(id)
    with httpx.stream("GET", f"{url}/v2/videos/{id}/events", timeout=PATIENCE_S) as reply:
        text = reply.read().decode()
    assert "requeued" in text
    assert "host-17-secret" not in text


def test_why_a_video_is_put_off_is_told_and_for_how_long(url: str, id: str, store: JobStore) -> None:
    full = JobError("storage_unavailable", "the finished file could not be stored: No space left on device")
    store.release(claimed(store, id), Setback(full, 5.0))
    store.cancel(id)
    with watched(url, id) as news:
        (put_off,) = (one for one in news if one.type == "requeued")
    assert (put_off.data["error"], put_off.data["wait_s"]) == ({"code": full.code, "message": full.message}, 5.0)


def test_what_cannot_be_watched_is_refused_before_the_stream(url: str, id: str) -> None:
    unknown = httpx.get(f"{url}/v2/videos/nobody/events")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "video_not_found")
    for query, headers, field in (
        ({"after": "-1"}, {}, "after"),
        ({"after": "x"}, {}, "after"),
        ({}, {"Last-Event-ID": "x"}, "last-event-id"),
        ({}, {"Last-Event-ID": "9" * 11}, "last-event-id"),
    ):
        reply = httpx.get(f"{url}/v2/videos/{id}/events", params=query, headers=headers)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, field)
