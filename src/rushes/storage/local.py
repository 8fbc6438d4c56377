"""Storage in a directory of this machine."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from rushes.errors import StorageUnavailable, WrongSetup
from rushes.failpoints import failpoint

PIECE_BYTES = 256 * 1024
LONGEST_PUT_S = 3600.0  # a rename and two fsyncs, or a copy from another disk: seconds

# No segment may begin with a dot: that leaves out "..", ".", hidden files and our own temporary ones.
_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){0,7}")


class LocalStorage:
    """A `Storage` under `root`, which is made where missing and readable by its user alone."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise WrongSetup(f"the directory {root} for finished files cannot be made: {error.strerror}") from error

    def put_file(self, key: str, path: Path) -> None:
        """See `Storage.put_file`. The file at `path` is gone afterwards.

        Raises `StorageUnavailable` when the disk is full, for one.
        """
        self._put(key, lambda beside: shutil.move(path, beside))

    def put(self, key: str, content: bytes) -> None:
        """See `Storage.put`. Raises as `put_file` does."""
        self._put(key, lambda beside: beside.write_bytes(content))

    def _put(self, key: str, fill: Callable[[Path], object]) -> None:
        target = self._at(key)
        # A rename is atomic only inside one file system, and scratch may be on another: so first move next to the
        # target, make the bytes durable, then rename, then make the new name durable.
        beside = target.parent / f".{secrets.token_hex(8)}.part"
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fill(beside)
            _sync(beside)
            failpoint("put half")
            beside.replace(target)
            for directory in (target.parent, *target.parent.parents):
                _sync_directory(directory)
                if directory == self._root:
                    break
        except OSError as error:
            with suppress(OSError):  # a disk that failed may have become read-only; `sweep` takes what stays
                beside.unlink()
            raise StorageUnavailable(f"the finished file could not be stored: {error.strerror}") from error

    def sweep(self) -> None:
        """Remove what a killed process left half-put. Only where it is old: another may be at it right now."""
        for left in self._root.rglob(".*.part"):
            with suppress(OSError):  # gone meanwhile, or not ours to remove: the next one may be
                if time.time() - left.stat().st_mtime > LONGEST_PUT_S:
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """See `Storage.open_range`. The file is opened here and now, so a missing one is noticed at once."""
        file = self._at(key).open("rb")

        def pieces() -> Iterator[bytes]:
            with file:
                file.seek(start)
                left = length
                while left is None or left > 0:
                    piece = file.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                    if not piece:
                        return
                    left = None if left is None else left - len(piece)
                    yield piece

        return pieces()

    def size(self, key: str) -> int:
        return self._at(key).stat().st_size

    def copy(self, key: str, to: str) -> None:
        """See `Storage.copy`. Both names share their bytes on disk until one is deleted, where the disk can do that."""
        source, target = self._at(key), self._at(to)
        try:
            os.utime(source)  # what looks old and belongs to no row is swept; the row is still to be written
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(OSError):
                os.link(source, target)
                _sync_directory(target.parent)
                return
            with TemporaryDirectory(dir=target.parent, prefix=".", suffix=".part") as folder:
                self.put_file(to, Path(shutil.copyfile(source, Path(folder) / "copy")))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StorageUnavailable(f"the finished file could not be stored: {error.strerror}") from error

    def keys(self, older_than_s: float) -> Iterator[str]:
        """Keys of all files last written longer ago than that; what is half-put and that old is removed on the way."""
        self.sweep()
        for folder, folders, names in os.walk(self._root):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                file = Path(folder, name)
                key = file.relative_to(self._root).as_posix()
                with suppress(FileNotFoundError):
                    # What cannot be a key is not ours, whoever laid it there.
                    if _KEY.fullmatch(key) is not None and time.time() - file.stat().st_mtime > older_than_s:
                        yield key

    def delete(self, key: str) -> None:
        self._at(key).unlink(missing_ok=True)

    def path(self, key: str) -> Path:
        target = self._at(key)
        if not target.is_file():
            raise FileNotFoundError(key)
        return target

    def _at(self, key: str) -> Path:
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"not a storage key: {key!r}")
        return self._root / key


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    if os.name == "nt":  # a directory cannot be opened there, and NTFS keeps the rename in its own journal
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
