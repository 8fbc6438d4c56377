"""What is left lying is cleared away, on a real database and real folders."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from job_cases import MODEL, asked, eventually, made

from rushes.contract.job import Checkpoint
from rushes.errors import JobNotFound, Unavailable
from rushes.jobs.prune import Pruner
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage


class Rooms:
    """The three storages, and what lies in them."""

    def __init__(self, folder: Path) -> None:
        self.artifacts, self.checkpoints, self.inputs = (LocalStorage(folder / name) for name in ("a", "c", "i"))
        self._folder = folder

    def put(self, storage: LocalStorage, key: str, age_s: float = 7200.0) -> None:
        file = self._folder / "new"
        file.write_bytes(b"bytes")
        storage.put_file(key, file)
        os.utime(storage.path(key), (time.time() - age_s,) * 2)

    def left(self) -> list[str]:
        return sorted(key for room in (self.artifacts, self.checkpoints, self.inputs) for key in room.keys(-60))

    def pruner(self, store: JobStore, **given: object) -> Pruner:
        rooms = {"artifacts": self.artifacts, "checkpoints": self.checkpoints, "others": (self.inputs,)}
        return Pruner(store, **{**rooms, **given})  # type: ignore[arg-type]


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path / "rooms")


def finished(store: JobStore, rooms: Rooms, key: str) -> str:
    job = store.add("ann", asked())
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    rooms.put(rooms.artifacts, key)
    store.finish(claim, made(key))
    return job.id


def test_expired_videos_go_with_their_files_and_the_others_stay(
    store: JobStore, rooms: Rooms, say: Callable[..., None]
) -> None:
    old, fresh = finished(store, rooms, "v/old.mp4"), finished(store, rooms, "v/fresh.mp4")
    say("UPDATE jobs SET finished_at = finished_at - 1000 WHERE id = :id", id=old)
    assert rooms.pruner(store, keep_s=500).expire() == 1
    assert rooms.left() == ["v/fresh.mp4"]
    with pytest.raises(JobNotFound):
        store.get(old)
    assert store.get(fresh).artifact == made("v/fresh.mp4")


def test_without_a_time_videos_are_kept_for_good(store: JobStore, rooms: Rooms, say: Callable[..., None]) -> None:
    finished(store, rooms, "v.mp4")
    say("UPDATE jobs SET finished_at = 1")
    pruner = rooms.pruner(store)
    assert (pruner.expire(), pruner.sweep()) == (0, 0)
    assert rooms.left() == ["v.mp4"]


def test_files_that_no_row_names_are_swept_when_they_are_old_enough(store: JobStore, rooms: Rooms) -> None:
    finished(store, rooms, "named.mp4")
    store.add("ann", asked(), inputs=["input"])
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    store.checkpoint(claim, Checkpoint("saved/2", 2, "f", "0"))
    for storage, key in (
        (rooms.artifacts, "orphan.mp4"),
        (rooms.checkpoints, "saved/1"),
        (rooms.checkpoints, "saved/2"),
        (rooms.inputs, "input"),
        (rooms.inputs, "unused"),
    ):
        rooms.put(storage, key)
    rooms.put(rooms.artifacts, "just-put.mp4", age_s=60)
    assert rooms.pruner(store, grace_s=3600).sweep() == 3
    assert rooms.left() == ["input", "just-put.mp4", "named.mp4", "saved/2"]


def test_a_file_that_cannot_be_removed_or_is_not_ours_does_not_keep_those_behind_it(
    store: JobStore, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("v/a.mp4", "v/b.mp4"):
        rooms.put(rooms.artifacts, key)
    rooms.put(rooms.inputs, "i/last.png")
    stranger = rooms.artifacts.path("v/a.mp4").with_name("a copy (1).mp4")
    stranger.write_bytes(b"somebody's own")
    os.utime(stranger, (time.time() - 7200,) * 2)
    delete = rooms.artifacts.delete

    def refused(key: str) -> None:
        if key == "v/a.mp4":
            raise PermissionError(errno.EACCES, "Permission denied")
        delete(key)

    monkeypatch.setattr(rooms.artifacts, "delete", refused)
    assert rooms.pruner(store).sweep() == 2
    assert rooms.left() == ["v/a.mp4"]
    assert stranger.exists()


def test_a_file_named_between_the_two_looks_is_kept(store: JobStore, rooms: Rooms) -> None:
    job = store.add("ann", asked())
    claim = store.claim("w1", [MODEL])
    assert claim is not None
    rooms.put(rooms.artifacts, "late.mp4")

    class Slow(LocalStorage):
        def keys(self, older_than_s: float) -> list[str]:
            found = list(super().keys(older_than_s))
            if store.get(job.id).artifact is None:
                store.finish(claim, made("late.mp4"))
            return found

    rooms.artifacts = Slow(rooms.artifacts.path("late.mp4").parent)
    assert rooms.pruner(store).sweep() == 0
    assert rooms.left() == ["late.mp4"]


def test_what_was_half_put_goes_on_the_way(store: JobStore, rooms: Rooms) -> None:
    half = rooms.artifacts._root / ".abc.part"
    half.write_bytes(b"half")
    os.utime(half, (1, 1))
    assert rooms.pruner(store).sweep() == 0
    assert not half.exists()


def test_it_goes_on_ticking_when_the_database_is_away(
    store: JobStore, rooms: Rooms, say: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    finished(store, rooms, "v.mp4")
    say("UPDATE jobs SET finished_at = 1")
    troubles = [Unavailable("the job database is busy"), RuntimeError("a mistake of ours")]

    def trouble() -> None:
        if troubles:
            raise troubles.pop(0)

    pruner = rooms.pruner(store, keep_s=60, tick_s=0.05, besides=trouble)
    with caplog.at_level(logging.WARNING):
        pruner.start()
        eventually(lambda: not rooms.left(), within_s=60)
        pruner.stop()
    assert troubles == []
    assert "the job database is busy" in caplog.text
    assert "a mistake of ours" in caplog.text
