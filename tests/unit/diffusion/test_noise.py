"""Noise is the one thing every clip starts from, so its bytes are pinned."""

from __future__ import annotations

import hashlib
import math
from statistics import NormalDist

import numpy as np

from rushes.diffusion.noise import noise, normal_quantile, portable_log

GOLDEN = "3ba345fa75a5b592285b409c3cf43aad7cb962e44c051f91a82ab79cb0c1d7ee"
PHILOX_KNOWN_ANSWER = ["16554d9eca36314c", "db20fe9d672d0fdc", "d7e772cee186176b", "7e68b68aec7ba23b"]


def test_the_same_seed_gives_these_very_bytes_everywhere():
    drawn = noise(7, (16, 45, 64))
    little_endian = drawn.astype("<f4").tobytes()
    assert hashlib.sha256(little_endian).hexdigest() == GOLDEN


def test_the_bits_under_the_noise_are_those_of_philox_4x64():
    # Random123's known answer for counter 0 and key 0; NumPy counts up before it draws, hence from -1.
    minus_one, zero = np.full(4, 2**64 - 1, dtype=np.uint64), np.zeros(2, dtype=np.uint64)
    words = np.random.Philox(counter=minus_one, key=zero).random_raw(4)
    assert [f"{int(word):016x}" for word in words] == PHILOX_KNOWN_ANSWER


def test_seeds_and_streams_differ_from_each_other():
    drawn = {noise(seed, (8,), stream).tobytes() for seed in (0, 1, 2**63, 2**64 - 1) for stream in (0, 1)}
    assert len(drawn) == 8


def test_a_longer_clip_begins_with_the_noise_of_a_shorter_one():
    longer, shorter = noise(3, (9, 5, 7)), noise(3, (4, 5, 7))
    assert np.array_equal(longer[:4], shorter)


def test_shapes_and_type_are_as_asked_even_when_odd_or_empty():
    assert noise(1, (3, 5)).shape == (3, 5)
    assert noise(1, (3, 5)).dtype == np.float32
    assert noise(1, (0, 4)).shape == (0, 4)
    assert noise(1, ()).shape == ()


def test_the_values_are_standard_normal():
    drawn = noise(11, (1_000_000,)).astype(np.float64)
    assert abs(drawn.mean()) < 0.004
    assert abs(drawn.std() - 1) < 0.003
    assert abs((drawn**3).mean()) < 0.012
    assert abs((drawn**4).mean() - 3) < 0.03
    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 0.004


def test_the_quantile_agrees_with_the_standard_library():
    probabilities = (np.array([0, 1, 2, 77, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]) + 0.5) * 2.0**-32
    probabilities = np.concatenate([probabilities, np.linspace(1e-6, 1 - 1e-6, 5001)])
    expected = np.array([NormalDist().inv_cdf(float(p)) for p in probabilities])
    assert np.allclose(normal_quantile(probabilities), expected, rtol=1e-13, atol=1e-15)


def test_the_logarithm_agrees_with_the_c_library_to_the_last_bits():
    values = np.concatenate([np.geomspace(2.0**-34, 8.0, 2001), [0.5, 1.0, math.sqrt(0.5)]])
    expected = np.array([math.log(value) for value in values])
    assert np.allclose(portable_log(values), expected, rtol=4e-16, atol=4e-16)
