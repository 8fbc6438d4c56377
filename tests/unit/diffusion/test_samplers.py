from __future__ import annotations

from itertools import pairwise

import numpy as np

from rushes.diffusion.guidance import guided
from rushes.diffusion.noise import noise
from rushes.diffusion.samplers import euler_step, renoised, velocity
from rushes.diffusion.schedules import flow_sigmas


def test_a_model_that_knows_the_clean_latent_reaches_it_in_any_number_of_steps():
    clean, start = noise(1, (3, 4)), noise(2, (3, 4))
    for steps in (1, 2, 7):
        latent, sigmas = start, flow_sigmas(steps, 3.0)
        for sigma, sigma_next in pairwise(sigmas):
            latent = euler_step(latent, velocity(latent, clean, sigma), sigma, sigma_next)
        assert latent.dtype == np.float32
        assert np.allclose(latent, clean, atol=1e-6)


def test_a_half_way_step_lands_on_the_line_between_noise_and_clean():
    clean, start = noise(1, (5,)), noise(2, (5,))
    half = euler_step(start, velocity(start, clean, 1.0), 1.0, 0.5)
    assert np.allclose(half, 0.5 * clean + 0.5 * start, atol=1e-6)


def test_a_renoised_step_keeps_nothing_of_the_noise_before():
    clean, fresh = noise(1, (5,)), noise(3, (5,))
    assert np.array_equal(renoised(clean, fresh, 0.0), clean)
    assert np.array_equal(renoised(clean, fresh, 1.0), fresh)
    assert renoised(clean, fresh, np.float32(0.5)).dtype == np.float32


def test_guidance_leans_from_the_negative_through_the_positive_prediction():
    positive, negative = np.float32([1.0, 4.0]), np.float32([1.0, 2.0])
    assert guided(positive, negative, 0.0).tolist() == [1.0, 2.0]
    assert guided(positive, negative, 1.0).tolist() == [1.0, 4.0]
    assert guided(positive, negative, 3.0).tolist() == [1.0, 8.0]
    assert guided(positive, negative, 3.0).dtype == np.float32
