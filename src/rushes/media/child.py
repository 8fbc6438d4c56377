"""What runs in a decode child, from its first breath to its last: walls, one file, one short answer.

A child is forked for one file and ends with it. It reads the file from memory, leaves the result in memory that was
made beforehand, and has one descriptor, the pipe of its answer.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rushes.media import walls
from rushes.media.limits import AudioLimits, ImageLimits, Limits, VideoLimits
from rushes.media.refusal import Refusal
from rushes.media.sniff import IMAGES, SOUNDS, VIDEOS, Kind

LIMITS: dict[str, type[Limits]] = {"image": ImageLimits, "video": VideoLimits, "audio": AudioLimits}

ALIGNMENT = 64
ANSWER = 0  # the number that the answer's descriptor gets
HIGHEST_DESCRIPTOR = 4096  # far more than a process with one socket ever had open


class Region:
    """The shared memory that results are laid into, one array behind the other."""

    def __init__(self, memory: Any) -> None:
        self._bytes = np.frombuffer(memory, dtype=np.uint8)
        self._end = 0
        self.arrays: list[tuple[str, tuple[int, ...], int]] = []

    def put(self, array: NDArray[Any]) -> None:
        self.reserve(array.dtype.str, array.shape)[...] = array

    def reserve(self, dtype: str, shape: tuple[int, ...], alignment: int = ALIGNMENT) -> NDArray[Any]:
        """Room for one more array, not filled. Raises Refusal where the memory is used up."""
        begin = -(-self._end // alignment) * alignment
        kind = np.dtype(dtype)
        end = begin + kind.itemsize * int(np.prod(shape, dtype=np.int64))
        if end > len(self._bytes):
            raise Refusal("complex")
        self._end = end
        self.arrays.append((kind.str, shape, begin))
        room: NDArray[Any] = self._bytes[begin:end].view(kind).reshape(shape)
        return room

    def extend(self, height: int, width: int) -> NDArray[np.uint8]:
        """Room for one more frame of the film that the region begins with; frames lie side by side."""
        frame: NDArray[np.uint8] = self.reserve("|u1", (1, height, width, 3), alignment=1)
        (_, shape, begin), *others = self.arrays
        if others:
            self.arrays = [("|u1", (shape[0] + 1, height, width, 3), begin)]
        one: NDArray[np.uint8] = frame[0]
        return one


def run(order: Mapping[str, Any], file: int, result: int, answer: int) -> NoReturn:
    """Do what `order` says with the file behind descriptor `file`; never returns."""
    code = 1
    with contextlib.suppress(BaseException):  # the process's own edge: whatever happens, it must not go on living
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        data = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        memory = mmap.mmap(result, 0)
        os.dup2(answer, ANSWER)
        os.closerange(ANSWER + 1, HIGHEST_DESCRIPTOR)
        room = len(data) + len(memory) + int(order["memory_bytes"])
        try:
            standing = walls.raise_all(room, int(order["processor_s"]))
            walls.die_with(int(order["parent"]))
        except walls.NoWall:
            told: dict[str, Any] = {"unsafe": True}
        else:
            told = opened(order, data, memory) if order["what"] in LIMITS else tried(standing, room)
        os.write(ANSWER, json.dumps(told).encode())
        code = 0
    os._exit(code)


def opened(order: Mapping[str, Any], data: Any, memory: Any) -> dict[str, Any]:
    """The answer for one file: where the arrays lie, or why there are none."""
    region = Region(memory)
    try:
        more = decode(data, Kind(order["kind"]), LIMITS[order["what"]](**order["limits"]), region)
    except Refusal as refusal:
        return {"refused": refusal.code, "numbers": refusal.numbers}
    except MemoryError:
        return {"refused": "complex", "numbers": ()}
    except Exception as error:  # a library may raise anything over foreign bytes; its words stay here
        return {"refused": "undecodable", "numbers": (), "raised": type(error).__name__}
    return {"arrays": region.arrays, **more}


def decode(data: Any, kind: Kind, limits: Limits, region: Region) -> dict[str, Any]:
    """Lay pixels, times and samples into `region`; what else is to be told."""
    # Imported when the zygote warms up, not where only a door wants to know this module's names.
    if isinstance(limits, ImageLimits) and kind in IMAGES:
        from rushes.media.picture import read_picture

        stored, orientation = read_picture(bytes(data), kind, limits)
        region.put(orientation.apply(stored))
        return {}
    if isinstance(limits, VideoLimits) and kind in VIDEOS:
        from rushes.media.clip import read_clip

        times_s, sound = read_clip(data, kind, limits, region.extend)
        region.put(np.array(times_s))
        if sound is None:
            return {}
        region.put(sound[0])
        return {"rate_hz": sound[1]}
    if isinstance(limits, AudioLimits) and kind in SOUNDS:
        from rushes.media.sound import read_sound

        samples, rate_hz = read_sound(data, kind, limits)
        region.put(samples)
        return {"rate_hz": rate_hz}
    raise Refusal("codec")


def tried(standing: Mapping[str, bool], memory_bytes: int) -> dict[str, Any]:
    """Which walls were raised, and, tried from inside, what can be done all the same; nothing, where they hold."""

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    attempts: dict[str, Callable[[], None]] = {
        "read a file": lambda: os.close(os.open("/", os.O_RDONLY)),
        "connect": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "start a process": fork,
        "take all memory": lambda: mmap.mmap(-1, memory_bytes + (1 << 30)).close(),
    }
    holes = []
    for name, attempt in attempts.items():
        with contextlib.suppress(OSError, MemoryError, ValueError):
            attempt()
            holes.append(name)
    return {"walls": standing, "holes": holes}
