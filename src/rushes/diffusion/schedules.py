"""Which noise levels a clip passes through on its way from noise to picture."""

from __future__ import annotations


def flow_sigmas(steps: int, shift: float) -> tuple[float, ...]:
    """Noise levels of a flow-matching run: `steps` + 1 values falling from 1.0 (noise) to 0.0 (clean).

    `shift` above 1 spends more of the steps at high noise, where layout and motion are decided;
    1 spaces them evenly.

    Errors  ValueError when steps < 1 or shift <= 0.
    Source  Esser et al. 2024 (Stable Diffusion 3), section 5.3.2.
    """
    if steps < 1 or shift <= 0:
        raise ValueError(f"steps must be at least 1 and shift above 0; given {steps} and {shift}")
    return tuple(shifted(1.0 - step / steps, shift) for step in range(steps + 1))


def shifted(sigma: float, shift: float) -> float:
    """Move a noise level towards noise; 0.0 and 1.0 stay where they are."""
    return shift * sigma / (1.0 + (shift - 1.0) * sigma)
