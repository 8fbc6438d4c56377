"""The protocol of every storage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


def preview_key(job: str) -> str:
    """Where the newest look at the unfinished clip of a job lies; each takes the place of the one before."""
    return f"{job}.webp"


class Puts(Protocol):
    """A storage, as far as something is put there."""

    def put(self, key: str, content: bytes) -> None:
        """Put `content` under `key`: seen whole or not at all, durable when this returns."""


class Storage(Puts, Protocol):
    """Files by key. A key is slash-separated segments of letters, digits, `.`, `_` and `-`, such as `clips/a3f0.mp4`.

    Every method raises `ValueError` for a key of another shape, and `FileNotFoundError` where the key names nothing
    (but `delete`, which is then already done).
    """

    def put_file(self, key: str, path: Path) -> None:
        """Move the local file at `path` under `key`: seen whole or not at all, durable when this returns."""

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` on, `length` of them or all, in pieces of bounded size."""
        ...

    def size(self, key: str) -> int:
        """Size in bytes."""
        ...

    def copy(self, key: str, to: str) -> None:
        """Put the same bytes under `to`, a file of its own: each is deleted without the other."""

    def delete(self, key: str) -> None:
        """Remove the file, if it is there."""

    def path(self, key: str) -> Path:
        """Where the file lies on this machine."""
        ...
