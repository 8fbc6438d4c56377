"""Sound at another rate keeps its length, pitch and height, and loses only what the new rate cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.media.resample import resampled


def tone(hertz: float, rate_hz: int, seconds: float = 1.37) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([0.5 * np.sin(2 * np.pi * hertz * time_s), 0.2 * np.cos(2 * np.pi * hertz * time_s)], 1).astype(
        np.float32
    )


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 96_000])
def test_a_tone_keeps_pitch_height_and_sides(rate_hz: int) -> None:
    made, true = resampled(tone(440, rate_hz), rate_hz, 48_000), tone(440, 48_000)
    assert made.dtype == np.float32 and abs(len(made) - len(true)) <= 1
    inner = slice(2_000, min(len(made), len(true)) - 2_000)
    assert np.abs(made[inner] - true[inner]).max() < 0.01


def test_what_the_new_rate_cannot_hold_is_left_out() -> None:
    assert np.abs(resampled(tone(15_000, 48_000), 48_000, 16_000)[200:-200]).max() < 0.01


def test_the_same_rate_is_the_same_sound() -> None:
    sound = tone(300, 48_000)
    assert resampled(sound, 48_000, 48_000) is sound
