"""Twenty-four prompts, chosen before anything was seen, as one moving picture and one still. None is left out.

python -m benchmarks.wall [--seed 7] [--write]
"""

from __future__ import annotations

import argparse
import io
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from benchmarks._making import SEED, frames_of, loaded_engine, make, settled
from benchmarks._record import Record, add_switches
from benchmarks._sheet import INK, png
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

PROMPTS = (Path(__file__).parent / "wall-prompts.txt").read_text("utf-8").splitlines()
ACROSS, GAP, TEXT_HEIGHT = 3, 8, 34  # the last two in pixels
SIZE = {"width": 320, "height": 180}
SECONDS, FPS = 3.0, 24
SHOWN_FPS = 12  # of the moving picture: what the model makes itself
LIMIT_BYTES = 1_500_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED)
    add_switches(parser)
    asked = parser.parse_args()
    record = Record("wall", asked)
    engine = loaded_engine(record.weights)
    clips = []
    with tempfile.TemporaryDirectory() as folder:
        for prompt in PROMPTS:
            request = settled(prompt=prompt, seed=asked.seed, seconds=SECONDS, fps=FPS, **SIZE)
            clips.append(frames_of(make(request, engine, Path(folder) / "film.mp4").path))
            print(".", end="", flush=True)
    moments = [walled([clip[index] for clip in clips]) for index in range(0, len(clips[0]), FPS // SHOWN_FPS)]
    moving, still = record.picture("wall.webp"), record.picture("wall.png")
    moving.write_bytes(moving_picture(moments))
    still.write_bytes(png(moments[len(moments) // 2].quantize(256)))
    sizes = " and ".join(f"{path.name} ({path.stat().st_size / 1e6:.1f} MB)" for path in (moving, still))
    record.keep(
        f"## Twenty-four prompts\n\n`benchmarks/wall-prompts.txt`, written before these weights were, none left out: "
        f"seed {asked.seed}, {SECONDS:g} s, else the card's defaults. In `docs/images`: {sizes}.\n"
    )


def walled(pictures: Sequence[NDArray[np.uint8]]) -> Image.Image:
    """Pictures side by side, each under its prompt."""
    width, height = SIZE["width"], SIZE["height"] + TEXT_HEIGHT
    wall = Image.new("RGB", (ACROSS * (width + GAP) - GAP, len(pictures) // ACROSS * (height + GAP) - GAP), "white")
    draw, font = ImageDraw.Draw(wall), ImageFont.load_default(12)
    for number, (words, picture) in enumerate(zip(PROMPTS, pictures, strict=True)):
        x, y = number % ACROSS * (width + GAP), number // ACROSS * (height + GAP)
        draw.multiline_text((x, y + 2), "\n".join(textwrap.wrap(words, 50)), INK, font, spacing=2)
        wall.paste(Image.fromarray(picture), (x, y + TEXT_HEIGHT))
    return wall


def moving_picture(moments: list[Image.Image]) -> bytes:
    """An endless WebP, as fine as fits into `LIMIT_BYTES`."""
    for quality in (80, 65, 50, 35, 20):
        file = io.BytesIO()
        moments[0].save(
            file, "WEBP", save_all=True, append_images=moments[1:], duration=1000 // SHOWN_FPS, loop=0, quality=quality
        )
        if file.tell() <= LIMIT_BYTES:
            break
    return file.getvalue()


if __name__ == "__main__":
    main()
