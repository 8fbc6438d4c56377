"""The finished file: fetched without a key, whole or in part, and by nobody who does not know its address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from rushes.contract.artifact import Artifact, Native
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage

BYTES = bytes(range(256)) * 40
SHA256 = "ab" * 32


def finish(id: str, store: JobStore, storage: LocalStorage, scratch: Path, content_type: str = "video/mp4") -> None:
    """Finish the waiting job with a file of `BYTES`."""
    while (claim := store.claim("test", ["rushes/mini"])) is not None and claim.job.id != id:
        pass
    assert claim is not None
    file = scratch / "clip"
    file.write_bytes(BYTES)
    key = f"videos/{claim.job.id}"
    storage.put_file(key, file)
    native = Native(width=448, height=256, fps=8.0, num_frames=48)
    store.finish(claim, Artifact(key, content_type, len(BYTES), SHA256, 1366, 768, 24, 144, False, native))


@pytest.fixture(scope="module")
def door(open_door: Callable[..., str], store: JobStore) -> str:
    return open_door()


@pytest.fixture(scope="module")
def url(door: str, store: JobStore, storage: LocalStorage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a finished file, as its owner gets it."""
    made = httpx.post(f"{door}/v2/videos", json={"model": "rushes/mini", "prompt": "a fox runs"}).json()
    assert made["outputs"] is None
    finish(made["id"], store, storage, tmp_path_factory.mktemp("scratch"))
    job = httpx.get(f"{door}/v2/videos/{made['id']}").json()
    assert (job["status"], job["outputs"]["cost"]) == ("completed", 0)
    address: str = job["outputs"]["video_url"]
    assert address.startswith(f"{door}/files/{made['id']}/")
    return address


def test_the_whole_file_comes_with_its_headers(url: str) -> None:
    reply = httpx.get(url)
    assert reply.status_code == 200 and reply.content == BYTES
    assert reply.headers["content-type"] == "video/mp4"
    assert reply.headers["content-length"] == str(len(BYTES))
    assert reply.headers["etag"] == f'"{SHA256}"'
    assert reply.headers["accept-ranges"] == "bytes"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-disposition"].startswith("inline; filename=")
    assert reply.headers["x-request-id"]


def test_head_tells_the_length_and_sends_nothing(url: str) -> None:
    reply = httpx.head(url)
    assert (reply.status_code, reply.headers["content-length"], reply.content) == (200, str(len(BYTES)), b"")


@pytest.mark.parametrize(
    ("asked", "content", "content_range"),
    [
        ("bytes=0-99", BYTES[:100], f"bytes 0-99/{len(BYTES)}"),
        ("bytes=100-", BYTES[100:], f"bytes 100-{len(BYTES) - 1}/{len(BYTES)}"),
        ("bytes=-10", BYTES[-10:], f"bytes {len(BYTES) - 10}-{len(BYTES) - 1}/{len(BYTES)}"),
        ("bytes=0-999999999", BYTES, f"bytes 0-{len(BYTES) - 1}/{len(BYTES)}"),
        ("bytes=-999999999", BYTES, f"bytes 0-{len(BYTES) - 1}/{len(BYTES)}"),
    ],
)
def test_a_range_gives_these_bytes(url: str, asked: str, content: bytes, content_range: str) -> None:
    reply = httpx.get(url, headers={"range": asked})
    assert (reply.status_code, reply.headers["content-range"]) == (206, content_range)
    assert reply.content == content and reply.headers["content-length"] == str(len(content))


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999999-100000000", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_in_the_envelope(url: str, asked: str) -> None:
    reply = httpx.get(url, headers={"range": asked})
    assert (reply.status_code, reply.headers["content-range"]) == (416, f"bytes */{len(BYTES)}")
    assert reply.json()["error"]["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        "bytes=5-1",
        "items=0-1",
        "bytes=",
        "bytes=-",
        "bytes",
        "bytes=a-b",
        "bytes=²-",
        "bytes=1 0-2 0",
        "",
        "x" * 5000,
    ],
)
def test_several_ranges_and_nonsense_give_the_whole_file(url: str, asked: str) -> None:
    reply = httpx.get(url, headers={"range": asked.encode()})
    assert (reply.status_code, reply.content) == (200, BYTES)


@pytest.mark.parametrize("asked", ["bytes=0-9", "bytes=99999-"])
def test_who_asks_for_the_head_alone_is_told_of_the_whole_file(url: str, asked: str) -> None:
    """A range is of what a GET brings, and counts for nothing elsewhere: RFC 9110, 14.2."""
    reply = httpx.head(url, headers={"range": asked})
    assert (reply.status_code, reply.headers["content-length"]) == (200, str(len(BYTES)))
    assert "content-range" not in reply.headers


