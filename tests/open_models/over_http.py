"""Tiny checkpoints served as any model is: adding one, a server whose worker is warm, and what comes out of it."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
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
from small_requests import picture

LOADING_S = 720
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
UNGUIDED: list[dict[str, Any]] = [
    {"prompt": "A rocket flies"},
    {"steps": 3},
    {"seed": 8},
    {"output_quality": 40},
    {"output_format": "WEBM"},
]
"""Changes to a request that every model takes."""
FIELDS = [*UNGUIDED, {"negative_prompt": "blurry"}, {"guidance_scale": 2}, {"guidance_scale": 1}]
"""And those that all take which are guided."""

Made = tuple[dict[str, Any], bytes]
"""The finished job and its file."""
Make = Callable[..., Made]


def rushes(folder: Path, *words: str, fails: bool = False) -> str:
    """What the command says, on the data of the server in `folder`."""
    done = subprocess.run(
        [*REAL, *words],
        env={**os.environ, "RUSHES_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=LOADING_S,
        cwd=folder,
    )
    assert (done.returncode != 0) == fails, done.stderr + done.stdout
    return done.stdout


def added(folder: Path, *words: object, fails: bool = False) -> Any:
    """What `rushes models add` says of it."""
    return json.loads(rushes(folder, "models", "add", *map(str, words), "--json", fails=fails))


def lora_added(folder: Path, name: str, model: str, *words: object) -> None:
    rushes(folder, "models", "add-lora", name, "--to", model, *map(str, words))


def made_by_hand(folder: Path, asked: dict[str, Any], *words: str) -> Path:
    """The file of `asked` as `rushes generate` makes it."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in asked.items() if name != "prompt"]
    rushes(folder, "generate", asked["prompt"], *flags, *words, "-o", "by-hand.mp4")
    return folder / "by-hand.mp4"


@contextmanager
def warm(folder: Path, program: Sequence[str] = REAL, **first: Any) -> Iterator[Server]:
    """A server on the data in `folder` that has made the video `first`, however long its worker took to load."""
    with serving([*program], folder, RUSHES_STALL_LOADING_S="3000") as server:
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


def each_another(made: Make, changes: Sequence[dict[str, Any]]) -> bytes:
    """The file of the request as it is: the same when it is made again, and another with each change."""
    plain = made()[1]
    assert made()[1] == plain
    films = [made(**change)[1] for change in changes]
    assert len({plain, *films}) == len(changes) + 1
    return plain


def retimed(made: Make, seconds: int, **asked: Any) -> str:
    """What the job says was done to a clip of a size and rate at which no model makes one."""
    job, file = made(width=100, height=70, fps=12, **asked)
    assert facts(file) == (100, 70, 12 * seconds, 12.0)
    said = changes_said(job)
    assert "scaled to 100×70" in said
    assert "made at 24 fps; retimed to 12 fps" in said
    return said


def text(content: bytes) -> str:
    """A file as a request holds it."""
    return base64.b64encode(content).decode()


def png(picture: Any) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return text(file.getvalue())


PICTURE = png(picture(1))


def frames(*places: str | int, seed: int = 1) -> dict[str, Any]:
    """Media that want a picture at each place, another at every one."""
    return {"frame_images": [{"input_image": png(picture(seed + n)), "frame": at} for n, at in enumerate(places)]}


def facts(file: bytes) -> tuple[int, int, int, float]:
    """Width, height, number of frames, frames a second."""
    with av.open(io.BytesIO(file)) as container:
        video = container.streams.video[0]
        num_frames = sum(1 for _ in container.decode(video))
        return video.width, video.height, num_frames, float(video.average_rate or 0)


def pictures(file: bytes) -> Any:
    """Its frames, (T, H, W, 3)."""
    with av.open(io.BytesIO(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def heard(file: bytes) -> Any:
    """The samples of its sound, (sides, samples) at 48 kHz; None where it has none."""
    with av.open(io.BytesIO(file)) as container:
        if not container.streams.audio:
            return None
        assert container.streams.audio[0].rate == SOUND_HZ
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def heard_for(file: bytes, seconds: float) -> Any:
    """The samples of its sound, which is that long and not silent."""
    samples = heard(file)
    assert abs(samples.shape[1] / SOUND_HZ - seconds) < 0.1
    assert np.abs(samples).max() > 1e-3
    return samples
