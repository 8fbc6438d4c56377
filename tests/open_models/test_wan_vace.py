"""What VACE is given, each kind and all at once, as the library's own pipeline has it: bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanVACEPipeline
from PIL import Image
from small_requests import FRAMES, SIDE, film, picture
from test_wan_equals_stock import GREY, held_together
from tiny_wan import ANY

from rushes.catalogue.card import Card
from rushes.models.adapter import Inputs

REFERENCES = (picture(60, 48, 48)[None], picture(61, 80, 80)[None])
SOURCE = film(40, FRAMES)
HALF = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
HALF[:, :, SIDE // 2 :] = 255


def stock(frames: dict[int, Any], changes: np.ndarray, references: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The arguments of the library's pipeline: a film, grey where nothing is known, and where it is made anew."""
    known = np.stack([frames.get(index, GREY).astype(np.float32) for index in range(FRAMES)])
    told: dict[str, Any] = {
        "video": torch.from_numpy(known.transpose(0, 3, 1, 2) / np.float32(255.0))[None],
        "mask": torch.from_numpy(changes.astype(np.float32))[None, :, None],
    }
    if references:
        told["reference_images"] = [Image.fromarray(reference[0]) for reference in references]
    return told


def changed_but(kept: set[int]) -> np.ndarray:
    return np.stack([np.full((SIDE, SIDE), float(frame not in kept)) for frame in range(FRAMES)])


CASES = {
    "references": (Inputs(references=REFERENCES), stock({}, changed_but(set()), REFERENCES)),
    "masked edit": (
        Inputs(source_THWC=SOURCE, source_mask_THW=HALF),
        stock(dict(enumerate(SOURCE)), HALF / 255),
    ),
    "keyframes anywhere": (
        Inputs(keyframes=((0, picture(1)), (7, picture(2)), (16, picture(3)))),
        stock({0: picture(1), 7: picture(2), 16: picture(3)}, changed_but({0, 7, 16})),
    ),
    "all at once": (
        Inputs(
            keyframes=((12, picture(1)),),
            lead_in_THWC=film(20, 5),
            source_THWC=SOURCE,
            source_mask_THW=HALF,
            references=REFERENCES[:1],
        ),
        stock(
            {**dict(enumerate(SOURCE)), **dict(enumerate(film(20, 5))), 12: picture(1)},
            HALF / 255 * changed_but({0, 1, 2, 3, 4, 12}),
            REFERENCES[:1],
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_given_is_laid_out_as_in_the_stock_pipeline(tiny_card: Callable[..., Card], case: str) -> None:
    inputs, told = CASES[case]
    held_together(tiny_card(ANY), inputs, WanVACEPipeline, **told)
