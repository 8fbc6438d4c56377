"""Sound as tokens: what is heard in tones and noises, and that it sounds alike when it comes back."""

from __future__ import annotations

import numpy as np
import pytest

from rushes.models.mini.config import HOPS_PER_SECOND
from rushes.models.mini.sound import (
    BANDS,
    HOP,
    OUT_RATE,
    RATE,
    VALUES,
    heard,
    of_tokens,
    sounded,
    to_tokens,
)

SECOND = np.arange(RATE) / RATE


def tone(hertz: float, height: float = 0.3) -> np.ndarray:
    return (height * np.sin(2 * np.pi * hertz * SECOND)).astype(np.float32)


def spectrum(samples: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    return np.fft.rfftfreq(len(samples), 1 / rate), power


@pytest.mark.parametrize("hertz", [150, 440, 1000, 3000])
def test_a_tone_is_heard_as_a_voice_and_comes_back_at_its_pitch_and_height(hertz: float) -> None:
    film = sounded(heard(tone(hertz)).astype(np.float32), seed=1)
    assert film.shape == (OUT_RATE, 2) and film.dtype == np.float32
    inner = film[OUT_RATE // 4 : -OUT_RATE // 4, 0]
    frequencies, power = spectrum(inner, OUT_RATE)
    assert frequencies[power.argmax()] == pytest.approx(hertz, rel=0.02)
    assert np.sqrt(2 * np.square(inner).mean()) == pytest.approx(0.3, rel=0.15)


def test_noise_comes_back_as_loud_and_of_the_same_colour() -> None:
    rng = np.random.default_rng(3)
    white = rng.normal(size=4 * RATE).astype(np.float32) * 0.1
    dull = np.convolve(white, np.ones(12) / 4, mode="same").astype(np.float32)
    for sound in (white, dull):
        film = sounded(heard(sound).astype(np.float32), seed=2)
        again = film[:: OUT_RATE // RATE, 0]  # nothing in it lies above 8 kHz
        assert again.std() == pytest.approx(sound.std(), rel=0.15)
        before, after = (heard(part)[8:-8, :BANDS].mean(0) for part in (sound, again))
        assert np.abs(before - after).max() < 0.25


def test_a_beat_stays_where_it_was() -> None:
    clicks = np.zeros(RATE, np.float32)
    rng = np.random.default_rng(5)
    for start in (2000, 8000, 13000):
        clicks[start : start + 600] = rng.normal(size=600) * 0.4
    film = sounded(heard(clicks).astype(np.float32), seed=3)[:, 0]
    loudness = np.square(film.reshape(-1, OUT_RATE * HOP // RATE)).mean(1)
    loudest = sorted(np.argsort(loudness)[-3:])
    assert [abs(at - (start + 300) / HOP) <= 1.5 for at, start in zip(loudest, (2000, 8000, 13000), strict=True)]
    assert loudness[10] < 0.01 * loudness.max()


def test_silence_is_silent_and_the_seed_fixes_the_sound() -> None:
    assert np.abs(sounded(heard(np.zeros(RATE, np.float32)).astype(np.float32), 1)).max() < 1e-3
    values = heard(np.random.default_rng(1).normal(size=RATE).astype(np.float32) * 0.1).astype(np.float32)
    assert np.array_equal(sounded(values, 4), sounded(values, 4))
    assert not np.array_equal(sounded(values, 4), sounded(values, 5))


@pytest.mark.parametrize(("hops", "width"), [(8, 128), (4, 96)])
def test_a_token_holds_some_hops_and_is_as_wide_as_one_of_pictures(hops: int, width: int) -> None:
    values = heard(tone(440)).astype(np.float32)
    tokens = to_tokens(values, hops, width)
    assert tokens.shape == (HOPS_PER_SECOND // hops, width)
    assert not tokens[:, hops * VALUES :].any()
    assert np.array_equal(of_tokens(tokens, hops), values)


def test_many_sounds_are_heard_as_each_alone() -> None:
    both = np.stack([tone(300), tone(900)])
    assert np.allclose(heard(both)[1], heard(both[1]), atol=1e-4)
