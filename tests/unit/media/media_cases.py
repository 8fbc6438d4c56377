"""Small films to fit and to write, and what is read back from a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from rushes.media.encode import EncodedFile, encode

Frames = NDArray[np.uint8]


def disc_film(num_frames: int, width: int, height: int, speed: float = 3.0) -> Frames:
    """(T, H, W, 3): a white disc over a dim pattern; its centre is at 0.25 of the width plus `speed` pixels a frame."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    pattern = 60 + 25 * np.sin(x / 5) * np.sin(y / 7)
    frames = []
    for index in range(num_frames):
        centre = 0.25 * width + speed * index
        cover = np.clip(height / 6 - np.hypot(x - centre, y - height / 2) + 0.5, 0, 1)
        shade = pattern * (1 - cover) + 250 * cover
        frames.append(np.stack([shade, shade * 0.9, 200 - shade * 0.7], axis=-1))
    return np.clip(np.rint(np.stack(frames)), 0, 255).astype(np.uint8)


def grainy_film(num_frames: int, width: int, height: int) -> Frames:
    """A disc film with fixed grain, so that every step of quality costs something."""
    grain = np.random.default_rng(3).normal(0, 9, (num_frames, height, width, 1))
    return np.clip(disc_film(num_frames, width, height) + grain, 0, 255).astype(np.uint8)


def write(frames: Frames | Iterator[Frames], path: Path, **changes: Any) -> EncodedFile:
    """`encode` with everything settled for an array of frames; any argument can be changed."""
    settled: dict[str, Any] = {"fps": 24, "output_format": "MP4", "output_quality": 20, "metadata": {}}
    if isinstance(frames, np.ndarray):
        settled |= {"num_frames": frames.shape[0], "height": frames.shape[1], "width": frames.shape[2]}
    return encode(iter(frames), path, **(settled | changes))


def decoded_luma(path: Path) -> Frames:
    """(T, H, W) luma code values as they are in the file."""
    with av.open(str(path)) as container:
        return np.stack([plane_of(frame, 0) for frame in container.decode(video=0)])


def plane_of(frame: av.VideoFrame, index: int) -> Frames:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width].copy()


def bt709(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """Limited-range Y, Cb, Cr (last axis) of full-range RGB 0 to 255. Source: ITU-R BT.709-6, items 3.2 to 3.4."""
    red, green, blue = np.moveaxis(np.asarray(rgb, dtype=np.float64) / 255, -1, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return np.stack([16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748], axis=-1)


def ssim(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Mean structural similarity over 8×8 windows of two luma films (T, H, W)."""

    def windows(film: NDArray[Any]) -> NDArray[np.float64]:
        count, height, width = film.shape
        cut = film[:, : height // 8 * 8, : width // 8 * 8].astype(np.float64)
        return cut.reshape(count, height // 8, 8, width // 8, 8).transpose(0, 1, 3, 2, 4).reshape(-1, 64)

    a, b = windows(first), windows(second)
    mean_a, mean_b = a.mean(1), b.mean(1)
    covariance = ((a - mean_a[:, None]) * (b - mean_b[:, None])).mean(1)
    steady, structure = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_a * mean_b + steady) * (2 * covariance + structure)) / (
        (mean_a**2 + mean_b**2 + steady) * (a.var(1) + b.var(1) + structure)
    )
    return float(similarity.mean())


def top_level_boxes(path: Path) -> list[str]:
    """Names of an MP4 file's outermost boxes in order."""
    data, names, at = path.read_bytes(), [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        names.append(data[at + 4 : at + 8].decode())
        at += size if size > 1 else int.from_bytes(data[at + 8 : at + 16], "big") if size == 1 else len(data)
    return names
