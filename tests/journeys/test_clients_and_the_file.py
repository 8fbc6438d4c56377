"""The file behind `video_url`: what was promised is what is in it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from generations import Client
from served import QUICK, Server

from rushes.media.probe import VideoFacts, probe

Make = Callable[..., dict[str, Any]]
Fetch = Callable[[dict[str, Any]], Path]


@pytest.fixture
def make(newest: Client) -> Make:
    """A finished job, from the newest client; the arguments are the request's."""

    def make(**changes: Any) -> dict[str, Any]:
        id = newest.returned("videos.create", **{**QUICK, **changes})["id"]
        job: dict[str, Any] = newest.returned("watch", id=id, every_s=0.05)
        assert job["status"] == "completed", job
        return job

    return make


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    """The job's file, by a plain GET without any header of ours."""

    def fetch(job: dict[str, Any]) -> Path:
        reply = httpx.get(job["outputs"]["video_url"])
        assert reply.status_code == 200
        path = tmp_path / f"{job['id']}.{reply.headers['content-type'].removeprefix('video/')}"
        path.write_bytes(reply.content)
        return path

    return fetch


def pixels(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize(
    ("asked", "size", "fps", "num_frames"),
    [
        ({}, "96x64", 15, 15),
        ({"width": 64, "height": 112, "seconds": "2", "fps": 24}, "64x112", 24, 48),
        ({"width": 130, "height": 98, "seconds": "1.5", "fps": 30}, "130x98", 30, 45),
        ({"output_format": "WEBM", "fps": 60}, "96x64", 60, 60),
    ],
)
def test_the_file_has_the_promised_size_rate_and_frames(
    make: Make, fetch: Fetch, asked: dict[str, Any], size: str, fps: int, num_frames: int
) -> None:
    job = make(**asked)
    facts: VideoFacts = probe(fetch(job))
    assert job["size"] == size == f"{facts.width}x{facts.height}"
    assert job["seconds"] == asked.get("seconds", "1")
    assert (facts.fps, facts.num_frames) == (fps, num_frames)
    assert facts.duration_s == pytest.approx(float(job["seconds"]), abs=0.01)
    assert all(b - a == pytest.approx(1 / fps, abs=0.002) for a, b in pairwise(facts.frame_times_s))
    assert facts.audio is None
    assert (job["made"]["width"], job["made"]["num_frames"]) == (facts.width, num_frames)


@pytest.mark.parametrize(
    ("output_format", "content_type"), [("MP4", "video/mp4"), ("WEBM", "video/webm"), ("webm", "video/webm")]
)
def test_the_file_is_of_the_asked_format(make: Make, output_format: str, content_type: str) -> None:
    job = make(output_format=output_format)
    reply = httpx.get(job["outputs"]["video_url"])
    assert reply.headers["content-type"] == content_type
    assert len(reply.content) == job["made"]["size_bytes"] > 0


def test_every_generation_gets_an_absolute_url_that_needs_no_key(client: Client) -> None:
    id = client.returned("videos.create", **QUICK)["id"]
    job = client.returned("watch", id=id, every_s=0.05)
    assert job["outputs"]["cost"] == 0
    reply = httpx.get(job["outputs"]["video_url"])
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "video/mp4"
    assert b"ftyp" in reply.content[:16]
    assert reply.content.index(b"moov") < reply.content.index(b"mdat"), "plays while it is still coming"


def test_a_part_of_the_file_can_be_had_and_its_length_without_any(make: Make) -> None:
    url = make()["outputs"]["video_url"]
    whole = httpx.get(url).content
    part = httpx.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert httpx.get(url, headers={"Range": "bytes=-5"}).content == whole[-5:]
    head = httpx.head(url)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(whole)), b"")
    beyond = httpx.get(url, headers={"Range": f"bytes={len(whole)}-"})
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "range_not_satisfiable")


def test_the_file_of_a_video_under_way_or_under_a_guessed_name_is_not_there(make: Make, server: Server) -> None:
    finished = make()
    long_job = server.create(**{**QUICK, "prompt": "slow 0.5", "steps": 50})
    under_its_name = finished["outputs"]["video_url"]
    secret = under_its_name.rpartition("/")[2].removesuffix(".mp4")
    for id, name in [(long_job, "A" * 43), (finished["id"], "A" * 43), (long_job, secret)]:
        reply = httpx.get(f"{server.url}/files/{id}/{name}.mp4")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "video_not_found")
    assert httpx.head(under_its_name).status_code == 200
    server.cancel(long_job)


def test_more_output_quality_is_a_smaller_file(make: Make) -> None:
    fine, coarse = (make(output_quality=quality, seed=7, seconds="2", fps=30) for quality in (10, 40))
    assert coarse["made"]["size_bytes"] < fine["made"]["size_bytes"]


def test_the_same_seed_makes_the_same_video_and_another_another(make: Make, fetch: Fetch) -> None:
    one, again, other = (pixels(fetch(make(seed=seed))) for seed in (7, 7, 8))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_without_a_seed_no_two_videos_are_the_same_and_each_tells_its_seed(make: Make, fetch: Fetch) -> None:
    one, other = make(), make()
    assert one["seed"] != other["seed"]
    again = make(seed=one["seed"])
    assert np.array_equal(pixels(fetch(one)), pixels(fetch(again)))
