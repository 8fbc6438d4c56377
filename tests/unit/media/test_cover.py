"""Pictures of any size on their way to the model, and back again."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.contract.artifact import Native
from rushes.media.cover import Cover, shown_at
from rushes.media.resize import Resize
from rushes.media.timetable import duration_s, native_count

MINI = Native(144, 80, 12, 36)


def card_of(width: int, height: int) -> np.ndarray:
    """Soft colours that run over the whole picture, in units of its own size."""
    x, y = (np.arange(width) + 0.5) / width, ((np.arange(height) + 0.5) / height)[:, None]
    shade = [
        128 + 50 * np.sin(9 * x) + 50 * np.sin(4 * y),
        128 + 50 * np.cos(7 * y) - 50 * np.cos(8 * x),
        40 + 170 * (x - 0.5) ** 2 + 170 * (y - 0.5) ** 2,
    ]
    return np.stack(shade, axis=-1).astype(np.uint8)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-9, np.square(one.astype(float) - other).mean())))


@pytest.mark.parametrize(
    ("width", "height", "native"),
    [
        (683, 384, MINI),
        (192, 108, MINI),
        (480, 480, Native(112, 112, 12, 36)),
        (360, 640, Native(80, 144, 12, 36)),
    ],
)
@pytest.mark.parametrize("scale", [1, 3.5, 0.5])
def test_what_goes_in_stands_where_it_stood_when_it_comes_out(
    width: int, height: int, native: Native, scale: float
) -> None:
    asked = card_of(width, height)
    given = card_of(round(width * scale), round(height * scale))
    seen = Cover(given.shape[1], given.shape[0], native, width, height)(given)
    assert seen.shape == (native.height, native.width, 3)
    shown = Resize(native.width, native.height, width, height, sharpen=False)(seen)
    moved = np.roll(asked, max(2, width // 50), axis=1)
    assert psnr(shown, asked) > 35
    assert psnr(shown, asked) > psnr(moved, asked) + 5


def test_what_hangs_over_is_cut_off_evenly_and_said() -> None:
    tall = np.zeros((256, 128, 3), np.uint8)
    tall[:64], tall[192:] = (255, 0, 0), (0, 0, 255)
    cover = Cover(128, 256, Native(16, 16, 12, 1), 200, 200)
    seen = cover(tall)
    assert (seen == 0).all()
    assert cover.said == "scaled to cover 200×200, which cuts off 50% of the height; the model sees it at 16×16"
    assert Cover(200, 200, MINI, 200, 200).said == "the model sees it at 144×80"


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 3000), (3000, 2), (7, 5), (4001, 2999)])
def test_a_picture_of_any_shape_fills_the_grid(width: int, height: int) -> None:
    seen = Cover(width, height, MINI, 1366, 768)(np.full((height, width, 3), 77, np.uint8))
    assert seen.shape == (80, 144, 3)
    assert np.abs(seen.astype(int) - 77).max() <= 1


def test_the_same_picture_gives_the_same_bytes() -> None:
    picture = card_of(333, 217)
    one, other = (Cover(333, 217, MINI, 640, 360)(picture) for _ in range(2))
    assert np.array_equal(one, other)


def test_a_clip_is_read_by_its_timestamps_and_not_by_its_frames() -> None:
    times_s = np.array([0.0, 0.04, 0.5, 0.501, 1.0])
    assert duration_s(times_s.tolist(), 1) == pytest.approx(1.499)
    assert native_count(times_s.tolist(), 4) == 6
    assert shown_at(times_s, 4, 6).tolist() == [0, 1, 3, 3, 4, 4]


@pytest.mark.parametrize("fps", [8, 12, 15, 23.976, 24, 25, 29.97, 60])
def test_a_second_of_any_rate_is_a_second_of_native_frames(fps: float) -> None:
    times_s = np.round(np.arange(round(2 * fps)) / fps, 3)  # as Matroska writes them
    assert native_count(times_s.tolist(), 12) == 24
    shown = shown_at(times_s, 12, 24)
    assert (np.diff(shown) >= 0).all()
    assert np.abs(times_s[shown] - np.arange(24) / 12).max() < 1 / fps + 0.002


def test_a_single_frame_lasts_as_long_as_a_native_one() -> None:
    assert native_count([0.0], 12) == 1
