"""The rooms as they are put together from settings."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from rushes.api.auth import LOCAL_OWNER
from rushes.assemble import build_catalogue, build_door, build_host, build_store, build_worker, first_key
from rushes.contract.job import JobState
from rushes.errors import InvalidValue, WrongSetup
from rushes.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"data": tmp_path / "data"}, {})


def test_the_first_start_makes_one_key_shows_it_once_and_keeps_its_digest(settings: Settings) -> None:
    store = build_store(settings)
    key = first_key(settings, store)
    assert key is not None
    assert first_key(settings, store) is None
    assert store.keys.owner_of(hashlib.sha256(key.encode()).hexdigest()) == LOCAL_OWNER
    store.close()
    assert key.encode() not in (settings.storage.data / "jobs.db").read_bytes()


def test_no_key_is_made_where_none_is_needed(tmp_path: Path) -> None:
    settings = Settings.load({"data": tmp_path, "auth": False}, {})
    store = build_store(settings)
    assert first_key(settings, store) is None
    assert build_door(settings, store).state.door.keys is None
    store.close()


def test_a_door_is_as_the_settings_say(tmp_path: Path) -> None:
    settings = Settings.load({"data": tmp_path, "strict": True, "public_url": "https://v.example.org"}, {})
    store = build_store(settings)
    door = build_door(settings, store).state.door
    assert (door.keys.ring, door.strict, door.public_url) == (store.keys, True, "https://v.example.org")
    store.close()


@pytest.mark.parametrize(("url", "looking"), [(None, 1), ("postgresql://elsewhere/jobs", 16)])
def test_one_thread_looks_into_a_file_and_sixteen_wait_for_another_machine(
    tmp_path: Path, url: str | None, looking: int
) -> None:
    near = Settings.load({"data": tmp_path}, {})
    store = build_store(near)
    settings = near if url is None else Settings.load({"data": tmp_path, "database_url": url}, {})
    assert build_door(settings, store).state.door.looking.total_tokens == looking
    store.close()


def test_a_hosted_id_mapped_to_nothing_is_refused_at_the_start(tmp_path: Path) -> None:
    settings = Settings.load({"data": tmp_path, "serve_as": {"minimax/hailuo-02": "no/such"}}, {})
    with pytest.raises(InvalidValue, match="serve_as"):
        build_catalogue(settings)


def test_a_worker_has_the_data_directory_and_every_model_that_is_here(settings: Settings) -> None:
    worker = build_worker(settings)
    folders = sorted(path.name for path in settings.storage.data.iterdir() if path.is_dir())
    assert folders == ["artifacts", "checkpoints", "inputs", "previews", "scratch"]
    assert "rushes/mini" in worker._models
    worker._store.close()


def test_data_that_cannot_be_written_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WrongSetup, match=r"the directory .* for the job database cannot be made"):
        build_store(Settings.load({"data": tmp_path / "file" / "data"}, {}))


def test_workers_get_the_settings_of_their_host_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_STRICT", "true")
    settings = Settings.load({"data": tmp_path, "lease_s": 7, "workers": 0, "strict": False})
    store = build_store(settings)
    monkeypatch.setenv("RUSHES_DEBUG", "1")
    monkeypatch.setenv("RUSHES_API_KEY", "a client's own")
    environment = build_host(settings, store)._environment
    assert environment["RUSHES_DEBUG"] == "1"
    assert "RUSHES_API_KEY" not in environment
    theirs = {name: value for name, value in environment.items() if name.startswith("RUSHES_")}
    assert Settings.load(environ=theirs) == settings
    assert environment["PATH"]
    store.close()


def test_starting_the_door_and_asking_brings_no_tensor_or_media_library(tmp_path: Path) -> None:
    program = """
import sys
from rushes.assemble import build_door, build_store, build_videos
from rushes.contract.request import VideoRequest
from rushes.settings import Settings
settings = Settings.load({"data": sys.argv[1]})
store = build_store(settings)
build_door(settings, store)
job = build_videos(settings, store).create("ann", VideoRequest(model="rushes/mini", prompt="a fox runs"))
print(job.state, *sorted({"numpy", "onnxruntime", "av", "torch", "PIL"} & set(sys.modules)))
"""
    argv = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split() == [JobState.QUEUED]
