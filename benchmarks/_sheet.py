"""Pictures that show clips beside each other, small enough to live in a repository."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

GAP, TEXT_HEIGHT, TEXT_SIZE = 4, 24, 16
PAPER, INK = (255, 255, 255), (40, 40, 40)
LIMIT_BYTES = 600_000
SMALLEST_SCALE = 0.4


@dataclass(frozen=True, slots=True)
class Row:
    """What is written above the row, and its pictures, RGB uint8 (height, width, 3), one per column."""

    words: str
    pictures: Sequence[NDArray[np.uint8]]


def sheet(rows: Sequence[Row], cell_width: int, heads: Sequence[str] = ()) -> Image.Image:
    """All rows below each other; `heads`, where given, stand once above the columns."""
    first = rows[0].pictures[0]
    cell_height = round(cell_width * first.shape[0] / first.shape[1])
    columns = max(len(row.pictures) for row in rows)
    top = TEXT_HEIGHT if heads else 0
    width = columns * (cell_width + GAP) - GAP
    paper = Image.new("RGB", (width, top + len(rows) * (TEXT_HEIGHT + cell_height + GAP) - GAP), PAPER)
    draw, font = ImageDraw.Draw(paper), ImageFont.load_default(TEXT_SIZE)
    for column, head in enumerate(heads):
        draw.text((column * (cell_width + GAP), 2), head, INK, font)
    for index, row in enumerate(rows):
        y = top + index * (TEXT_HEIGHT + cell_height + GAP)
        draw.text((0, y + 3), row.words, INK, font)
        for column, picture in enumerate(row.pictures):
            small = Image.fromarray(picture).resize((cell_width, cell_height), Image.Resampling.LANCZOS)
            paper.paste(small, (column * (cell_width + GAP), y + TEXT_HEIGHT))
    return paper


def save(picture: Image.Image, path: Path, limit_bytes: int = LIMIT_BYTES) -> int:
    """Write a PNG no larger than `limit_bytes`: in full colour, else in 256, else smaller; its size in bytes."""
    scale, file = 1.0, png(picture)
    while len(file) > limit_bytes and scale > SMALLEST_SCALE:
        scaled = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
        # Undithered: the dots cost half the file, and flat skies look better without them.
        file = png(scaled.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE))
        scale *= 0.92
    path.write_bytes(file)
    return len(file)


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
