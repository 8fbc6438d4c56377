"""The mark below which no video is taken, and the file that is given up on a full disk."""

from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import StorageUnavailable
from rushes.storage.ballast import Ballast

MB = 2**20
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let every disk seem to have so many bytes free."""
    return lambda left: monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(10**12, 10**12 - left, left))


def test_below_the_mark_nothing_is_taken_and_the_answer_says_how_much_is_missing(
    tmp_path: Path, free: Callable[[int], None]
) -> None:
    ballast = Ballast(tmp_path, low_water_bytes=100 * MB)
    free(100 * MB)
    ballast.require_room()
    free(99 * MB)
    with pytest.raises(StorageUnavailable, match="99 MB are free, and new videos are taken from 100 MB on") as refused:
        ballast.require_room()
    assert (refused.value.status, refused.value.retry_after_s) == (503, 60)


def test_a_mark_of_nothing_takes_everything(tmp_path: Path, free: Callable[[int], None]) -> None:
    free(0)
    Ballast(tmp_path, low_water_bytes=0).require_room()


def test_the_folder_of_files_counts_like_that_of_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("database", "files"):
        (tmp_path / name).mkdir()
    left = {tmp_path / "database": 900 * MB, tmp_path / "files": 5 * MB}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(1, 1, left[folder]))
    Ballast(tmp_path / "database", low_water_bytes=100 * MB).require_room()
    with pytest.raises(StorageUnavailable, match="5 MB are free"):
        Ballast(tmp_path / "database", tmp_path / "files" / "not-yet-made", low_water_bytes=100 * MB).require_room()


def test_the_ballast_is_bytes_on_the_disk_and_is_made_once(tmp_path: Path) -> None:
    ballast = Ballast(tmp_path, low_water_bytes=0, size_bytes=2 * MB)
    ballast.restore()
    made = (tmp_path / "ballast").stat()
    assert made.st_size == 2 * MB
    assert made.st_blocks * 512 >= 2 * MB
    ballast.restore()
    assert (tmp_path / "ballast").stat().st_mtime_ns == made.st_mtime_ns
    assert [file.name for file in tmp_path.iterdir()] == ["ballast"]


def test_what_a_killed_process_left_of_a_ballast_is_cleared_away(tmp_path: Path) -> None:
    for name in (".ballast-1.part", ".ballast-2.part"):
        (tmp_path / name).write_bytes(b"half")
    os.utime(tmp_path / ".ballast-1.part", (time.time() - 3600,) * 2)
    Ballast(tmp_path, low_water_bytes=0, size_bytes=2 * MB).restore()
    assert sorted(file.name for file in tmp_path.iterdir()) == [".ballast-2.part", "ballast"]


def test_no_ballast_is_made_where_it_would_take_room_from_the_work(tmp_path: Path, free: Callable[[int], None]) -> None:
    free(103 * MB)
    ballast = Ballast(tmp_path, low_water_bytes=100 * MB, size_bytes=2 * MB)
    ballast.restore()
    assert list(tmp_path.iterdir()) == []
    free(104 * MB)
    ballast.restore()
    assert (tmp_path / "ballast").exists()


def test_it_is_given_up_once_and_only_where_the_disk_is_full(tmp_path: Path, free: Callable[[int], None]) -> None:
    ballast = Ballast(tmp_path, low_water_bytes=0, size_bytes=2 * MB)
    ballast.restore()
    assert not ballast.release_reserve()  # there is room: what failed, failed for another reason
    free(1 * MB)
    assert ballast.release_reserve()
    assert not (tmp_path / "ballast").exists()
    assert not ballast.release_reserve()
