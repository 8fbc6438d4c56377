"""How a latent moves from one noise level to the next."""

from __future__ import annotations

from typing import Any

Array = Any  # a NumPy array or a torch tensor; both sides of a call hold the same kind
Level = float | Any  # one noise level for all, or an array of them whose shape broadcasts to the latent's


def velocity(latent: Array, clean: Array, sigma: Level) -> Array:
    """The direction of more noise, from what a model that predicts the clean latent says.

    Shapes  `latent` and `clean` alike, any shape.
    Units   sigma in (0, 1]; at 0 there is no noise left to have a direction.
    Source  x = (1 − sigma) clean + sigma noise, so dx/dsigma = noise − clean = (x − clean) / sigma.
    """
    return (latent - clean) / sigma


def euler_step(latent: Array, velocity: Array, sigma: Level, sigma_next: Level) -> Array:
    """Move the latent from noise level `sigma` to `sigma_next` along its velocity.

    Shapes  `latent` and `velocity` alike, any shape, same dtype; the result too.
    Units   sigma is 1.0 at pure noise and 0.0 at the finished latent.
    Source  Euler step of dx/dt = v(x, t); Lipman et al. 2022, section 2.
    """
    return latent + (sigma_next - sigma) * velocity


def renoised(clean: Array, noise: Array, sigma_next: Level) -> Array:
    """Go to noise level `sigma_next` from the predicted clean latent alone, with noise drawn afresh.

    What a step got wrong is drowned in new noise and judged again by the next one, where `euler_step` carries it on to
    the end. At `sigma_next` 0 nothing is left of the noise.

    Shapes  `clean` and `noise` alike, any shape, same dtype; the result too.
    Units   sigma as in `euler_step`.
    Source  the sampler of Song et al. 2020 (DDIM), equation 12, at the largest variance it allows; Song et al. 2023
            (consistency models), algorithm 1, takes the same steps.
    """
    return (1 - sigma_next) * clean + sigma_next * noise
