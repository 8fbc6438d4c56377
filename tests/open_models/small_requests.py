"""Requests small enough for tiny checkpoints, and media for each kind of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from tiny_wan import ANY, FIRST_AND_LAST, FIRST_EXPERTS, FIRST_SEEN

from rushes.catalogue.card import Card
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.models.adapter import Frames, Inputs

SIDE, FRAMES = 64, 17


def small(card: Card, **asked: Any) -> ResolvedRequest:
    """A second of 64 by 64 pixels in four steps, as `card` settles it."""
    asked = {"prompt": "A penguin waddles", "negative_prompt": "blurry, text", "seed": 7, **asked}
    size = {"width": SIDE, "height": SIDE, "seconds": 1.0, "steps": 4}
    if card.rules.media.frame_images.needed and "media" not in asked:
        asked["media"] = Media(frame_images=tuple(FrameImage("x", at) for at in card.rules.media.frame_images.needed))
    request = VideoRequest(model=card.id, **{**size, **asked})
    return resolve(request, Catalogue([card]).find(card.id), lambda: 7)


def picture(seed: int, width: int = SIDE, height: int = SIDE) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def film(seed: int, frames: int) -> Frames:
    return np.stack([picture(seed + index) for index in range(frames)])


def sound(seed: int, seconds: float) -> Any:
    """(n, 2) at 48 kHz."""
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * 48_000), 2)).astype(np.float32)


INPUTS = {
    FIRST_SEEN: Inputs(keyframes=((0, picture(1)),)),
    FIRST_AND_LAST: Inputs(keyframes=((0, picture(1)), (FRAMES - 1, picture(2)))),
    FIRST_EXPERTS: Inputs(keyframes=((0, picture(1)), (FRAMES - 1, picture(2)))),
    ANY: Inputs(keyframes=((9, picture(1)),), lead_in_THWC=film(20, 5)),
}
