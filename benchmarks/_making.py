"""Clips made for a benchmark: through `perform`, as a worker makes them, here or in a fresh process.

python -m benchmarks._making reads requests from standard input and answers with the SHA-256 of each file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from rushes.catalogue.cards import CARDS
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.artifact import Artifact
from rushes.contract.events import Progress
from rushes.contract.job import Job, JobState
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.engine.engine import Engine
from rushes.media.fit import fit
from rushes.models.mini.adapter import MiniAdapter
from rushes.perform import perform
from rushes.storage.local import LocalStorage

ROOT = Path(__file__).parents[1]
PROMPTS = (ROOT / "examples" / "prompts.txt").read_text("utf-8").splitlines()
SEED = 7
CATALOGUE = Catalogue(CARDS)

ON_ONE_CORE = "import os, runpy; os.sched_setaffinity(0, {core}); runpy.run_module({module!r}, run_name='__main__')"
"""Bound before a tensor library is imported: they size their thread pools by what they see then."""


@dataclass(frozen=True, slots=True)
class Made:
    """A finished clip. `elapsed_s` is everything from request to file, the rest the model's steps alone.

    `denoising_cpu_s` sums over all cores: on a busy machine it says what the wall clock no longer can.
    """

    path: Path
    artifact: Artifact
    elapsed_s: float
    denoising_s: float
    denoising_cpu_s: float


def settled(**fields: Any) -> ResolvedRequest:
    """The request with these fields and the card's defaults; seed `SEED` unless given."""
    asked = VideoRequest(model=CARD.id, **fields)
    return resolve(asked, CATALOGUE.find(asked.model), lambda: SEED)


def loaded_engine(weights: Path | None) -> Engine:
    """An engine whose embedded model is in memory already, from `weights` or from the package."""
    engine = Engine() if weights is None else Engine({CARD.adapter: MiniAdapter(weights)})
    engine.adapter(CARD)
    return engine


def make(request: ResolvedRequest, engine: Engine, path: Path) -> Made:
    """Make the clip of `request` and put it at `path`."""
    job = Job(id="benchmark", owner="", request=request, state=JobState.RUNNING, secret="", created_at=0.0)
    steps_at: list[tuple[float, float]] = []

    def observe(progress: Progress) -> None:
        if progress.stage == "denoising":
            steps_at.append((time.perf_counter(), time.process_time()))

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        storage = LocalStorage(Path(folder) / "stored")
        began = time.perf_counter()
        artifact = perform(job, observe, catalogue=CATALOGUE, engine=engine, storage=storage, scratch=Path(folder))
        elapsed_s = time.perf_counter() - began
        storage.path(artifact.key).replace(path)
    (began_at, began_cpu), *_, (ended_at, ended_cpu) = steps_at
    return Made(path, artifact, elapsed_s, ended_at - began_at, ended_cpu - began_cpu)


def unencoded(request: ResolvedRequest, engine: Engine) -> Iterator[NDArray[np.uint8]]:
    """The frames (height, width, 3) of `request` as the encoder would get them."""
    native, chunks = engine.generate(request, CARD, lambda progress: None)
    yield from fit(
        (chunk.frames_THWC for chunk in chunks),
        native,
        width=request.width,
        height=request.height,
        fps=request.fps,
        num_frames=request.num_frames,
    )


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    """All frames of a finished file, RGB (height, width, 3)."""
    with av.open(str(path)) as container:
        return [np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8) for frame in container.decode(video=0)]


def shown(path: Path, count: int) -> list[NDArray[np.uint8]]:
    """`count` RGB frames of a finished file, evenly over its length, each from the middle of its part."""
    frames = frames_of(path)
    return [frames[int((index + 0.5) * len(frames) / count)] for index in range(count)]


def digests(requests: Sequence[ResolvedRequest], weights: Path | None, *, one_core: bool = False) -> list[str]:
    """SHA-256 of the file of each request, made in one fresh process, on one core of this machine where asked."""
    words = ["-m", "benchmarks._making"]
    if one_core:
        core = min(os.sched_getaffinity(0))
        words = ["-c", ON_ONE_CORE.format(core={core}, module="benchmarks._making")]
    asked = {"weights": weights and str(weights), "requests": [request.to_json() for request in requests]}
    done = subprocess.run(  # noqa: S603
        [sys.executable, *words], input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT
    )
    return done.stdout.split()


def drummed(strokes_s: Iterable[float], seconds: int, rate_hz: int) -> NDArray[np.float64]:
    """A drum struck at each of these moments, and nothing else: mono, -1 to 1."""
    time_s = np.arange(rate_hz // 4) / rate_hz
    stroke = 0.6 * np.sin(2 * np.pi * (50 * time_s + 4 * (1 - np.exp(-20 * time_s)))) * np.exp(-12 * time_s)
    samples = np.zeros(seconds * rate_hz)
    for start in (round(moment * rate_hz) for moment in strokes_s):
        part = samples[start : start + len(stroke)]
        part += stroke[: len(part)]
    return samples


def main() -> None:
    asked = json.load(sys.stdin)
    engine = loaded_engine(asked["weights"] and Path(asked["weights"]))
    with tempfile.TemporaryDirectory() as folder:
        for request in asked["requests"]:
            made = make(ResolvedRequest.from_json(request), engine, Path(folder) / "clip")
            print(made.artifact.sha256, flush=True)


if __name__ == "__main__":
    main()
