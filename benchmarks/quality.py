"""What the parameters of quality do: file size and likeness by `output_quality`, bytes by `seed`, and pictures.

python -m benchmarks.quality [--only files|seed|guidance|steps|negative] [--seed 7] [--write]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from benchmarks._making import PROMPTS, SEED, loaded_engine, make, settled, shown, unencoded
from benchmarks._record import Record, add_switches, table
from benchmarks._sheet import Row, save, sheet
from numpy.typing import NDArray

from rushes.contract.request import ResolvedRequest
from rushes.engine.engine import Engine
from rushes.media.encode import crf, encode

QUALITIES = (10, 20, 30, 40)
FILMED = (PROMPTS[0], PROMPTS[4], PROMPTS[6])  # snow; rain, the hardest to compress; a city at night
FILMED_S = 1.0

GUIDANCES, STEPS = (1, 4, 8, 12), (10, 20, 40)
PICTURES = ("guidance", "steps", "negative")
PICTURED = (PROMPTS[1], PROMPTS[3], PROMPTS[5], PROMPTS[9])
PICTURE: dict[str, Any] = {"width": 640, "height": 360, "seconds": 3}
CELL_WIDTH = 280

NEGATIVES = (
    ("A penguin waddles to the right", "snow, winter, ice"),
    ("A cat walks through the city", "night, dark, stars"),
    ("A butterfly floats over a meadow", "sunny day, daylight, blue sky"),
    ("A taxi drives to the left", "city, street, skyscrapers"),
)

Frame = NDArray[np.uint8]


def main() -> None:
    parts: dict[str, Callable[[Record, Engine, int, Path], str]] = {
        "files": files_by_quality,
        "seed": bytes_by_seed,
        "guidance": guidance_picture,
        "steps": steps_picture,
        "negative": negative_picture,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(parts))
    parser.add_argument("--seed", type=int, default=SEED)
    add_switches(parser)
    asked = parser.parse_args()
    record = Record("quality", asked, PICTURES)
    engine = loaded_engine(record.weights)
    with tempfile.TemporaryDirectory() as folder:
        chosen = [part for name, part in parts.items() if asked.only in (None, name)]
        text = "".join(part(record, engine, asked.seed, Path(folder)) for part in chosen)
    if asked.only in PICTURES:
        print(text)
    else:
        record.keep(f"## Quality\n\n{text}")


def files_by_quality(record: Record, engine: Engine, seed: int, folder: Path) -> str:
    """Size and SSIM of the same frames written at each quality; SSIM is of luma, over 8×8 windows 4 pixels apart."""
    sizes: dict[tuple[str, int], list[int]] = {}
    likenesses: dict[tuple[str, int], list[float]] = {}
    for prompt in FILMED:
        request = settled(prompt=prompt, seed=seed, seconds=FILMED_S)
        frames = list(unencoded(request, engine))
        originals = [luma(frame) for frame in frames]
        for output_format in ("MP4", "WEBM"):
            for quality in QUALITIES:
                path = written(frames, request, folder / "film", output_format, quality)
                case = (output_format, quality)
                sizes.setdefault(case, []).append(path.stat().st_size)
                pairs = zip(originals, decoded_luma(path), strict=True)
                likenesses.setdefault(case, []).append(statistics.mean(ssim(one, two) for one, two in pairs))
    default = sum(sizes["MP4", 20])
    rows = [
        (
            output_format,
            quality,
            crf(output_format, quality),
            f"{sum(sizes[output_format, quality]) / len(FILMED) / FILMED_S / 1000:.0f} kB",
            f"{sum(sizes[output_format, quality]) / default:.2f}",
            f"{statistics.mean(likenesses[output_format, quality]):.4f}",
        )
        for output_format, quality in sizes
    ]
    return (
        "### `output_quality`: size and likeness\n\n"
        f"{len(FILMED)} clips of {FILMED_S:g} s at the default size and rate, the same frames each time.\n"
        "SSIM is of luma against the frames before encoding: 8×8 windows, 4 pixels apart, mean of all frames.\n\n"
        + table(("format", "`output_quality`", "CRF", "a second", "against MP4 at 20", "SSIM"), rows)
    )


def written(frames: list[Frame], request: ResolvedRequest, path: Path, output_format: str, quality: int) -> Path:
    return encode(
        iter(frames),
        path,
        width=request.width,
        height=request.height,
        fps=request.fps,
        num_frames=request.num_frames,
        output_format=output_format,
        output_quality=quality,
        metadata={},
    ).path


def luma(frame: Frame) -> NDArray[np.float32]:
    """Limited-range luma of full-range RGB, in whole code values. Source: ITU-R BT.709-6, items 3.2 and 3.4."""
    red, green, blue = (frame[:, :, channel].astype(np.float32) for channel in range(3))
    weighed = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    code_values: NDArray[np.float32] = np.rint(16 + weighed * np.float32(219 / 255)).astype(np.float32)
    return code_values


def decoded_luma(path: Path) -> Iterator[NDArray[np.float32]]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            plane = frame.planes[0]
            rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(plane.height, plane.line_size)
            yield rows[:, : plane.width].astype(np.float32)


def ssim(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Structural similarity of two luma pictures. Source: Wang et al. 2004; windows as FFmpeg's `ssim` takes them."""

    def windows(values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Means over 8×8 windows, 4 pixels apart."""
        height, width = (side // 4 * 4 for side in values.shape)
        blocks = values[:height, :width].reshape(height // 4, 4, width // 4, 4).sum(axis=(1, 3), dtype=np.float64)
        means: NDArray[np.float64] = (blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:]) / 64
        return means

    mean_1, mean_2 = windows(first), windows(second)
    variances = windows(first * first) - mean_1**2 + windows(second * second) - mean_2**2
    covariance = windows(first * second) - mean_1 * mean_2
    steady, structure = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = ((2 * mean_1 * mean_2 + steady) * (2 * covariance + structure)) / (
        (mean_1**2 + mean_2**2 + steady) * (variances + structure)
    )
    return float(similarity.mean())


def bytes_by_seed(record: Record, engine: Engine, seed: int, folder: Path) -> str:
    """The SHA-256 of three files: the same seed twice, then another. Raises SystemExit where they tell a lie."""
    rows = []
    for number in (seed, seed, seed + 1):
        request = settled(prompt=PROMPTS[0], seed=number, seconds=1, width=640, height=360)
        rows.append((number, f"`{make(request, engine, folder / 'film').artifact.sha256[:16]}`"))
    one, again, other = (digest for _, digest in rows)
    if one != again or one == other:
        raise SystemExit(f"the same seed must give the same file, and another seed another: {rows}")
    return "\n### `seed`\n\nThe same request three times, 640×360, 1 s.\n\n" + table(("`seed`", "SHA-256"), rows)


def guidance_picture(record: Record, engine: Engine, seed: int, folder: Path) -> str:
    cases = {f"guidance_scale {value}": {"guidance_scale": float(value)} for value in GUIDANCES}
    return compared(record.picture("guidance.png"), cases, engine, seed, folder)


def steps_picture(record: Record, engine: Engine, seed: int, folder: Path) -> str:
    return compared(record.picture("steps.png"), {f"steps {n}": {"steps": n} for n in STEPS}, engine, seed, folder)


def compared(path: Path, cases: dict[str, dict[str, Any]], engine: Engine, seed: int, folder: Path) -> str:
    """A picture with one row per prompt, and in each the middle of the clip for every case; all of one seed."""
    rows = []
    for prompt in PICTURED:
        requests = [settled(prompt=prompt, seed=seed, **PICTURE, **fields) for fields in cases.values()]
        rows.append(Row(prompt, [middle(request, engine, folder) for request in requests]))
    return saved(rows, tuple(cases), path, seed)


def negative_picture(record: Record, engine: Engine, seed: int, folder: Path) -> str:
    rows = []
    for prompt, negative in NEGATIVES:
        requests = [settled(prompt=prompt, seed=seed, negative_prompt=words, **PICTURE) for words in (None, negative)]
        words = f"{prompt}  ·  negative_prompt: {negative}"
        rows.append(Row(words, [picture for request in requests for picture in ends(request, engine, folder)]))
    return saved(rows, ("without", "", "with it", ""), record.picture("negative.png"), seed)


def saved(rows: list[Row], heads: tuple[str, ...], path: Path, seed: int) -> str:
    size_bytes = save(sheet(rows, CELL_WIDTH, heads), path)
    return f"\n{path.name}: {size_bytes / 1000:.0f} kB, seed {seed}, frames of {PICTURE['seconds']} s clips.\n"


def middle(request: ResolvedRequest, engine: Engine, folder: Path) -> Frame:
    (picture,) = shown(make(request, engine, folder / "film").path, 1)
    return picture


def ends(request: ResolvedRequest, engine: Engine, folder: Path) -> list[Frame]:
    """A frame of the first half and one of the second."""
    return shown(make(request, engine, folder / "film").path, 2)


if __name__ == "__main__":
    main()
