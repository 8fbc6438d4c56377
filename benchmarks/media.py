"""What each media field does: a figure for each, and the picture of docs/guides/media.md.

python -m benchmarks.media [--only table] [--write]
"""

from __future__ import annotations

import argparse
import base64
import io
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks._making import drummed, frames_of, loaded_engine, make, settled
from benchmarks._record import Record, add_switches, table
from benchmarks._sheet import Row, save, sheet
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from rushes.catalogue.cards.mini import CARD
from rushes.contract.artifact import Native
from rushes.contract.media import FrameImage, Media
from rushes.engine.engine import Engine
from rushes.media.cover import Cover
from rushes.media.resize import Resize

Frames = NDArray[np.uint8]

SIZE = {"width": 576, "height": 320}
PENGUIN, SUNSET = "a penguin walks in the snow, sunny day", "a penguin walks on the beach at sunset"
SOMEBODY = "a character dances on the beach, sunny day"
SPRITES = Path(__file__).parents[1] / "training" / "data" / "sprites"
ROBOT = "a robot walks in the snow at night"
JUMPER = "a robot jumps in the meadow, sunny day"
STROKES_S, BETWEEN_S, RATE = (0.4, 1.3, 2.2), 0.45, 48_000
COLUMNS, CELL_WIDTH = 7, 160
HALF_SECOND = 12  # output frames: what the model decodes at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("table",))
    parser.add_argument("--steps", type=int, default=20)
    add_switches(parser)
    asked = parser.parse_args()
    record = Record("media", asked)
    with tempfile.TemporaryDirectory() as folder:
        bench = _Bench(loaded_engine(record.weights), Path(folder), asked.steps)
        figures, rows = bench.keyframes()
        for measure in (bench.continuation, bench.edit, bench.references, bench.sound):
            more, shown = measure()
            figures += more
            rows += shown
    text = "## What media do\n\nLikeness in dB of PSNR, through the finished file; 3 s at 576×320, 24 fps.\n\n"
    text += table(("field", "measured", "here", "without the field, or elsewhere in the film"), figures)
    if asked.only != "table":
        path = record.picture("media.png")
        size_bytes = save(sheet(rows, CELL_WIDTH, ("given", *("made",) * (COLUMNS - 1))), path)
        text += f"\n{path.name}: {size_bytes / 1000:.0f} kB.\n"
    record.keep(text)


