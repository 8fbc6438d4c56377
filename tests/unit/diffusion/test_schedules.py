from __future__ import annotations

from itertools import pairwise

import pytest

from rushes.diffusion.schedules import flow_sigmas, shifted


def test_a_schedule_falls_from_noise_to_clean():
    sigmas = flow_sigmas(12, 3.0)
    assert len(sigmas) == 13
    assert sigmas[0] == 1.0
    assert sigmas[-1] == 0.0
    assert all(before > after for before, after in pairwise(sigmas))


def test_shift_one_spaces_the_levels_evenly():
    assert flow_sigmas(4, 1.0) == (1.0, 0.75, 0.5, 0.25, 0.0)


def test_a_shift_of_three_keeps_half_way_at_three_quarters_noise():
    assert shifted(0.5, 3.0) == 0.75


@pytest.mark.parametrize(("steps", "shift"), [(0, 3.0), (4, 0.0)])
def test_an_impossible_schedule_is_refused(steps, shift):
    with pytest.raises(ValueError, match="steps must be at least 1 and shift above 0"):
        flow_sigmas(steps, shift)
