"""What pictures and clips come to: tokens that stand in for noise, or beside it at their own place in time.

What begins the film takes the place of its noise. What stands later is put behind the film's own tokens, with the
place and time that it belongs to, and is cut off at the end: so it may stand at any frame, not at latent frames alone.
A clip that a LoRA was taught to look at is put behind all of it, with the very places of the film.

"held"    (1, N, 1): how firmly each token is held, 1 is as it was given, 0 is free
"clean"   (1, N, C): what is given there, zeros elsewhere
"places"  (1, 3, K, 2): when and where the tokens behind the film's own are, in seconds and pixels, from and to
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.pipelines.ltx2.utils import apply_image_conditioning_crf
from torch import Tensor

from rushes.media.resize import Resize
from rushes.models.adapter import Frames, Inputs
from rushes.models.ltx2.components import Components
from rushes.models.ltx2.film import encoded, tokens
from rushes.models.ltx2.layout import Layout
from rushes.models.ltx2.state import Numbers

KEYFRAMES_STREAM = 1 << 34
"""Of the seed's noise, for what is held less than firmly."""


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Frames of a film, from frame `at` on, held at `strength`: 1 is as they are, 0 is not at all."""

    at: int
    frames_THWC: Frames
    strength: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """A clip of the film's size, from its first frame on, that the network looks at `shrunk` times smaller each way."""

    frames_THWC: Frames
    shrunk: int = 1


def held(inputs: Inputs, time: int) -> tuple[Held, ...]:
    """What `inputs` hold of the film, where `time` frames make a latent frame."""
    pictures = [Held(at, picture[None]) for at, picture in inputs.keyframes]
    lead_in = inputs.lead_in_THWC
    if lead_in is None:
        return tuple(pictures)
    whole = 1 + (len(lead_in) - 1) // time * time
    clips = [Held(0, lead_in[:whole])]
    if whole < len(lead_in):
        # Latent frames are whole: the clip's end is given once more, as a clip of its own that ends where it does.
        end = lead_in[-(1 + time) :] if len(lead_in) > time else lead_in[-1:]
        clips.append(Held(len(lead_in) - len(end), end))
    return (*clips, *pictures)


def laid_out(
    given: Sequence[Held], beside: Beside | None, numbers: Numbers, layout: Layout, parts: Components
) -> dict[str, Tensor]:
    """The tensors for what is `given` and what stands `beside`, by name; none where nothing is."""
    if not given and beside is None:
        return {}
    clean = torch.zeros(1, numbers.places, layout.channels, device=parts.device)
    firm = torch.zeros(1, numbers.places, 1, device=parts.device)
    behind: list[tuple[Tensor, Tensor, Tensor]] = []
    for item in given:
        latent = encoded(_pixels(item.frames_THWC, layout.picture_crf, parts.device), parts.vae)
        row = tokens(latent)
        if item.at == 0:
            clean[:, : row.shape[1]], firm[:, : row.shape[1]] = row, item.strength
        else:
            behind.append((row, torch.full_like(row[:, :, :1], item.strength), _places(item, latent, numbers, layout)))
    if beside is not None:
        latent = encoded(_levels(smaller(beside.frames_THWC, beside.shrunk), parts.device), parts.vae)
        row = tokens(latent)
        behind.append((row, torch.ones_like(row[:, :, :1]), _own_places(latent, beside.shrunk, numbers, layout)))
    said = {"clean": clean, "held": firm}
    if behind:
        rows, strengths, places = zip(*behind, strict=True)
        said = {"clean": torch.cat([clean, *rows], dim=1), "held": torch.cat([firm, *strengths], dim=1)}
        said["places"] = torch.cat(places, dim=2)
    return said


def _pixels(frames_THWC: Frames, crf: int, device: torch.device) -> Tensor:
    """(1, 3, T, H, W) in −1 … 1. A single picture is compressed first, as those that it was trained on were."""
    if len(frames_THWC) == 1:
        frames_THWC = apply_image_conditioning_crf(frames_THWC[0], crf)[None]
    return _levels(frames_THWC, device)


def _levels(frames_THWC: Frames, device: torch.device) -> Tensor:
    levels = torch.from_numpy(np.ascontiguousarray(frames_THWC)).to(device).to(torch.float32)
    return levels.permute(3, 0, 1, 2)[None] / 127.5 - 1.0


def _places(item: Held, latent: Tensor, numbers: Numbers, layout: Layout) -> Tensor:
    """(1, 3, tokens, 2): from when to when, and from where to where down and across, each token reaches."""
    places = _reach(latent, layout)
    # The film's first latent frame is one frame long, and the others begin after it. Here all are whole.
    places[:, 0] = places[:, 0] + item.at
    if len(item.frames_THWC) == 1:
        places[:, 0, :, 1:] = places[:, 0, :, :1] + 1
    places[:, 0] = places[:, 0] / numbers.fps
    return places


def _own_places(latent: Tensor, shrunk: int, numbers: Numbers, layout: Layout) -> Tensor:
    """The same of a clip whose tokens stand where the film's own do."""
    places = _reach(latent, layout)
    places[:, 0] = (places[:, 0] + 1 - layout.time).clamp(min=0) / numbers.fps
    places[:, 1:] = places[:, 1:] * shrunk
    return places


def _reach(latent: Tensor, layout: Layout) -> Tensor:
    """(1, 3, tokens, 2): the frames and pixels from and to which each token reaches, were all latent frames whole."""
    _, _, frames, rows, cols = latent.shape
    counts = (torch.arange(n, dtype=torch.float32, device=latent.device) for n in (frames, rows, cols))
    grid = torch.stack(torch.meshgrid(*counts, indexing="ij"))
    reach = torch.stack([grid, grid + 1], dim=-1).flatten(1, 3)[None]
    sizes = torch.tensor([layout.time, layout.space, layout.space], dtype=reach.dtype, device=reach.device)
    return reach * sizes.view(1, 3, 1, 1)


def smaller(frames_THWC: Frames, times: int) -> Frames:
    """`frames_THWC` so many times smaller each way, by which its sides can be divided."""
    height, width = frames_THWC.shape[1:3]
    resize = Resize(width, height, width // times, height // times, sharpen=False)
    return np.stack([resize(frame) for frame in frames_THWC])