class _Bench:
    def __init__(self, engine: Engine, folder: Path, steps: int) -> None:
        self._engine, self._folder, self._steps = engine, folder, steps
        self._free, self._file = self._film(prompt=PENGUIN, seed=5)
        self._other, _ = self._film(prompt=SUNSET, seed=6)

    def keyframes(self) -> tuple[list[tuple[str, ...]], list[Row]]:
        """Three pictures, at the first, the 30th and the last frame."""
        pictures = {0: self._free[0], 30: self._other[20], 71: self._other[40]}
        images = tuple(FrameImage(_png(picture), at) for at, picture in pictures.items())
        film, _ = self._film(prompt=PENGUIN, seed=11, media=Media(frame_images=images))
        alone, _ = self._film(prompt=PENGUIN, seed=11)
        only_first, _ = self._film(prompt=PENGUIN, seed=11, media=Media(frame_images=images[:1]))
        figures = []
        for at, picture in pictures.items():
            best = self._best(picture)
            figures += [
                (f"`frame_images`, frame {at}", "to the autoencoder's own best", _db(film[at], best), "–"),
                ("", "to the picture sent", _db(film[at], picture), f"{_db(alone[at], picture)} from words alone"),
            ]
        rows = [
            Row(f"frame_images: the first.  {PENGUIN}", [pictures[0], *_spread(only_first)]),
            Row("frame_images: the first, frame 30 and the last", [pictures[30], *_spread(film)]),
        ]
        return figures, rows

    def continuation(self) -> tuple[list[tuple[str, ...]], list[Row]]:
        """The first second and a half of a film, given back to be continued."""
        clip = self._free[:36]
        file = self._written(clip)
        film, _ = self._film(prompt=PENGUIN, seed=12, media=Media(frame_videos=(_data_url(file),)))
        steps = [_psnr(film[index], film[index + 1]) for index in range(len(film) - 1)]
        seam = min(steps[34:37])
        others = [min(steps[at - 2 : at + 1]) for at in range(HALF_SECOND, len(film), HALF_SECOND) if at != 36]
        kept = float(np.mean([_psnr(film[index], clip[index]) for index in range(len(clip))]))
        figures = [
            ("`frame_videos`", "the clip at the beginning, to the clip sent", f"{kept:.1f}", "–"),
            (
                "",
                "the seam: the frames around the clip's end to each other",
                f"{seam:.1f}",
                f"{min(others):.1f} to {max(others):.1f} at the film's other half seconds",
            ),
        ]
        return figures, [Row("frame_videos: 1.5 s of a film, continued to 3 s", [clip[-1], *_spread(film)])]

    def edit(self) -> tuple[list[tuple[str, ...]], list[Row]]:
        """A film made into another by other words."""
        film, _ = self._film(prompt=ROBOT, seed=13, media=Media(source_video=_data_url(self._file)))
        alone, _ = self._film(prompt=ROBOT, seed=13)
        figures = [
            ("`source_video`", "to the clip sent", _db(film, self._free), f"{_db(alone, self._free)} from words alone"),
            ("", "to what the words alone make", _db(film, alone), f"{_db(self._free, alone)} for the clip sent"),
        ]
        rows = [
            Row("source_video: the clip", [self._free[0], *_spread(self._free)]),
            Row(f"… edited.  {ROBOT}", [self._free[0], *_spread(film)]),
        ]
        return figures, rows

    def references(self) -> tuple[list[tuple[str, ...]], list[Row]]:
        """Two pictures of somebody, each with the same words, which call them something unknown."""
        rows, films = [], {}
        for name in ("cat", "robot"):
            given = _sprite(name)
            films[name], _ = self._film(prompt=SOMEBODY, seed=14, media=Media(reference_images=(_png(given),)))
            rows.append(Row(f"reference_images: {name}.  {SOMEBODY}", [given, *_spread(films[name])]))
        return [
            ("`reference_images`", "two films of one prompt and seed, to each other", _db(*films.values()), "–")
        ], rows

    def sound(self) -> tuple[list[tuple[str, ...]], list[Row]]:
        """A drum to jump to: where the subject is at its strokes, and half way between them."""
        drum = drummed(STROKES_S, 3, RATE)
        film, _ = self._film(prompt=JUMPER, seed=15, media=Media(audio_inputs=(_wav(drum),)))
        alone, _ = self._film(prompt=JUMPER, seed=15)
        moments = [round(24 * moment) for stroke in STROKES_S for moment in (stroke, stroke + BETWEEN_S)]

        def rise(of: Frames) -> str:
            heights = [_height(of[at], np.median(of, 0)) for at in moments]
            return f"{np.mean(heights[1::2]) - np.mean(heights[::2]):.0f} %"

        figures = [
            (
                "`audio_inputs`",
                "height between a drum's strokes, above that at them",
                rise(film),
                f"{rise(alone)} without",
            )
        ]
        return figures, [
            Row(
                f"audio_inputs: a drum.  At a stroke, between two …  {JUMPER}",
                [_wave(drum), *(film[at] for at in moments)],
            )
        ]

    def _film(self, **fields: Any) -> tuple[Frames, bytes]:
        request = settled(seconds=3.0, fps=24, steps=self._steps, output_quality=10, **SIZE, **fields)
        path = make(request, self._engine, self._folder / "film.mp4").path
        return np.stack(frames_of(path)), path.read_bytes()

    def _written(self, frames: Frames) -> bytes:
        from rushes.media.encode import encode

        height, width = frames.shape[1:3]
        file = encode(
            iter(frames), self._folder / "clip", width=width, height=height, fps=24, num_frames=len(frames),
            output_format="MP4", output_quality=5, metadata={},
        )  # fmt: skip
        return file.path.read_bytes()

    def _best(self, picture: Frames) -> Frames:
        """What the autoencoder alone makes of a still, brought to the asked size."""
        adapter: Any = self._engine.adapter(CARD)
        native: Native = adapter.native(settled(prompt=PENGUIN, seconds=3.0, **SIZE))
        height, width, _ = picture.shape
        small = Cover(width, height, native, width, height)(picture)
        latent = adapter._encoder.run(frames=np.repeat(small[None], 6, axis=0)[None])
        frame = adapter._decoder.run(latent=latent)[0, 0]
        return Resize(native.width, native.height, width, height)(frame)


def _height(frame: NDArray[Any], still: NDArray[Any]) -> float:
    """How high what moves stands, in percent of the picture."""
    moving = np.abs(frame - still).sum(-1) ** 2
    rows = np.arange(len(frame))[::-1]
    return float(100 * (moving.sum(1) * rows).sum() / moving.sum() / len(frame))


def _wav(samples: NDArray[np.float64]) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, RATE, len(samples), "NONE", "not compressed"))
        written.writeframes((samples * 32_767).astype("<i2").tobytes())
    return base64.b64encode(file.getvalue()).decode()


def _wave(samples: NDArray[np.float64]) -> Frames:
    """The sound drawn as a line."""
    picture = Image.new("RGB", (SIZE["width"], SIZE["height"]), "#d8d8e0")
    draw, middle = ImageDraw.Draw(picture), SIZE["height"] // 2
    for column, part in enumerate(np.array_split(samples, SIZE["width"])):
        reach = 2 + float(np.abs(part).max()) * middle
        draw.line((column, middle - reach, column, middle + reach), "#3050a0")
    return np.asarray(picture)


def _psnr(one: Frames, other: Frames) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.square(one.astype(float) - other).mean())))


def _db(one: Frames, other: Frames) -> str:
    return f"{_psnr(one, other):.1f}"


def _spread(film: Frames) -> Sequence[Frames]:
    """Frames over the whole film, the first and the last among them."""
    return [film[round(index * (len(film) - 1) / (COLUMNS - 2))] for index in range(COLUMNS - 1)]


def _sprite(name: str) -> Frames:
    """Somebody of the model's world, at rest on a plain ground of the size asked for."""
    with Image.open(SPRITES / f"{name}.webp") as strip:
        alone = strip.convert("RGBA").crop((0, 0, strip.height, strip.height)).resize((SIZE["height"],) * 2)
    picture = Image.new("RGBA", (SIZE["width"], SIZE["height"]), "#d8d8e0")
    picture.alpha_composite(alone, ((SIZE["width"] - SIZE["height"]) // 2, 0))
    return np.asarray(picture.convert("RGB"))


def _png(picture: Frames) -> str:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _data_url(file: bytes) -> str:
    return f"data:video/mp4;base64,{base64.b64encode(file).decode()}"


if __name__ == "__main__":
    main()
