"""Another frame rate shows the same motion, at the same moments."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_cases import Frames, disc_film

from rushes.errors import GenerationFailed
from rushes.media.retime import retime


def retimed(film: Frames, native_fps: float, fps: int, num_frames: int) -> list[Frames]:
    return list(retime(iter(film), native_fps, len(film), fps, num_frames))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 14), st.sampled_from([8, 12, 12.5, 15, 16, 24, 30]), st.integers(6, 60))
def test_a_moment_with_a_native_frame_shows_it_unchanged(native_num_frames: int, native_fps: float, fps: int) -> None:
    film = disc_film(native_num_frames, 64, 48)
    num_frames = max(1, int(native_num_frames * fps / native_fps))
    shown = retimed(film, native_fps, fps, num_frames)
    assert len(shown) == num_frames
    for index, frame in enumerate(shown):
        moment = index * Fraction(native_fps) / fps
        if moment >= native_num_frames - 1:
            assert np.array_equal(frame, film[-1])
        elif moment.denominator == 1:
            assert np.array_equal(frame, film[int(moment)])


@pytest.mark.parametrize(("native_fps", "fps"), [(12, 24), (12, 25), (12, 30), (12, 60), (16, 24), (24, 16), (30, 24)])
def test_a_moving_disc_is_where_it_should_be_at_every_moment(native_fps: int, fps: int) -> None:
    width, num_native = 160, native_fps
    film = disc_film(num_native, width, 96, speed=60 / native_fps)
    num_frames = int((num_native - 1) * fps / native_fps)
    for index, frame in enumerate(retimed(film, native_fps, fps, num_frames)):
        bright = frame[:, :, 0] > 150
        centre = np.nonzero(bright)[1].mean()
        assert centre == pytest.approx(0.25 * width + 60 * index / fps, abs=1.0), index


def test_frames_in_between_have_one_outline_not_two() -> None:
    truth = disc_film(25, 160, 96, speed=5)
    made = np.stack(retimed(truth[::2], 12, 24, 25)).astype(np.float64)
    blended = truth.astype(np.float64)
    blended[1:-1:2] = (blended[:-2:2] + blended[2::2]) / 2

    def error(film: np.ndarray) -> float:
        return float(((film[1::2] - truth[1::2]) ** 2).mean())

    assert error(made) < 0.2 * error(blended)


def test_a_cut_is_not_morphed() -> None:
    dark, light = np.full((6, 48, 64, 3), 20, np.uint8), np.full((6, 48, 64, 3), 230, np.uint8)
    shown = retimed(np.concatenate([dark, light]), 12, 24, 24)
    assert {int(frame.mean()) for frame in shown} == {20, 230}


def test_a_still_film_stays_still() -> None:
    film = disc_film(1, 96, 64).repeat(8, axis=0)
    assert all(np.array_equal(frame, film[0]) for frame in retimed(film, 12, 24, 16))


def test_the_last_frame_is_held_for_as_long_as_it_lasts_and_no_longer() -> None:
    film = disc_film(6, 64, 48)
    assert len(retimed(film, 12, 24, 13)) == 13
    with pytest.raises(GenerationFailed, match="6 frames at 12 fps cannot fill 14 frames at 24 fps"):
        retimed(film, 12, 24, 14)


def test_a_single_frame_can_be_shown() -> None:
    film = disc_film(1, 64, 48)
    assert all(np.array_equal(frame, film[0]) for frame in retimed(film, 12, 24, 2))


@pytest.mark.parametrize("fps", [12, 24])
def test_an_empty_film_is_refused(fps: int) -> None:
    with pytest.raises(GenerationFailed, match="made no frames"):
        list(retime(iter(()), 12, 6, fps, 6))


@pytest.mark.parametrize(("width", "height"), [(32, 32), (33, 47), (16, 128)])
def test_small_and_odd_sizes_can_be_retimed(width: int, height: int) -> None:
    film = disc_film(5, width, height, speed=1)
    assert [frame.shape for frame in retimed(film, 12, 24, 10)] == [(height, width, 3)] * 10
