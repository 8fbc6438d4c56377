"""Tiny checkpoints served as any model is: adding one, a server whose worker is warm, and what comes out of it."""

from __future__ import annotations

import base64
import io
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import generations
import httpx
import numpy as np
from generations import Client
from PIL import Image
from served import REAL, Server, serving

LOADING_S = 300
"""The first clip waits for a worker that imports torch, on whatever machine this is."""

SOUND_HZ = 48_000

SMALLEST: dict[str, Any] = {
    "prompt": "A penguin waddles across the snow",
    "width": 64,
    "height": 64,
    "seconds": "1",
    "steps": 2,
    "seed": 7,
}

Made = tuple[dict[str, Any], bytes]


def added(data: Path, *words: str, fails: bool = False) -> Any:
    """What `rushes models add` says of it."""
    done = subprocess.run(
        [*REAL, "models", "add", *words, "--data", str(data), "--json"], capture_output=True, text=True
    )
    assert (done.returncode != 0) == fails, done.stderr + done.stdout
    return json.loads(done.stdout)


@contextmanager
def warm(folder: Path, **first: Any) -> Iterator[Server]:
    """A server on the data in `folder` that has made the video `first`, however long its worker took to load."""
    with serving(REAL, folder, RUSHES_STALL_LOADING_S="3000") as server:
        id = server.create(**first)
        for _ in range(LOADING_S // generations.PATIENCE_S):
            try:
                server.completed(id)
                break
            except AssertionError as late:
                if "not within" not in str(late):
                    raise
        yield server


def video(server: Server, client: Client, **asked: Any) -> Made:
    """The finished job and its file. None leaves a field out."""
    body = {name: value for name, value in asked.items() if value is not None}
    job = server.completed(client.returned("videos.create", **body)["id"])
    return job, httpx.get(job["outputs"]["video_url"]).content


def changes_said(job: dict[str, Any]) -> str:
    return json.dumps(job["made"]["changes"], ensure_ascii=False)


def refused(client: Client, **asked: Any) -> tuple[int, Any]:
    """The status that this is answered with, and the field at fault. None leaves a field out."""
    answer = client.refused("videos.create", **{name: value for name, value in asked.items() if value is not None})
    return answer.status, answer.error["param"]


def png(picture: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def facts(file: bytes) -> tuple[int, int, int, float]:
    """Width, height, number of frames, frames a second."""
    with av.open(io.BytesIO(file)) as container:
        video = container.streams.video[0]
        frames = sum(1 for _ in container.decode(video))
        return video.width, video.height, frames, float(video.average_rate or 0)


def heard(file: bytes) -> Any:
    """The samples of its sound, (sides, samples) at 48 kHz; None where it has none."""
    with av.open(io.BytesIO(file)) as container:
        if not container.streams.audio:
            return None
        assert container.streams.audio[0].rate == SOUND_HZ
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)
