"""Which parts of a pipeline work at which stage, and what they take. What is made meanwhile is each family's own."""

from __future__ import annotations

from collections.abc import Callable

from rushes.models.parts import DENOISERS, READERS, How, Needs
from rushes.models.waiting import WaitingNetworks

Made = Callable[[str, str], float]
"""The bytes that are made at a stage while a part works."""


def needs(networks: WaitingNetworks, how: How, *, pictures: bool, made: Made, error: float) -> Needs:
    """What a clip needs; `pictures` whether some are given."""
    stages = (
        networks.stage(how, name, part, made(name, part))
        for part in networks.keys
        for name in _stages_of(part, pictures)
    )
    return Needs(tuple(stages), error)


def weights_alone(networks: WaitingNetworks, how: How, *, pictures: bool) -> Needs:
    """Of a pipeline whose inner shapes nobody wrote down: its parts, and nothing for what is made meanwhile."""
    return needs(networks, how, pictures=pictures, made=lambda stage, part: 0.0, error=0.0)


def _stages_of(part: str, pictures: bool) -> tuple[str, ...]:
    if part.startswith(DENOISERS):
        return ("steps",)
    if part.startswith(READERS):
        return ("words",)
    if part == "vae":
        return ("pictures", "decoding") if pictures else ("decoding",)
    if part == "image_encoder":
        return ("pictures",) if pictures else ()
    return ("decoding",)
