"""Scaling covers the asked frame, keeps the middle in the middle, and keeps colours."""

from __future__ import annotations

import numpy as np
import pytest
from media_cases import disc_film
from PIL import Image

from rushes.media.resize import Resize, sharpened


@pytest.mark.parametrize("size", [(1366, 768), (768, 1366), (97, 61), (64, 64), (300, 160)])
def test_one_colour_stays_that_colour(size: tuple[int, int]) -> None:
    frame = np.broadcast_to(np.array([255, 3, 128], np.uint8), (160, 288, 3))
    resized = Resize(288, 160, *size)(frame)
    assert resized.shape == (size[1], size[0], 3)
    assert (resized == frame[0, 0]).all()


@pytest.mark.parametrize("size", [(1366, 768), (480, 854), (500, 500), (150, 80)])
def test_the_middle_stays_in_the_middle(size: tuple[int, int]) -> None:
    y, x = np.mgrid[0:160, 0:288]
    spot = 255 * np.exp(-(((x - 143.5) / 9) ** 2) - ((y - 79.5) / 9) ** 2)
    frame = np.repeat(np.rint(spot).astype(np.uint8)[:, :, None], 3, axis=2)
    resized = Resize(288, 160, *size)(frame)[:, :, 0].astype(np.float64)
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    centre = (resized * columns).sum() / resized.sum(), (resized * rows).sum() / resized.sum()
    assert centre == pytest.approx(((size[0] - 1) / 2, (size[1] - 1) / 2), abs=0.6)


def test_the_sides_are_cut_when_the_asked_frame_is_taller() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[:, 50:150] = 255
    assert Resize(200, 100, 100, 100)(frame).min() == 255


def test_grey_stays_grey() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (160, 288, 1), dtype=np.uint8).repeat(3, axis=2)
    resized = Resize(288, 160, 1366, 768)(grey)
    assert (resized == resized[:, :, :1]).all()


def test_pixels_are_those_of_a_lanczos_kernel() -> None:
    frame = disc_film(1, 288, 160)[0]
    enlarged = Resize(288, 160, 403, 224)(frame)  # below the magnification that is sharpened
    wanted = np.asarray(Image.fromarray(frame).resize((403, 224), Image.Resampling.LANCZOS))
    difference = np.abs(enlarged.astype(int) - wanted)
    assert difference.max() <= 2
    assert difference.mean() < 0.3


def test_sharpening_steepens_an_edge_without_a_halo() -> None:
    ramp = np.array([40, 40, 40, 60, 120, 180, 200, 200, 200], np.uint8)
    frame = np.broadcast_to(ramp[None, :, None], (9, 9, 3))
    sharp = sharpened(frame)[4, :, 0].astype(int)
    assert (sharp[3], sharp[5]) == (53, 188)
    assert sharp.min() == 40
    assert sharp.max() == 200


def test_sharpening_stays_in_range_on_any_pixels() -> None:
    noise = np.random.default_rng(1).choice(np.array([0, 255], np.uint8), (50, 70, 3))
    sharp = sharpened(noise)
    assert sharp.dtype == np.uint8
    assert np.array_equal(sharpened(np.full((4, 4, 3), 255, np.uint8)), np.full((4, 4, 3), 255, np.uint8))
    assert np.array_equal(sharp, sharpened(noise.copy()))
