"""Who looks at whom between a film and the clip that drives it: each of its tokens at the whole film, and at the clip's
tokens of the same moment.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

BLOCK = 128  # tokens; film and clip are each filled up to whole blocks


def mask(frames: int, places: int, device: torch.device) -> Any:
    """For `frames` latent frames of a clip of `places` tokens each, and a film of one more: the character comes first.

    The library builds the same by compiling it, which takes minutes on a CPU and saves nothing there.
    """
    film, clip = (frames + 1) * places, frames * places
    behind, whole = _filled(film), _filled(film) + _filled(clip)

    def looks(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        of_clip = key - behind
        same = (of_clip >= 0) & (of_clip < clip) & (of_clip // places + 1 == query // places)
        return (query < film) & ((key < film) | same)

    return create_block_mask(looks, None, None, behind, whole, device=device, _compile=False)


def _filled(tokens: int) -> int:
    return math.ceil(tokens / BLOCK) * BLOCK