def test_a_range_of_another_version_gives_the_whole_file(url: str) -> None:
    known, other = f'"{SHA256}"', '"other"'
    assert httpx.get(url, headers={"range": "bytes=0-9", "if-range": known}).status_code == 206
    assert httpx.get(url, headers={"range": "bytes=0-9", "if-range": other}).content == BYTES
    assert httpx.get(url, headers={"range": "bytes=99999-", "if-range": other}).content == BYTES


def test_a_file_that_is_known_is_not_sent_again(url: str) -> None:
    reply = httpx.get(url, headers={"if-none-match": f'"other", W/"{SHA256}"'})
    assert (reply.status_code, reply.content) == (304, b"")
    assert httpx.get(url, headers={"if-none-match": "*"}).status_code == 304
    assert httpx.get(url, headers={"if-none-match": '"other"'}).status_code == 200


def test_without_the_secret_there_is_nothing(url: str) -> None:
    head, name = url.rsplit("/", 1)
    secret = name.removesuffix(".mp4")
    wrong = [
        "x.mp4",
        f"{secret[:-1]}.mp4",
        f"{secret}x.mp4",
        f"{secret}.webm",
        f"{secret}.txt",
        secret,
        ".mp4",
        "%00.mp4",
        "%ED%A0%80.mp4",
        "caf%C3%A9.mp4",
        "..%2F..%2Fjobs.db",
    ]
    for name in wrong:
        reply = httpx.get(f"{head}/{name}")
        assert reply.status_code == 404, name
        assert set(reply.json()) == {"id", "error"}
    other = head.rsplit("/", 1)[0] + "/01a203c3-8a41-7439-adef-4a68d65c6c9f/" + name
    assert httpx.get(other).status_code == 404


def test_a_file_that_is_gone_is_not_found(door: str, store: JobStore, storage: LocalStorage, tmp_path: Path) -> None:
    id = httpx.post(f"{door}/v2/videos", json={"model": "rushes/mini", "prompt": "a fox runs"}).json()["id"]
    finish(id, store, storage, tmp_path)
    address = httpx.get(f"{door}/v2/videos/{id}").json()["outputs"]["video_url"]
    storage.delete(f"videos/{id}")
    reply = httpx.get(address)
    assert reply.status_code == 404 and reply.json()["error"]["code"]


def test_a_job_that_is_not_finished_has_no_file(door: str, store: JobStore) -> None:
    id = httpx.post(f"{door}/v2/videos", json={"model": "rushes/mini", "prompt": "a fox runs"}).json()["id"]
    assert httpx.get(f"{door}/files/{id}/{store.get(id).secret}.mp4").status_code == 404


def test_webm_is_served_as_webm(door: str, store: JobStore, storage: LocalStorage, tmp_path: Path) -> None:
    body = {"model": "rushes/mini", "prompt": "a fox runs", "output_format": "webm"}
    id = httpx.post(f"{door}/v2/videos", json=body).json()["id"]
    finish(id, store, storage, tmp_path, "video/webm")
    address = httpx.get(f"{door}/v2/videos/{id}").json()["outputs"]["video_url"]
    assert address.endswith(".webm") and httpx.get(address).headers["content-type"] == "video/webm"


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("videos.example.org", "http://videos.example.org"),
        ("videos.example.org:8443", "http://videos.example.org:8443"),
        ("[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_address_is_built_from_where_the_client_came(url: str, door: str, host: str, base: str) -> None:
    id = url.split("/")[-2]
    job = httpx.get(f"{door}/v2/videos/{id}", headers={"host": host}).json()
    assert job["outputs"]["video_url"].startswith(f"{base}/files/{id}/")


@pytest.mark.parametrize("host", ['evil"><script>', "a b", "[::1", "x@y", "x/../y", ""])
def test_a_host_that_is_none_is_not_built_into_addresses(url: str, door: str, host: str) -> None:
    id = url.split("/")[-2]
    job = httpx.get(f"{door}/v2/videos/{id}", headers={"host": host}).json()
    assert job["outputs"]["video_url"].startswith(f"{door}/files/")


def test_a_configured_public_address_wins(open_door: Callable[..., str], url: str) -> None:
    door = open_door(public_url="https://videos.example.org/api/")
    id = url.split("/")[-2]
    job = httpx.get(f"{door}/v2/videos/{id}").json()
    assert job["outputs"]["video_url"].startswith(f"https://videos.example.org/api/files/{id}/")
