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

from rushes.errors import GenerationFailed
from rushes.media.resample import resampled
from rushes.models.adapter import Frames, Inputs

GIVEN_HZ = 48_000  # of every sound in a request
LEAST_FRAMES = 13
"""Of a clip: the text encoder looks at two frames a second, two of them at a time."""
LONGEST = 4  # times as long as it is wide, of a picture or clip that is an example


def ends_of(inputs: Inputs) -> dict[str, Any]:
    """Pictures to begin and to end with, by the blocks' names; the film is made at their size."""
    return {"image" if at == 0 else "last_image": Image.fromarray(picture) for at, picture in inputs.keyframes}


def examples(inputs: Inputs, rate_hz: int) -> list[Any]:
    """Pictures, clips with what sounds beside them, sounds; in the order in which a prompt counts each kind.

    `rate_hz` is the rate that the model listens at.
    Errors  GenerationFailed where one is too short or too narrow for the model.
    """
    made: list[Any] = []
    heard = inputs.heard or (None,) * len(inputs.references)
    for reference, sound in zip(inputs.references, heard, strict=True):
        _check_shape(reference)
        if len(reference) == 1:
            made.append(MiniMaxH3ImageReference(image=Image.fromarray(reference[0])))
            continue
        if len(reference) < LEAST_FRAMES:
            raise GenerationFailed("a reference clip is shorter than half a second, too short to be looked at")
        wave = {} if sound is None else {"audio": _wave(sound, rate_hz), "sample_rate": rate_hz}
        made.append(MiniMaxH3VideoReference(frames=reference, **wave))
    return made + [MiniMaxH3AudioReference(audio=_wave(voice, rate_hz), sample_rate=rate_hz) for voice in inputs.voices]


def _check_shape(reference: Frames) -> None:
    height, width = reference.shape[1:3]
    if max(height, width) > LONGEST * min(height, width):
        raise GenerationFailed(f"a reference of {width}×{height} is more than {LONGEST} times as long as it is wide")


def _wave(sound: NDArray[np.float32], rate_hz: int) -> torch.Tensor:
    """(2, samples) at `rate_hz`."""
    return torch.from_numpy(np.ascontiguousarray(resampled(sound, GIVEN_HZ, rate_hz).T))
