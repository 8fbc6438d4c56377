"""`rushes jobs watch` and `rushes replay`: a job followed to its end, a video rendered again and compared."""

from __future__ import annotations

import hashlib
import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cli_cases import SMALL, TINY, rushes, started, wait_until
from typer.testing import CliRunner

from rushes.catalogue.cards import mini
from rushes.catalogue.lookup import Catalogue
from rushes.cli.app import app
from rushes.contract.job import Job, JobState
from rushes.contract.request import VideoRequest
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

CARD = replace(mini.CARD, id=TINY, revision="t1", remarks=None)  # as far as a request is resolved, the tiny model's
ASKED = VideoRequest(model=TINY, prompt="a canary sings", width=96, height=64, seconds=1.0, fps=15, seed=5, steps=10)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    store = JobStore(f"sqlite:///{tmp_path / 'data' / 'jobs.db'}")
    yield store
    store.close()


@pytest.fixture
def videos(tmp_path: Path, store: JobStore) -> Videos:
    return Videos(Catalogue([CARD]), store, LocalStorage(tmp_path / "data" / "artifacts"))


@pytest.fixture
def worker(tmp_path: Path, store: JobStore) -> Iterator[None]:
    process = started(tmp_path, "worker")
    yield
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)


@pytest.fixture
def finished(videos: Videos, store: JobStore, worker: None) -> Job:
    id = videos.create("local", ASKED).id
    wait_until(lambda: store.get(id).state.final, "the end of the job")
    job = store.get(id)
    assert job.state is JobState.SUCCEEDED
    return job


def test_a_job_is_followed_to_its_file(tmp_path: Path, videos: Videos, worker: None) -> None:
    id = videos.create("local", ASKED).id
    done = rushes(tmp_path, "jobs", "watch", id)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes()[4:8] == b"ftyp"
    assert "done" in done.stderr
    again = json.loads(rushes(tmp_path, "jobs", "watch", id, "--json").stdout)
    assert (again["id"], again["state"], again["file"]) == (id, "succeeded", done.stdout.strip())
    Path(again["file"]).unlink()
    gone = rushes(tmp_path, "jobs", "watch", id)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr.endswith("rushes: it was made, and its file is no longer there\n")


def test_a_job_that_comes_to_nothing_ends_the_watch_with_its_reason(tmp_path: Path, videos: Videos) -> None:
    id = videos.create("local", ASKED).id
    videos.cancel("local", id)
    done = rushes(tmp_path, "jobs", "watch", id)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("rushes: the job was cancelled\n")
    unknown = rushes(tmp_path, "jobs", "watch", "nobody")
    assert (unknown.returncode, unknown.stderr) == (2, "rushes: id: no video with this id; given nobody\n")


@pytest.mark.parametrize("columns", ["40", "80"])
def test_an_id_is_whole_however_narrow_the_terminal(
    videos: Videos, tmp_path: Path, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    id = videos.create("local", ASKED).id
    assert id in CliRunner().invoke(app, ["jobs", "--data", str(tmp_path / "data")]).stdout


@pytest.mark.parametrize("mark", ["\n", "\u2028", "\u2029", "\r\n"], ids=ascii)
def test_a_job_is_one_line_whatever_its_prompt_has_in_it(tmp_path: Path, videos: Videos, mark: str) -> None:
    videos.create("local", replace(ASKED, prompt=f"one{mark}two"))
    listed = CliRunner().invoke(app, ["jobs", "--data", str(tmp_path / "data")]).stdout
    assert len(listed.splitlines()) == 2
    assert "one two" in listed


@pytest.mark.parametrize("line", [("jobs",), ("jobs", "watch", "an-id"), ("replay", "an-id")], ids=" ".join)
def test_a_folder_without_jobs_is_said_to_be_none_and_is_not_made(tmp_path: Path, line: tuple[str, ...]) -> None:
    done = rushes(tmp_path, *line, "--data", "misspelt")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rushes: data: ")
    assert str(tmp_path / "misspelt") in done.stderr
    assert not (tmp_path / "misspelt").exists()


def test_a_database_that_is_not_there_is_named_and_not_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUSHES_DATABASE_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    done = CliRunner().invoke(app, ["jobs", "--data", str(tmp_path)])
    assert done.exit_code == 2
    assert f"RUSHES_DATABASE_URL: this cannot be used here; given {tmp_path / 'elsewhere.db'}" in done.stderr
    assert "--data" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_key_for_a_folder_that_was_not_there_is_made_with_it_and_that_is_said(tmp_path: Path) -> None:
    first, second = (rushes(tmp_path, "keys", "create", "--data", "new") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0)
    assert (first.stderr, second.stderr) == (f"this makes a new data folder: {tmp_path / 'new'}\n", "")


def test_the_folder_may_be_named_before_or_behind_the_command(tmp_path: Path, videos: Videos, store: JobStore) -> None:
    id = videos.create("local", ASKED).id
    videos.cancel("local", id)
    folder = str(tmp_path / "data")
    for line in (("jobs", "--data", folder, "watch", id), ("jobs", "watch", id, "--data", folder)):
        (elsewhere := tmp_path / "elsewhere").mkdir(exist_ok=True)
        assert "the job was cancelled" in rushes(elsewhere, *line).stderr


def test_a_job_rendered_again_is_the_same(tmp_path: Path, finished: Job) -> None:
    assert finished.artifact is not None
    done = rushes(tmp_path, "replay", finished.id, "--json", "-o", "again.mp4")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["same"], said["was"], said["is"]) == (True, finished.artifact.sha256, finished.artifact.sha256)
    assert hashlib.sha256((tmp_path / "again.mp4").read_bytes()).hexdigest() == finished.artifact.sha256


@pytest.mark.parametrize("name", ["clip.mp4", "clip.webm"])
def test_a_file_rendered_again_is_the_same_with_its_prompt_and_another_without(tmp_path: Path, name: str) -> None:
    made = rushes(tmp_path, "generate", "a canary sings", "-o", name, *SMALL, "--output-quality", "30", "--steps", "11")
    assert made.returncode == 0, made.stderr
    same = rushes(tmp_path, "replay", name, "--prompt", "a canary sings")
    assert (same.returncode, same.stdout.split()[0]) == (0, "same"), same.stderr
    other = rushes(tmp_path, "replay", name, "--prompt", "another canary altogether")
    assert (other.returncode, other.stdout.split()[0]) == (1, "different"), other.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix in (".mp4", ".webm")) == [name]


def test_what_cannot_be_rendered_again_is_refused_with_a_reason(tmp_path: Path, videos: Videos) -> None:
    waiting = videos.create("local", ASKED).id
    assert rushes(tmp_path, "generate", "a canary sings", "-o", "clip.mp4", *SMALL).returncode == 0
    (tmp_path / "notes.txt").write_text("no video")
    for what, reason in (
        ("clip.mp4", "a file does not hold its prompt: give --prompt"),
        ("notes.txt", "a file that Rushes made"),
        ("nobody", "no video with this id"),
        (waiting, "which is queued"),
        (("clip.mp4", "--prompt", "a canary sings", "-o", "again.webm"), "a name that ends in .mp4"),
    ):
        done = rushes(tmp_path, "replay", *((what,) if isinstance(what, str) else what))
        assert (done.returncode, done.stdout) == (2, ""), done.stdout
        assert reason in done.stderr
