"""What every storage promises; `STORAGES` lists the kinds there are."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from rushes.errors import Unavailable, WrongSetup
from rushes.storage.base import Storage
from rushes.storage.local import PIECE_BYTES, LocalStorage

STORAGES: dict[str, Callable[[Path], Storage]] = {"local": LocalStorage}


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return STORAGES[request.param](tmp_path / "stored")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fresh"
    path.write_bytes(os.urandom(PIECE_BYTES * 2 + 1000))
    return path


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_file_is_whole_under_its_key_and_gone_from_where_it_was(storage: Storage, file: Path) -> None:
    content = file.read_bytes()
    storage.put_file("a/clip.mp4", file)
    assert storage.size("a/clip.mp4") == len(content)
    assert b"".join(storage.open_range("a/clip.mp4")) == content
    assert storage.path("a/clip.mp4").read_bytes() == content
    assert not file.exists()


def test_bytes_are_whole_under_their_key_and_may_be_put_again(storage: Storage, tmp_path: Path) -> None:
    for content in (b"", b"some", b"some more"):
        storage.put("inputs/a", content)
        assert b"".join(storage.open_range("inputs/a")) == content
    assert everything_in(tmp_path / "stored") == ["inputs/a"]


@pytest.mark.parametrize(
    ("start", "length"), [(0, 10), (5, 0), (100, PIECE_BYTES + 7), (PIECE_BYTES * 2, None), (10**9, 5)]
)
def test_a_range_is_exactly_the_bytes_asked_for(storage: Storage, file: Path, start: int, length: int | None) -> None:
    content = file.read_bytes()
    storage.put_file("clip.mp4", file)
    pieces = list(storage.open_range("clip.mp4", start, length))
    assert b"".join(pieces) == content[start : None if length is None else start + length]
    assert all(len(piece) <= PIECE_BYTES for piece in pieces)


def test_a_missing_file_is_noticed_at_once_and_deleting_it_is_done_already(storage: Storage) -> None:
    storage.delete("none.mp4")
    for look in (storage.path, storage.size, storage.open_range):
        with pytest.raises(FileNotFoundError):
            look("none.mp4")


def test_a_deleted_file_is_gone(storage: Storage, file: Path) -> None:
    storage.put_file("clip.mp4", file)
    storage.delete("clip.mp4")
    with pytest.raises(FileNotFoundError):
        storage.path("clip.mp4")


@pytest.mark.parametrize(
    "key",
    [
        *("", "/etc/passwd", "../up.mp4", "a/../../up.mp4", "a//b", "a/", ".hidden", "a/.part", "a\\b", "C:x"),
        *("a b", "a\n", "é", "\0", "x" * 200, "a/" * 20 + "b"),
    ],
)
def test_a_key_of_another_shape_touches_nothing(storage: Storage, file: Path, tmp_path: Path, key: str) -> None:
    before = everything_in(tmp_path)

    def put(key: str) -> None:
        storage.put_file(key, file)

    for call in (storage.path, storage.size, storage.delete, storage.open_range, put):
        with pytest.raises(ValueError, match="not a storage key"):
            call(key)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("failing", ["move", "fsync", "rename"])
def test_nothing_is_seen_and_nothing_is_left_when_storing_fails(
    tmp_path: Path, file: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "stored")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    where: dict[str, tuple[object, str]] = {
        "move": (shutil, "move"),
        "fsync": (os, "fsync"),
        "rename": (Path, "replace"),
    }
    with monkeypatch.context() as patched:
        patched.setattr(*where[failing], full)
        with pytest.raises(Unavailable, match="No space left"):
            storage.put_file("clip.mp4", file)
    assert everything_in(tmp_path / "stored") == []


def test_a_disk_that_has_become_read_only_is_said_to_fail(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "stored")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(Unavailable, match="Read-only"):
        storage.put_file("clip.mp4", file)


def test_a_copy_on_a_disk_that_has_become_read_only_fails_as_storing_does(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    storage.put("a", b"some")
    with pytest.raises(FileNotFoundError):
        storage.copy("nothing", "b")
    monkeypatch.setattr(os, "utime", read_only)
    with pytest.raises(Unavailable, match="Read-only"):
        storage.copy("a", "b")


def test_a_folder_that_is_a_file_is_said_to_fail(storage: Storage) -> None:
    storage.put("clips", b"in the way")
    with pytest.raises(Unavailable):
        storage.put("clips/a.mp4", b"some")


def test_the_bytes_are_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = LocalStorage(tmp_path / "stored")
    done: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append("sync " + ("directory" if Path(f"/dev/fd/{descriptor}").is_dir() else "file"))
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        done.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    storage.put_file("clip.mp4", file)
    assert done == ["sync file", "rename", "sync directory"]


def test_stored_files_are_their_users_alone(tmp_path: Path) -> None:
    LocalStorage(tmp_path / "stored")
    assert (tmp_path / "stored").stat().st_mode & 0o077 == 0


def test_a_root_that_cannot_be_made_is_said_at_the_start(file: Path) -> None:
    with pytest.raises(WrongSetup, match="cannot be made"):
        LocalStorage(file / "stored")
