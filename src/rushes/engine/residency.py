"""Which parts of which models are loaded: kept while there is room, given up by least recent use.

Parts are known by their files' hashes, so that two models which share a text encoder share it in memory. Knows no
model and no technique: what a part is and how it is loaded comes with the asking.
"""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from rushes.engine.host import host_bytes
from rushes.models.parts import Home

log = logging.getLogger(__name__)

HOST_RESERVE_BYTES = 4 << 30
"""What stays free beside parts that wait in the host's memory: the encoder's frames, and other programs."""


class NoHostRoom(MemoryError):
    """A part has no room in the host's memory, of which `needed_bytes` would be taken and left free."""

    def __init__(self, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(f"{needed_bytes} bytes of the host's memory, of which {free_bytes} are free")
        self.needed_bytes, self.free_bytes = needed_bytes, free_bytes


@dataclass(slots=True)
class _Held:
    part: Any
    size_bytes: int  # on the device
    home: Home | None = None


class KeptParts:
    """The parts on the one device of this process.

    `memory_bytes`  what all of this may take there, activations included; None is what the device has to give.
    `hashes`        SHA-256 of files that were hashed when their model was added; others are known by path and age.
    """

    def __init__(self, memory_bytes: int | None = None, hashes: Callable[[], Mapping[Path, str]] = lambda: {}) -> None:
        self._memory_bytes = memory_bytes
        self._hashes = hashes
        self._here: OrderedDict[str, _Held] = OrderedDict()  # least recently used first
        self._waiting: OrderedDict[str, _Held] = OrderedDict()  # in the host's memory
        self._activation_bytes = 0
        self.before_load: Callable[[], None] = lambda: None
        """Called before a part comes to the device, which takes minutes from a slow disk."""
        self.alone = False
        """Whether each part has the device to itself: after memory ran out, whatever was foretold."""

    @property
    def loaded_bytes(self) -> int:
        """The bytes of all tensors of the parts on the device."""
        return sum(held.size_bytes for held in self._here.values())

    @property
    def keys(self) -> tuple[str, ...]:
        """What is on the device, least recently used first."""
        return tuple(self._here)

    def budget_bytes(self) -> int:
        """What parts and activations may take together: the setting, or what the device has beside other programs."""
        if self._memory_bytes is not None:
            return self._memory_bytes
        return device_bytes() + (0 if _on_cuda() else self.loaded_bytes)

    def key(self, files: Iterable[Path]) -> str:
        known, said = self._hashes(), sha256()
        for path in sorted(files, key=lambda path: path.name):
            real = path.resolve()
            about = real.stat()
            identity = known.get(path) or known.get(real) or f"{real} {about.st_size} {about.st_mtime_ns}"
            said.update(f"{path.name} {identity}\n".encode())
        return said.hexdigest()[:16]

    def leave(self, activation_bytes: int) -> None:
        self._activation_bytes = activation_bytes

    def part(
        self, key: str, size_bytes: int, load: Callable[[], Any], *, host_bytes: int = 0, home: Home | None = None
    ) -> Any:
        """As `parts.Residency` has it. Errors  NoHostRoom before it is loaded; whatever `load` raises."""
        held = self._here.get(key)
        if held is None:
            self._make_room(size_bytes, keep=key)
            held = self._here[key] = self._fetched(key, load, size_bytes, host_bytes, home)
        self._here.move_to_end(key)
        self._make_room(0, keep=key)
        return held.part

    def drop_all(self) -> None:
        """Give up everything, on the device and waiting; what is asked for next is loaded anew."""
        self._here.clear()
        self._waiting.clear()
        collect()

    def bring_home(self) -> None:
        """Free the device of what parts by turns brought there in a pass that was broken off."""
        for held in (*self._here.values(), *self._waiting.values()):
            if held.home is not None:
                held.home(held.part)

    def _fetched(self, key: str, load: Callable[[], Any], size_bytes: int, host_bytes: int, home: Home | None) -> _Held:
        self.before_load()
        waiting = self._waiting.pop(key, None)
        if waiting is not None:
            if waiting.home is None:
                waiting.part.to("cuda")
            return waiting
        if host_bytes:
            self._make_host_room(host_bytes)
        part = load()
        # The tensors of one by turns are the host's, and say nothing of the device.
        return _Held(part, tensor_bytes(part)) if home is None else _Held(part, size_bytes, home)

    def _make_host_room(self, size_bytes: int) -> None:
        """Give up what the host's memory holds until so much more fits: what waits, then other visits."""
        needed_bytes = size_bytes + HOST_RESERVE_BYTES
        while host_bytes() < needed_bytes:
            visiting = next((key for key, held in self._here.items() if held.home is not None), None)
            if self._waiting:
                self._waiting.popitem(last=False)
            elif visiting is not None:
                del self._here[visiting]
            else:
                break
            collect()
        free_bytes = host_bytes()
        if free_bytes < needed_bytes:
            raise NoHostRoom(needed_bytes, free_bytes)

    def _make_room(self, size_bytes: int, *, keep: str) -> None:
        """Give up what was used longest ago until `size_bytes` more fit, beside the activations."""
        most = 0 if self.alone else self.budget_bytes() - self._activation_bytes - size_bytes
        gave = False
        while self.loaded_bytes > most and (key := next((key for key in self._here if key != keep), None)):
            held = self._here.pop(key)
            log.info("%.1f GB give way to what a clip needs now", held.size_bytes / 1e9)
            if held.home is not None:
                self._waiting[key] = held
            elif _on_cuda() and host_bytes() > held.size_bytes + HOST_RESERVE_BYTES:
                held.part.to("cpu")
                self._waiting[key] = held
            del held
            gave = True
            # With no setting, the budget is asked of the machine, and gave-up memory is part of what is free.
            collect()
        if gave:
            self._trim_waiting()

    def _trim_waiting(self) -> None:
        while self._waiting and host_bytes() < HOST_RESERVE_BYTES:
            self._waiting.popitem(last=False)
            collect()


def tensor_bytes(part: Any) -> int:
    """The bytes of all tensors of a network, each stretch of memory counted once."""
    if not hasattr(part, "parameters"):
        return 0
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in _tensors(part)}
    return sum(storages.values())


def _tensors(part: Any) -> Iterable[Any]:
    yield from part.parameters()
    yield from part.buffers()


def device_bytes() -> int:
    """What the device has to give to this process: free, or kept by torch for it."""
    if not _on_cuda():
        return host_bytes()
    import torch

    free_bytes, _ = torch.cuda.mem_get_info()
    return int(free_bytes + torch.cuda.memory_reserved())


def collect() -> None:
    """Give memory that nothing points to back to the device, and to the host what was pinned for it."""
    gc.collect()
    if _on_cuda():
        import torch

        torch.cuda.empty_cache()
        torch.accelerator.empty_host_cache()


def _on_cuda() -> bool:
    import sys

    torch = sys.modules.get("torch")  # a process without it has no part to keep
    return torch is not None and bool(torch.cuda.is_available())
