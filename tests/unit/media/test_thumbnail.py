"""A few frames as a small picture that moves."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rushes.media.thumbnail import LONGEST_SIDE, thumbnail


@pytest.mark.parametrize(
    ("width", "height", "small"),
    [(288, 160, (288, 160)), (1280, 720, (320, 180)), (720, 1280, (180, 320)), (63, 35, (64, 36)), (2, 2, (2, 2))],
)
def test_it_is_small_and_keeps_its_shape(width: int, height: int, small: tuple[int, int]) -> None:
    picture = Image.open(io.BytesIO(thumbnail(np.full((1, height, width, 3), 90, np.uint8), 12.0)))
    assert (picture.format, picture.size) == ("WEBP", small)
    assert max(picture.size) <= LONGEST_SIDE


def test_it_shows_every_frame_in_its_colours() -> None:
    frames_THWC = np.zeros((3, 36, 64, 3), np.uint8)
    colours = ((200, 30, 30), (30, 200, 30), (30, 30, 200))
    frames_THWC[:] = np.array(colours, np.uint8)[:, None, None]
    picture = Image.open(io.BytesIO(thumbnail(frames_THWC, 12.0)))
    assert getattr(picture, "n_frames", 1) == 3
    for index, colour in enumerate(colours):
        picture.seek(index)
        seen = np.asarray(picture.convert("RGB")).mean(axis=(0, 1))
        assert np.abs(seen - colour).max() < 12
