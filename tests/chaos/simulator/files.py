"""A storage in memory: whole or not at all, durable when it says so, and with hardware under it that can fail."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rushes.errors import StorageUnavailable
from simulator.world import Gone, World

PUT_FAULTS = ("killed before", "killed after", "stopped before", "stopped after", "refused", "lost answer", "slow")
READ_FAULTS = ("killed before", "stopped after", "refused", "slow")


class Files:
    """A `Storage`. `leaving` is told of each key before its file goes."""

    def __init__(self, world: World, name: str, leaving: Callable[[str, str], None]) -> None:
        self.name = name
        self._world = world
        self._leaving = leaving
        self._content: dict[str, bytes] = {}
        self._put_at: dict[str, float] = {}

    def put_file(self, key: str, path: Path) -> None:
        content = path.read_bytes()
        path.unlink()
        self.put(key, content)

    def put(self, key: str, content: bytes) -> None:
        fault = self._world.fault(f"put {self.name}", PUT_FAULTS)
        self._before(fault, f"put {key}")
        self._content[key], self._put_at[key] = content, self._world.now
        self._world.note(f"{self.name}: {key} is put")
        if fault == "lost answer":
            raise StorageUnavailable("the finished file could not be stored: it was, and the disk said no")
        self._after(fault)

    def open_range(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        fault = self._world.fault(f"read {self.name}", READ_FAULTS)
        if fault == "refused":
            raise OSError(errno.EIO, "Input/output error")
        self._before(fault, f"read {key}")
        if key not in self._content:
            raise FileNotFoundError(key)
        content = self._content[key]
        self._after(fault)
        return iter([content[start : None if length is None else start + length]])

    def delete(self, key: str) -> None:
        fault = self._world.fault(f"delete {self.name}", PUT_FAULTS)
        if fault == "refused":
            raise OSError(errno.EIO, "Input/output error")
        self._before(fault, f"delete {key}")
        if key in self._content:
            self._leaving(self.name, key)
            del self._content[key], self._put_at[key]
            self._world.note(f"{self.name}: {key} is gone")
        self._after(fault)

    def keys(self, older_than_s: float) -> Iterable[str]:
        self._world.turn(self._world.latency_s())
        return [key for key, at in self._put_at.items() if self._world.now - at > older_than_s]

    # --- for those who look from outside the history --------------------------------------------------

    def has(self, key: str) -> bool:
        return key in self._content

    def all_keys(self) -> frozenset[str]:
        return frozenset(self._content)

    def sha256(self, key: str) -> str:
        return hashlib.sha256(self._content[key]).hexdigest()

    def damage(self, key: str) -> str:
        """One bit the other way round, or the end cut off, or all of it gone; says which."""
        rng, content = self._world.rng, self._content[key]
        kind = rng.choice(("a bit flips", "a bit flips", "cut short", "empty", "lost"))
        if kind == "lost":
            del self._content[key], self._put_at[key]
        elif kind == "a bit flips" and content:
            at = rng.randrange(len(content))
            self._content[key] = content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        else:
            self._content[key] = content[: rng.randrange(len(content))] if kind == "cut short" and content else b""
        return kind

    def _before(self, fault: str | None, what: str) -> None:
        world = self._world
        world.turn(world.latency_s())
        if fault == "killed before":
            world.note(f"{self.name}: {what}: its process dies here")
            world.kill(world.current.process)
            raise Gone
        if fault == "stopped before":
            world.stopped()
        if fault == "slow":
            world.turn(world.rng.uniform(0.1, 3.0))
        if fault == "refused":
            world.note(f"{self.name}: {what}: refused")
            raise StorageUnavailable("the finished file could not be stored: No space left on device")

    def _after(self, fault: str | None) -> None:
        world = self._world
        if fault == "killed after":
            world.kill(world.current.process)
            raise Gone
        if fault == "stopped after":
            world.stopped()
        world.turn(world.latency_s())
