"""The same journeys on the embedded model, as installed: a command, its weights, a client, a film."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from example_runs import ENDING, run
from served import REAL, Server, serving

from rushes.media.probe import probe
from rushes.models.mini.config import PACKAGED_WEIGHTS

pytestmark = pytest.mark.skipif(
    not (PACKAGED_WEIGHTS / "mini.json").exists(), reason="the weights of rushes/mini are not in this checkout"
)

SMALL = {"model": "rushes/mini", "prompt": "a penguin waddles across the snow", "width": 192, "height": 108}
SHORT = {**SMALL, "seconds": "1", "fps": 15, "steps": 10, "seed": 7}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(REAL, tmp_path_factory.mktemp("installed")) as server:
        yield server


def film(server: Server, path: Path, **changes: Any) -> np.ndarray:
    """All frames of the finished video, THWC uint8; the file stays at `path`."""
    done = server.completed(server.create(**{**SHORT, **changes}))
    path.write_bytes(httpx.get(done["outputs"]["video_url"]).content)
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", ["curl.sh", "together_python.py"])
def test_an_example_leaves_a_moving_picture(installed: Server, tmp_path: Path, name: str) -> None:
    done = run(name, tmp_path, installed, ENDING[name])
    assert done.returncode == 0, done.stderr
    path = tmp_path / done.stdout.splitlines()[-1]
    facts = probe(path)
    assert (facts.width, facts.height, facts.fps, facts.num_frames) == (1366, 768, 24, 48)
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24")[::8, ::8].astype(float) for frame in container.decode(video=0)]
    assert frames[0].std() > 5, "a flat field is no picture"
    assert np.abs(frames[-1] - frames[0]).mean() > 0.5, "a still is no video"


def test_the_same_seed_makes_the_same_film_and_another_another(installed: Server, tmp_path: Path) -> None:
    one, again, other = (film(installed, tmp_path / "film.mp4", seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_more_output_quality_is_a_smaller_file_of_the_same_film(installed: Server, tmp_path: Path) -> None:
    fine = film(installed, tmp_path / "fine.mp4", output_quality=10)
    coarse = film(installed, tmp_path / "coarse.mp4", output_quality=40)
    assert (tmp_path / "coarse.mp4").stat().st_size < (tmp_path / "fine.mp4").stat().st_size
    assert fine.shape == coarse.shape
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.8
