"""The warm process behind `decode`: it has the libraries loaded, sees no file itself, and forks a child for each.

Single-threaded, always: a fork copies one thread only, and a lock that another one held would stay shut in the child.
Started as `python -P -m rushes.media.zygote DESCRIPTOR`; ends when the other end of that socket is closed, so with its
worker, and takes its children along.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from rushes.media import child
from rushes.media.limits import AudioLimits, ImageLimits, VideoLimits
from rushes.media.sniff import IMAGES, Kind

ORDER_BYTES = 65_536
READY, FORKED, NOT_FORKED = b"r", b"f", b"n"


@dataclass(slots=True)
class Running:
    """A child: where its end is to be told, and when it has had its time."""

    answer: int
    deadline: float
    late: bool = False


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    warm_up()
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every page in every child
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C in a terminal, and a service manager that tells every process of a service to end, are the worker's to
    # answer. We end with it; before that, a file that is open must not look damaged.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    running: dict[int, Running] = {}
    try:
        control.sendall(READY)
        while True:
            soonest = min((one.deadline for one in running.values() if not one.late), default=None)
            patience_s = None if soonest is None else max(0.0, soonest - time.monotonic())
            ready, _, _ = select.select([control.fileno(), woken], [], [], patience_s)
            if woken in ready:
                os.read(woken, 4096)
            bury(running)
            stop_late(running)
            if control.fileno() in ready and not take(control, running):
                return
    except (BrokenPipeError, ConnectionResetError):
        return  # the worker is gone
    finally:
        for pid in running:
            os.kill(pid, signal.SIGKILL)


def take(control: socket.socket, running: dict[int, Running]) -> bool:
    """One order: fork a child for it and say so; False when nobody is there any more."""
    order, descriptors, _, _ = socket.recv_fds(control, ORDER_BYTES, 3)
    if not order:
        return False
    file, result, answer = descriptors
    settled = json.loads(order) | {"parent": os.getpid()}
    insist_on_one_thread()
    try:
        pid = os.fork()
    except OSError:
        os.close(answer)
        control.sendall(NOT_FORKED)
    else:
        if pid == 0:
            signal.set_wakeup_fd(-1)
            child.run(settled, file, result, answer)
        running[pid] = Running(answer, time.monotonic() + float(settled["wall_s"]))
        control.sendall(FORKED)
    os.close(file)
    os.close(result)
    return True


def insist_on_one_thread() -> None:
    status = Path("/proc/self/status")
    if status.exists() and "\nThreads:\t1\n" not in status.read_text("ascii", "replace"):
        raise SystemExit("the zygote has more than one thread")


def bury(running: dict[int, Running]) -> None:
    """Tell the end of every child that has ended, behind its own answer."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        one = running.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        out_of_time = one.late or code in (-signal.SIGXCPU, -signal.SIGKILL)
        try:
            os.write(one.answer, b"\n" + json.dumps({"code": code, "out_of_time": out_of_time}).encode())
        except BrokenPipeError:
            pass  # the worker no longer waits for it
        finally:
            os.close(one.answer)


def stop_late(running: dict[int, Running]) -> None:
    now = time.monotonic()
    for pid, one in running.items():
        if not one.late and now >= one.deadline:
            one.late = True
            os.kill(pid, signal.SIGKILL)


def warm_up() -> None:
    """Decode one tiny file of each way, made here, so that nothing is left to be loaded in a child."""
    import av
    import numpy as np
    from PIL import Image

    def opened(data: bytes, kind: Kind, limits: Any) -> None:
        child.decode(data if kind in IMAGES else BytesIO(data), kind, limits, child.Region(bytearray(1 << 20)))

    for kind in (Kind.PNG, Kind.JPEG, Kind.WEBP, Kind.GIF):
        file = BytesIO()
        Image.new("RGB", (16, 16)).save(file, kind.value)
        opened(file.getvalue(), kind, ImageLimits())

    film = BytesIO()
    with av.open(film, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", 25, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        for packet in stream.encode(av.VideoFrame(16, 16, "yuv420p")):
            container.mux(packet)
        container.mux(stream.encode(None))
    opened(film.getvalue(), Kind.MP4, VideoLimits())

    sound = BytesIO()
    with av.open(sound, "w", format="wav") as container:
        track = container.add_stream("pcm_s16le", 8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        silence.sample_rate = 8000
        container.mux(track.encode(silence))
        container.mux(track.encode(None))
    opened(sound.getvalue(), Kind.WAV, AudioLimits(min_seconds=0))


if __name__ == "__main__":
    main()
