"""How noisy a clip is at each step: the more there is of it, the longer it stays noisy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from rushes.models.solver import Solver

DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875)
"""What the makers distilled to; the last step goes to 0. As they publish them, to be taken as they are."""

REFINING_SIGMAS = (0.909375, 0.725, 0.421875)
"""Of the second stage: the end of the distilled ones, from where a film that was made smaller keeps its layout."""

KIND = "FlowMatchEulerDiscreteScheduler"


def scheduled(
    config: Mapping[str, Any], steps: int, tokens: int, device: torch.device, fixed: Sequence[float] = ()
) -> Solver:
    """The solver for a clip of `tokens` in `steps`; at the `fixed` noise levels, one a step, where there are some."""
    if fixed:
        # As they are: the checkpoint's own scheduler would move them.
        config = {**config, "use_dynamic_shifting": False, "shift_terminal": None}
        return Solver(KIND, config, steps, device, sigmas=list(fixed))
    levels = np.linspace(1.0, 1 / steps, steps)
    return Solver(KIND, config, steps, device, sigmas=levels, mu=shift_of(tokens, config))


def shift_of(tokens: int, config: Mapping[str, Any]) -> float:
    """How far the noise levels of a clip of `tokens` are moved up: along the line through two sizes."""
    small, large = config.get("base_image_seq_len", 1024), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.95), config.get("max_shift", 2.05)
    slope = (high - low) / (large - small)
    return float(tokens * slope + (low - slope * small))
