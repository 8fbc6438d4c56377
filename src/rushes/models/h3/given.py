"""What a request brought along as the library's blocks take it: frames at both ends, or examples in their order."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.modular_pipelines.minimax_h3.references import (
    MiniMaxH3AudioReference,
    MiniMaxH3ImageReference,
    MiniMaxH3VideoReference,
)
from numpy.typing import NDArray
from PIL import Image

from rushes.media.resample import resampled
from rushes.models.adapter import Inputs

GIVEN_HZ = 48_000  # of every sound in a request


def ends_of(inputs: Inputs) -> dict[str, Any]:
    """Pictures to begin and to end with, by the blocks' names; the film is made at their size."""
    return {"image" if at == 0 else "last_image": Image.fromarray(picture) for at, picture in inputs.keyframes}


def examples(inputs: Inputs, rate_hz: int) -> list[Any]:
    """Pictures, clips with what sounds beside them, sounds; in the order in which a prompt counts each kind.

    `rate_hz` is the rate that the model listens at. How short and how narrow one may be stands on the card.
    """
    made: list[Any] = []
    heard = inputs.heard or (None,) * len(inputs.references)
    for reference, sound in zip(inputs.references, heard, strict=True):
        if len(reference) == 1:
            made.append(MiniMaxH3ImageReference(image=Image.fromarray(reference[0])))
            continue
        wave = {} if sound is None else {"audio": _wave(sound, rate_hz), "sample_rate": rate_hz}
        made.append(MiniMaxH3VideoReference(frames=reference, **wave))
    return made + [MiniMaxH3AudioReference(audio=_wave(voice, rate_hz), sample_rate=rate_hz) for voice in inputs.voices]


def _wave(sound: NDArray[np.float32], rate_hz: int) -> torch.Tensor:
    """(2, samples) at `rate_hz`."""
    return torch.from_numpy(np.ascontiguousarray(resampled(sound, GIVEN_HZ, rate_hz).T))
