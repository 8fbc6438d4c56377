"""A film's sound, cut where its frames are: no sample twice, none left out."""

from __future__ import annotations

import numpy as np

from rushes.models.sound import FILM_HZ, beside

FRAMES, FPS = (3, 1, 4), 7  # 48,000 samples are no whole number to a frame
RUNS = [np.zeros((frames, 2, 2, 3), np.uint8) for frames in FRAMES]
SAMPLES = round(sum(FRAMES) * FILM_HZ / FPS)


def shares(wave):
    chunks = list(beside(RUNS, FPS, wave))
    assert [len(chunk.frames_THWC) for chunk in chunks] == list(FRAMES)
    return [chunk.audio for chunk in chunks]


def test_shares_of_the_sound_come_to_all_of_it_and_end_with_the_film():
    wave = np.arange(2 * (SAMPLES + 100), dtype=np.float32).reshape(-1, 2)
    assert np.array_equal(np.concatenate(shares(wave)), wave[:SAMPLES])


def test_silence_follows_a_sound_that_is_shorter_than_the_film():
    heard = np.concatenate(shares(np.ones((FILM_HZ // 2, 2), np.float32)))
    assert len(heard) == SAMPLES
    assert (heard[: FILM_HZ // 2] == 1).all()
    assert not heard[FILM_HZ // 2 :].any()


def test_one_channel_is_heard_on_both_sides():
    wave = np.arange(SAMPLES, dtype=np.float32)[:, None]
    assert np.array_equal(np.concatenate(shares(wave)), np.repeat(wave, 2, 1))


def test_a_silent_film_has_no_sound():
    assert shares(None) == [None] * len(FRAMES)
