"""What it costs that foreign files are opened in a child: milliseconds a file, through the child and without it.

python -m benchmarks.decode [--only image|video|audio] [--repeat 20] [--write]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from benchmarks._record import Record, add_switches, table
from numpy.typing import NDArray
from PIL import Image

from rushes.media import child, decode
from rushes.media.limits import AudioLimits, ImageLimits, VideoLimits
from rushes.media.sniff import sniff

ROOM_BYTES = 200 << 20

GRID = (288, 160)  # the embedded model's; larger frames come scaled down

OPENERS: dict[str, tuple[Callable[..., Any], ImageLimits | VideoLimits | AudioLimits]] = {
    "image": (decode.decode_image, ImageLimits()),
    "video": (decode.decode_video, VideoLimits(grid=GRID)),
    "audio": (decode.decode_audio, AudioLimits()),
}


def scenery(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Hills and grain: what a photograph costs a decoder, more or less."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    hills = 120 + 60 * np.sin(x / 97 + seed) + 40 * np.sin(y / 61 + x / 211)
    grain = np.random.default_rng(seed).normal(0, 6, (height, width)).astype(np.float32)
    shade = np.stack([hills + grain, 0.8 * hills + grain, 220 - 0.6 * hills + grain], axis=-1)
    return np.clip(shade, 0, 255).astype(np.uint8)


def photograph(width: int, height: int, file_format: str) -> bytes:
    file = BytesIO()
    Image.fromarray(scenery(width, height, 1)).save(file, file_format)
    return file.getvalue()


def film(width: int, height: int, num_frames: int) -> bytes:
    """H.264 in MP4 at 24 frames a second."""
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", 24, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        still = scenery(width + 4 * num_frames, height, 2)
        for index in range(num_frames):
            seen = np.ascontiguousarray(still[:, 4 * index : 4 * index + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(seen, format="rgb24")))
        container.mux(stream.encode(None))
    return file.getvalue()


def sound(seconds: int, container_format: str, codec: str) -> bytes:
    file = BytesIO()
    tone = 0.4 * np.sin(np.arange(seconds * 48_000) / 17)
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, 48_000, layout="stereo")
        block = av.AudioFrame.from_ndarray(np.stack([tone, tone]).astype(np.float32), format="fltp", layout="stereo")
        block.sample_rate = 48_000
        for part in av.AudioResampler(stream.codec_context.format.name, "stereo", 48_000).resample(block):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "PNG 64×64": ("image", lambda: photograph(64, 64, "PNG")),
    "JPEG 1366×768": ("image", lambda: photograph(1366, 768, "JPEG")),
    "JPEG 4000×3000": ("image", lambda: photograph(4000, 3000, "JPEG")),
    "MP4 H.264 320×192, 24 frames": ("video", lambda: film(320, 192, 24)),
    "MP4 H.264 1366×768, 144 frames": ("video", lambda: film(1366, 768, 144)),
    "WAV 30 s stereo": ("audio", lambda: sound(30, "wav", "pcm_s16le")),
    "MP3 30 s stereo": ("audio", lambda: sound(30, "mp3", "libmp3lame")),
}


def here(data: bytes, limits: ImageLimits | VideoLimits | AudioLimits, room: bytearray) -> None:
    """The same work with no child around it."""
    kind = sniff(data)
    file = data if isinstance(limits, ImageLimits) else BytesIO(data)
    child.decode(file, kind, limits, child.Region(room))


def spent_s() -> float:
    """Processor seconds of this process, of the warm one, and of the children that it has seen end."""
    process, total = decode._decoder._zygote, time.process_time()
    stat = Path(f"/proc/{process.pid if process else 0}/stat")
    if stat.exists():
        ticks = stat.read_text("ascii", "replace").rpartition(")")[2].split()[11:15]
        total += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return total


def measured(work: Callable[[], object], repeat: int) -> tuple[str, str]:
    """Median by the wall clock, and mean processor time; the first run is not counted."""
    work()
    walls, began_cpu = [], spent_s()
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        walls.append(time.perf_counter() - began)
    return f"{1000 * statistics.median(walls):.1f} ms", f"{1000 * (spent_s() - began_cpu) / repeat:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(OPENERS))
    parser.add_argument("--repeat", type=int, default=20)
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    record = Record("decode", asked)
    decode.close()
    began = time.perf_counter()
    decode.walls()
    start_ms = 1000 * (time.perf_counter() - began)
    rows = []
    for name, (what, make) in FILES.items():
        if asked.only in (None, what):
            opener, limits = OPENERS[what]
            data = make()
            through = measured(partial(opener, data, limits), asked.repeat)
            without = measured(partial(here, data, limits, bytearray(ROOM_BYTES)), asked.repeat)
            rows.append((name, f"{len(data) / 1e6:.2f} MB", *through, *without))
    record.keep(
        "## Opening foreign files\n\n"
        f"Median of {asked.repeat}. The warm process starts with the first file, in {start_ms:.0f} ms, and holds\n"
        f"{resident_mb()} MB; videos are scaled down for a grid of {GRID[0]}×{GRID[1]}.\n\n"
        + table(("", "file", "in a child", "its processor time", "without one", "its processor time"), rows)
    )
    decode.close()


def resident_mb() -> str:
    """Of the warm process; what it shares with this one is counted too."""
    process = decode._decoder._zygote
    status = Path(f"/proc/{process.pid if process else 0}/status")
    if not status.exists():
        return "an unknown number of"
    return f"{int(status.read_text('ascii').partition('VmRSS:')[2].split()[0]) / 1000:.0f}"


if __name__ == "__main__":
    main()
