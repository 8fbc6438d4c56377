"""Foreign files in, plain arrays out; what is in between happens in a process that is thrown away.

A decoder is the largest and least trusted thing that a request's bytes ever meet. So no library opens them here: a warm
process (`zygote`) forks a child for each file, which gives up everything it could do harm with (`walls`), decodes, and
ends. Its result comes back through memory, and is checked for shape and size before anyone looks at it.
"""

from __future__ import annotations

import atexit
import json
import logging
import math
import mmap
import os
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.errors import Incomplete, MediaTooComplex, MediaTooLarge, Unavailable
from rushes.media.limits import AT_ONCE, AudioLimits, Cost, ImageLimits, Limits, VideoLimits
from rushes.media.refusal import MAX_NUMBERS, error
from rushes.media.sniff import IMAGES, SOUNDS, VIDEOS, Kind, sniff

log = logging.getLogger(__name__)

START_S = 30.0  # the libraries load in half a second; a machine under load takes its time
OVERDUE_S = 3.0  # what the zygote may take beyond a child's own time before it counts as stuck
MAX_ANSWER_BYTES = 16_384
GREATEST_SHOWN = 2**40  # of what a child found; a larger number is none that a file can state

PASSED_ON = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TMPDIR")
"""Of the environment; the rest may hold keys, and a decoder has no use for it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, upright: `rgb_HWC` is uint8 (height, width, 3), sRGB."""

    rgb_HWC: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sound:
    """`samples` are float32 (n, 2), all finite and from -1 to 1, at `rate_hz`."""

    samples: NDArray[np.float32]
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames uint8 (T, height, width, 3), upright, square pixels; `times_s` (T,) are from 0 and strictly rising.

    How long the last frame is shown is not known: by any honest count as long as the one before.
    """

    frames_THWC: NDArray[np.uint8]
    times_s: NDArray[np.float64]
    audio: Sound | None = None


@dataclass(frozen=True, slots=True)
class Walls:
    """What stands between a decoder and this machine: raised or not, by name, and what could be done all the same."""

    standing: Mapping[str, bool]
    holes: tuple[str, ...]


def decode_image(data: bytes, limits: ImageLimits | None = None) -> Picture:
    """The first frame of a PNG, JPEG, WebP, GIF or AVIF file. From any thread.

    Errors  MediaRefused, without `field`; Unavailable where no decoder can be started.
    """
    settled = limits or ImageLimits()
    kind = _kind(data, IMAGES, settled)
    answer = _decoder.ask("image", data, kind, settled, result_bytes=settled.max_pixels * 3 + mmap.PAGESIZE)
    return Picture(answer.array(0, "|u1", (None, None, 3)))


def decode_video(data: bytes, limits: VideoLimits | None = None) -> Clip:
    """Every frame of an MP4, MOV, Matroska or WebM file. From any thread. Errors as `decode_image`."""
    settled = limits or VideoLimits()
    kind = _kind(data, VIDEOS, settled)
    answer = _decoder.ask("video", data, kind, settled, result_bytes=settled.max_result_bytes)
    times_s = answer.array(1, "<f8", (None,)).copy()
    frames = answer.array(0, "|u1", (len(times_s), None, None, 3))
    if not (np.isfinite(times_s).all() and (np.diff(times_s) > 0).all()):
        raise error("undecodable", (), settled)
    return Clip(frames, times_s, answer.sound(2) if len(answer.arrays) > 2 else None)


def decode_audio(data: bytes, limits: AudioLimits | None = None) -> Sound:
    """All of a WAV or MP3 file. From any thread. Errors as `decode_image`."""
    settled = limits or AudioLimits()
    kind = _kind(data, SOUNDS, settled)
    most = (settled.max_seconds + 1) * settled.max_rate_hz
    answer = _decoder.ask("audio", data, kind, settled, result_bytes=math.ceil(most) * 8 + mmap.PAGESIZE)
    return answer.sound(0)


def walls() -> Walls:
    """Raise the walls once, in a child, and try them from inside. Raises Unavailable where there can be no child."""
    told = _decoder.told({"what": "walls"}, b"\0", mmap.PAGESIZE, Cost())[0]
    if told.get("unsafe"):
        return Walls({}, ("do anything",))
    return Walls(dict(told["walls"]), tuple(told["holes"]))


def close() -> None:
    """End the warm process, if there is one; the next file starts another."""
    _decoder.close()


def _kind(data: bytes, allowed: tuple[Kind, ...], limits: Limits) -> Kind:
    if len(data) > limits.max_bytes:
        raise MediaTooLarge(given=f"{len(data)} bytes", allowed=f"up to {limits.max_bytes} bytes")
    return sniff(data, allowed)


class _Answer:
    """A child's result. The child is dead, and was not trusted while it lived: everything it says is checked."""

    def __init__(self, told: Mapping[str, Any], memory: mmap.mmap, limits: Limits) -> None:
        self.arrays: Sequence[Any] = told["arrays"]
        self._rate_hz = told.get("rate_hz")
        self._memory = memory
        self._limits = limits

    def array(self, index: int, dtype: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """Array `index`, still in the shared memory, which lives as long as the array does."""
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            said, sizes, offset = self.arrays[index]
            fits = len(sizes) == len(shape) and all(
                isinstance(size, int) and size > 0 and wanted in (None, size)
                for size, wanted in zip(sizes, shape, strict=True)
            )
            if said == dtype and fits and isinstance(offset, int) and offset >= 0:
                return np.frombuffer(self._memory, dtype, math.prod(sizes), offset).reshape(sizes)
        raise error("undecodable", (), self._limits)

    def sound(self, index: int) -> Sound:
        samples = self.array(index, "<f4", (None, 2)).copy()
        if not isinstance(self._rate_hz, int) or self._rate_hz <= 0 or not np.isfinite(samples).all():
            raise error("undecodable", (), self._limits)
        return Sound(samples, self._rate_hz)


class _Decoder:
    """The warm process, started with the first file and kept; and the line in front of it."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(AT_ONCE)
        self._guard = threading.Lock()
        self._zygote: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def ask(self, what: str, data: bytes, kind: Kind, limits: Limits, result_bytes: int) -> _Answer:
        order = {"what": what, "kind": kind.value, "limits": asdict(limits)}
        told, memory = self.told(order, data, result_bytes, Cost())
        if told.get("unsafe"):
            raise Incomplete("this system offers too little to open foreign files safely")
        if "arrays" in told:
            return _Answer(told, memory, limits)
        given = told.get("numbers")
        numbers = [value for value in given if _sensible(value)][:MAX_NUMBERS] if isinstance(given, list) else []
        code = str(told.get("refused"))
        log.info("%s refused: %s %s", kind.shown, code, str(told.get("raised", ""))[:60])
        raise error(code, numbers, limits)

    def told(
        self, order: Mapping[str, Any], data: bytes, result_bytes: int, cost: Cost
    ) -> tuple[dict[str, Any], mmap.mmap]:
        """What a child says to `order`, and the memory that its result lies in."""
        with self._places, _memory(len(data)) as file, _memory(result_bytes) as result:
            _fill(file, data)
            receiving, sending = os.pipe()
            try:
                try:
                    zygote = self._send(json.dumps(dict(order) | asdict(cost)).encode(), (file, result, sending))
                finally:
                    os.close(sending)
                text = _read(receiving, time.monotonic() + cost.wall_s + OVERDUE_S)
            finally:
                os.close(receiving)
            if text is None:
                self._end(zygote)
                raise MediaTooComplex
            return _understood(text), mmap.mmap(result, result_bytes)

    def _send(self, order: bytes, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
        """Have a child forked for `order`; a warm process that was found dead is replaced, once."""
        for attempt in range(2):
            with self._guard:
                try:
                    zygote, control = self._started()
                    socket.send_fds(control, [order], list(descriptors))
                    forked = control.recv(1)
                except OSError as failed:
                    log.warning("the decode process did not answer: %s", failed)
                    forked = b""
                if forked == b"f":
                    return zygote
                if not forked or attempt:
                    self._close()
        raise Unavailable("no process to open media in could be started")

    def _started(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        if self._zygote is not None and self._control is not None and self._zygote.poll() is None:
            return self._zygote, self._control
        self._close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._zygote = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "rushes.media.zygote", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._control = ours
        ours.settimeout(START_S)
        if ours.recv(1) != b"r":
            raise OSError("it ended while it started")
        return self._zygote, ours

    def _end(self, zygote: subprocess.Popen[bytes]) -> None:
        with self._guard:
            if self._zygote is zygote:
                self._close()

    def close(self) -> None:
        with self._guard:
            self._close()

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._zygote is not None:
            try:
                self._zygote.wait(2)  # it ends by itself when the socket does, and its children with it
            except subprocess.TimeoutExpired:
                self._zygote.kill()
                self._zygote.wait()
        self._zygote = self._control = None


def _sensible(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= GREATEST_SHOWN  # no NaN gets through this


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # NumPy would otherwise start a thread for each core, and a process with threads cannot be forked.
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1"}


@contextmanager
def _memory(size: int) -> Iterator[int]:
    """A descriptor of `size` bytes of memory without a name; pages that nobody touches cost nothing."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:  # unlinked at once
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size)
        if sys.platform == "linux":
            import fcntl

            # A child that cut it short would kill this process at its next look.
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        yield descriptor
    finally:
        os.close(descriptor)


def _fill(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _read(descriptor: int, deadline: float) -> bytes | None:
    """Everything written until the other ends are closed; None when that takes too long."""
    text = b""
    while (left_s := deadline - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left_s)[0]:
            break
        block = os.read(descriptor, MAX_ANSWER_BYTES)
        if not block:
            return text
        text = (text + block)[-MAX_ANSWER_BYTES:]
    return None


def _understood(text: bytes) -> dict[str, Any]:
    """The child's words, where they are whole, and otherwise what its end says. The last line is the zygote's.

    Errors  Unavailable where that line is missing: the zygote was killed, which says nothing of the file.
    """
    said, _, ended = text.rpartition(b"\n")
    try:
        end = json.loads(ended)
        code, out_of_time = end["code"], end["out_of_time"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Unavailable("the process that opens media was ended from outside") from None
    if code != 0:
        return {"refused": "complex" if out_of_time else "undecodable", "raised": f"exit {code}"}
    with suppress(ValueError, TypeError, RecursionError):
        told = json.loads(said)
        if isinstance(told, dict):
            return told
    return {"refused": "undecodable", "raised": "no answer"}


_decoder = _Decoder()
atexit.register(close)
