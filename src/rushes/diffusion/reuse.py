"""Steps that take the velocity of the step before: where it hardly changes, the network need not be asked again.

How much it would change is estimated from how much it changed, per distance travelled, when it was last computed:
the idea of Zhou et al. 2025, "Less is enough: training-free video diffusion acceleration via runtime-adaptive
caching". What it remembers belongs to one clip and is saved with it: nothing stays in a network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """The last computed step: where the latent was, its velocity there, and how fast that changes.

    Shapes  `latent` and `velocity` alike.
    rate    change of velocity by distance, mean absolute both; infinite before two steps were computed.
    """

    latent: Any
    velocity: Any
    rate: float


def computed(before: Computed | None, latent: Any, velocity: Any) -> Computed:
    """What to remember of a step that was computed."""
    if before is None:
        return Computed(latent, velocity, math.inf)
    moved = _size(latent - before.latent)
    return Computed(latent, velocity, _size(velocity - before.velocity) / moved if moved else math.inf)


def drift(before: Computed | None, latent: Any) -> float:
    """How far the velocity at `latent` is likely from the computed one, as a share of its size."""
    if before is None or math.isinf(before.rate):
        return math.inf
    size = _size(before.velocity)
    return before.rate * _size(latent - before.latent) / size if size else math.inf


def all_computed(
    before: Mapping[str, Computed], latents: Mapping[str, Any], velocities: Mapping[str, Any]
) -> dict[str, Computed]:
    """What to remember of streams that one step computed."""
    return {name: computed(before.get(name), latent, velocities[name]) for name, latent in latents.items()}


def reused(before: Mapping[str, Computed], latents: Mapping[str, Any], step: int, steps: int, most: float) -> bool:
    """Whether `step` of so many takes the velocities of the last computed one: each has drifted less than `most`.

    Streams of one clip come of the same passes: none is left out where another needs them. The first step and the last
    are always computed; with a `most` of 0 all are.
    """
    if not most or step in (0, steps - 1):
        return False
    return all(drift(before.get(name), latent) < most for name, latent in latents.items())


def _size(values: Any) -> float:
    return float(abs(values).mean())
