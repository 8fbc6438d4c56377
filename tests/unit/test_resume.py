"""A video cut off at any moment and gone on with elsewhere: the file has the very bytes of an undisturbed one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from mini_cases import asked, weights_folder
from tiny_mini import write_tiny_weights

from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.contract.artifact import Artifact
from rushes.contract.events import Interrupted, Progress
from rushes.contract.job import Checkpoint, Job, JobState
from rushes.contract.request import ResolvedRequest
from rushes.engine.engine import Engine
from rushes.models.mini.adapter import MiniAdapter
from rushes.models.mini.config import MiniConfig
from rushes.perform import perform
from rushes.storage.local import LocalStorage

TWO_WINDOWS = asked(seconds=4.0, fps=12, num_frames=48, width=64, height=36, steps=3)
STEPS = 6


@dataclass
class Attempts:
    """One job in one data folder; every attempt has a model of its own, as a new process would."""

    folder: Path
    weights: Path
    request: ResolvedRequest = TWO_WINDOWS
    found: Checkpoint | None = None
    attempt: int = 0

    def keep(self, checkpoint: Checkpoint) -> None:
        self.found = checkpoint

    def make(self, until: Callable[[Progress], bool] = lambda progress: False, every_s: float = 3600.0) -> Artifact:
        """Raises `Interrupted` at the first progress that `until` is true of."""

        def observe(progress: Progress) -> None:
            if until(progress):
                raise Interrupted

        self.attempt += 1
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True, parents=True)
        return perform(
            Job(
                "0190-id",
                "ann",
                self.request,
                JobState.RUNNING,
                "secret",
                0.0,
                attempt=self.attempt,
                checkpoint=self.found,
            ),
            observe,
            self.keep,
            catalogue=Catalogue([CARD]),
            engine=Engine({CARD.adapter: MiniAdapter(self.weights, threads=1)}),
            storage=LocalStorage(self.folder / "artifacts"),
            scratch=scratch,
            checkpoints=LocalStorage(self.folder / "checkpoints"),
            checkpoint_every_s=every_s,
        )

    def cut(self, until: Callable[[Progress], bool]) -> None:
        with pytest.raises(Interrupted):
            self.make(until)
        assert not list((self.folder / "scratch").iterdir())


def at_step(step: int) -> Callable[[Progress], bool]:
    return lambda progress: (progress.stage, progress.step) == ("denoising", step)


def at_frame(frame: int) -> Callable[[Progress], bool]:
    return lambda progress: progress.stage == "decoding" and progress.step >= frame


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, weights: Path) -> str:
    return Attempts(tmp_path_factory.mktemp("data"), weights).make().sha256


@pytest.fixture
def attempts(tmp_path: Path, weights: Path) -> Iterator[Attempts]:
    made = Attempts(tmp_path, weights)
    yield made
    assert len(list((tmp_path / "artifacts").iterdir())) == 1, "one file, of the attempt that came to the end"
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
@pytest.mark.parametrize("step", range(STEPS + 1))
def test_cut_before_any_step(attempts: Attempts, weights: Path, tmp_path: Path, step: int, output_format: str) -> None:
    attempts.request = replace(TWO_WINDOWS, output_format=output_format)
    attempts.cut(at_step(step))
    assert attempts.found is not None
    assert attempts.found.step == step
    assert attempts.make().sha256 == Attempts(tmp_path / "other", weights, attempts.request).make().sha256


@pytest.mark.parametrize("frame", [0, 1, 24, 42])
def test_cut_while_frames_are_decoded_and_written(attempts: Attempts, undisturbed: str, frame: int) -> None:
    attempts.cut(at_frame(frame))
    assert attempts.make().sha256 == undisturbed


def test_cut_before_every_single_step_and_between_the_frames(attempts: Attempts, undisturbed: str) -> None:
    for moment in [*map(at_step, range(STEPS + 1)), at_frame(0), at_frame(30)]:
        attempts.cut(moment)
    assert attempts.make().sha256 == undisturbed


def test_saving_after_every_step_changes_no_byte(attempts: Attempts, undisturbed: str) -> None:
    assert attempts.make(every_s=0.0).sha256 == undisturbed


GO_ON_ELSEWHERE = """
import sys
from pathlib import Path
from test_resume import Attempts
from rushes.contract.job import Checkpoint
folder, weights, key, step, format, sha256 = sys.argv[1:]
found = Checkpoint(key, int(step), format, sha256)
print(Attempts(Path(folder), Path(weights), found=found, attempt=1).make().sha256)
"""


def test_gone_on_with_in_another_process(attempts: Attempts, undisturbed: str) -> None:
    attempts.cut(at_step(4))
    assert attempts.found is not None
    pointer = [str(value) for value in attempts.found.to_json().values()]
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", GO_ON_ELSEWHERE, str(attempts.folder), str(attempts.weights), *pointer],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), str(here / "models")])},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [undisturbed]


def test_the_real_weights_too_at_every_step_of_two_windows(tmp_path: Path) -> None:
    real = weights_folder("packaged", tmp_path)
    config = MiniConfig.load(real)
    num_frames = (config.window + 1) * config.frames_per_latent
    seconds = num_frames / config.fps
    request = asked(seconds=seconds, fps=config.fps, num_frames=num_frames, width=64, height=36, steps=2)
    whole = Attempts(tmp_path / "whole", real, request).make()
    attempts = Attempts(tmp_path / "cut", real, request)
    for step in range(5):
        attempts.cut(at_step(step))
        assert attempts.found is not None
        assert attempts.found.step == step
    assert attempts.make().sha256 == whole.sha256
