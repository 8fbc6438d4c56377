"""Native frames become exactly the frames that were asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from media_cases import Frames, disc_film

from rushes.contract.artifact import Native
from rushes.errors import GenerationFailed
from rushes.media.fit import fit


def chunks_of(film: Frames, length: int) -> Iterator[Frames]:
    for start in range(0, len(film), length):
        yield film[start : start + length]


@pytest.mark.parametrize(
    ("native", "width", "height", "fps", "num_frames"),
    [
        (Native(288, 160, 12, 12), 1366, 768, 24, 24),
        (Native(160, 288, 12, 12), 1080, 1920, 30, 30),
        (Native(224, 224, 12, 12), 960, 960, 60, 60),
        (Native(256, 192, 12, 12), 640, 480, 25, 25),
        (Native(288, 160, 12, 12), 64, 64, 15, 15),
        (Native(288, 160, 12, 12), 288, 160, 12, 12),
        (Native(192, 256, 16, 17), 832, 1104, 16, 17),
    ],
)
def test_count_and_size_are_exact(native: Native, width: int, height: int, fps: int, num_frames: int) -> None:
    film = disc_film(native.num_frames, native.width, native.height)
    fitted = list(fit(chunks_of(film, 6), native, width, height, fps, num_frames))
    assert len(fitted) == num_frames
    assert {(frame.shape, frame.dtype) for frame in fitted} == {((height, width, 3), np.dtype(np.uint8))}


def test_a_film_that_fits_already_is_not_touched() -> None:
    film = disc_film(12, 64, 48)
    fitted = np.stack(list(fit(chunks_of(film, 5), Native(64, 48, 24, 12), 64, 48, 24, 12)))
    assert np.array_equal(fitted, film)


def test_how_the_film_is_cut_into_chunks_does_not_matter() -> None:
    film = disc_film(13, 96, 64)
    native = Native(96, 64, 12, 13)
    one = list(fit(chunks_of(film, 13), native, 200, 120, 24, 26))
    many = list(fit(chunks_of(film, 2), native, 200, 120, 24, 26))
    assert np.array_equal(one, many)


def test_native_frames_are_pulled_as_they_are_needed() -> None:
    pulled = 0

    def chunks() -> Iterator[Frames]:
        nonlocal pulled
        for chunk in chunks_of(disc_film(48, 64, 48), 1):
            pulled += 1
            yield chunk

    for shown, _ in enumerate(fit(chunks(), Native(64, 48, 12, 48), 96, 64, 24, 96)):
        assert pulled <= shown / 2 + 5


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (np.zeros((6, 48, 60, 3), np.uint8), r"shape \(6, 48, 60, 3\), announced were uint8 frames of shape"),
        (np.zeros((48, 64, 3), np.uint8), "announced were"),
        (np.zeros((6, 48, 64, 3), np.float32), "made float32 frames"),
        (np.zeros((7, 48, 64, 3), np.uint8), "more frames than the 6"),
        (np.zeros((5, 48, 64, 3), np.uint8), "5 frames of the 6"),
        (np.zeros((0, 48, 64, 3), np.uint8), "0 frames of the 6"),
    ],
    ids=["narrow", "no time", "float", "too many", "too few", "none"],
)
def test_chunks_unlike_what_was_announced_are_refused(chunk: Frames, words: str) -> None:
    with pytest.raises(GenerationFailed, match=words):
        list(fit(iter([chunk]), Native(64, 48, 12, 6), 64, 48, 24, 12))
