"""Seconds from native frames to a finished file: 144 frames 1366×768 at 24 fps from 72 frames 288×160 at 12 fps.

python -m benchmarks.encode [--only MP4|WEBM] [--repeat 3] [--write]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from benchmarks._record import Record, add_switches, table
from numpy.typing import NDArray

from rushes.contract.artifact import Native
from rushes.media.encode import EncodedFile, encode
from rushes.media.fit import fit

NATIVE = Native(width=288, height=160, fps=12, num_frames=72)
WIDTH, HEIGHT, FPS, NUM_FRAMES = 1366, 768, 24, 144
CHUNK = 6


def moving_scene(native: Native) -> Iterator[NDArray[np.uint8]]:
    """Chunks of discs of several sizes moving over grainy hills: something for the motion search to do."""
    random = np.random.default_rng(7)
    y, x = np.mgrid[0 : native.height, 0 : native.width].astype(np.float64)
    hills = 90 + 40 * np.sin(x / 31) + 30 * np.sin(y / 17 + x / 53)
    grain = random.normal(0, 4, (native.height, native.width))
    discs = [(random.uniform(0, 1, 2), random.uniform(-4, 4, 2), random.uniform(8, 34)) for _ in range(7)]
    frames = []
    for index in range(native.num_frames):
        frame = np.stack([hills + grain, hills * 0.8 + 40 + grain, 220 - hills + grain], axis=-1)
        for number, (start, speed, radius) in enumerate(discs):
            centre_x, centre_y = (start * (native.width, native.height) + speed * index) % (native.width, native.height)
            cover = np.clip(radius - np.hypot(x - centre_x, y - centre_y), 0, 1)[:, :, None]
            frame = frame * (1 - cover) + cover * np.array([40 * number, 250 - 35 * number, 120 + 15 * number])
        frames.append(np.clip(np.rint(frame), 0, 255).astype(np.uint8))
        if len(frames) == CHUNK:
            yield np.stack(frames)
            frames.clear()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("MP4", "WEBM"))
    parser.add_argument("--repeat", type=int, default=3)
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    record = Record("encode", asked)
    chunks = list(moving_scene(NATIVE))
    rows = [("fit alone", *timed(partial(fitted, chunks), asked.repeat), "–")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        for output_format in ("MP4", "WEBM") if asked.only is None else (asked.only,):
            times = timed(partial(written, chunks, path, output_format), asked.repeat)
            rows.append((f"fit and {output_format}", *times, f"{path.stat().st_size / 1e6:.2f} MB"))
    record.keep(
        "## From native frames to a file\n\n"
        f"{NUM_FRAMES} frames {WIDTH}×{HEIGHT} at {FPS} fps, quality 20, from {NATIVE.num_frames} drawn frames\n"
        f"{NATIVE.width}×{NATIVE.height} at {NATIVE.fps} fps: retimed, resized, encoded. {asked.repeat} runs.\n\n"
        + table(("", "median", "fastest", "processor time", "file"), rows)
    )


def timed(work: Callable[[], object], repeat: int) -> tuple[str, str, str]:
    """Median and least seconds by the wall clock, and the median of processor seconds over all cores."""
    walls, processor = [], []
    for _ in range(repeat):
        began, began_cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - began)
        processor.append(time.process_time() - began_cpu)
    return f"{statistics.median(walls):.2f} s", f"{min(walls):.2f} s", f"{statistics.median(processor):.2f} s"


def fitted(chunks: list[NDArray[np.uint8]]) -> None:
    for _frame in fit(iter(chunks), NATIVE, WIDTH, HEIGHT, FPS, NUM_FRAMES):
        pass


def written(chunks: list[NDArray[np.uint8]], path: Path, output_format: str) -> EncodedFile:
    return encode(
        fit(iter(chunks), NATIVE, WIDTH, HEIGHT, FPS, NUM_FRAMES),
        path,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        num_frames=NUM_FRAMES,
        output_format=output_format,
        output_quality=20,
        metadata={},
    )


if __name__ == "__main__":
    main()
