"""Seconds from native frames to a finished file: 144 frames 1366×768 at 24 fps from 72 frames 288×160 at 12 fps.

python -m benchmarks.encode [--output-format MP4|WEBM] [--repeat 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rushes.contract.artifact import Native
from rushes.media.encode import encode
from rushes.media.fit import fit
from rushes.media.probe import probe

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output-format", choices=("MP4", "WEBM"), default="MP4")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    chunks = list(moving_scene(NATIVE))
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(asked.repeat):
            begin = time.perf_counter()
            for _frame in fit(iter(chunks), NATIVE, WIDTH, HEIGHT, FPS, NUM_FRAMES):
                pass
            fitted = time.perf_counter()
            file = encode(
                fit(iter(chunks), NATIVE, WIDTH, HEIGHT, FPS, NUM_FRAMES),
                Path(folder) / "film",
                width=WIDTH,
                height=HEIGHT,
                fps=FPS,
                num_frames=NUM_FRAMES,
                output_format=asked.output_format,
                output_quality=20,
                metadata={},
            )
            end = time.perf_counter()
            print(
                f"fit alone {fitted - begin:.2f} s, fit and encode {end - fitted:.2f} s, "
                f"{file.size_bytes / 1e6:.2f} MB, sha256 {file.sha256[:12]}"
            )
        print(probe(file.path))


if __name__ == "__main__":
    main()
