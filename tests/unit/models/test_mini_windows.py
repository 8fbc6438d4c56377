from __future__ import annotations

import numpy as np
import pytest

from rushes.models.mini.windows import positions, windows


def test_a_short_clip_is_one_window():
    assert windows(1, 6, 2) == ((0, 0, 1),)
    assert windows(6, 6, 2) == ((0, 0, 6),)


def test_a_long_clip_continues_its_last_two_latent_frames():
    assert windows(12, 6, 2) == ((0, 0, 6), (4, 6, 10), (6, 10, 12))


@pytest.mark.parametrize("num_latents", range(1, 40))
@pytest.mark.parametrize(("length", "overlap"), [(6, 2), (6, 0), (4, 3), (1, 0)])
def test_every_latent_frame_is_made_in_exactly_one_window(num_latents, length, overlap):
    made = [frame for window in windows(num_latents, length, overlap) for frame in range(window.made_from, window.stop)]
    assert made == list(range(num_latents))
    assert all(window.stop - window.start <= length for window in windows(num_latents, length, overlap))


def test_an_overlap_as_long_as_the_window_is_refused():
    with pytest.raises(ValueError, match="overlap must be at least 0 and below"):
        windows(12, 6, 6)


def test_positions_run_through_time_then_rows_then_columns_around_the_middle():
    tokens = positions(2, 1, 3, 0.5)[0]
    assert tokens.tolist() == [[0, 0, -1], [0, 0, 0], [0, 0, 1], [0.5, 0, -1], [0.5, 0, 0], [0.5, 0, 1]]
    assert positions(6, 5, 9, 0.5).shape == (1, 270, 3)
    assert positions(1, 6, 8, 0.5)[0, 0].tolist() == [0.0, -2.5, -3.5]
    assert positions(2, 1, 3, 0.5).dtype == np.float32
