"""Batches of the pocket tier's films, drawn one by one on the CPU: few enough to be kept on disk as latents.

`training.render.draw` calls this for tier "pocket". `films.py` and `latents.py` draw single films instead.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import sprites
from training.captions import caption
from training.render import REFERENCE_FRAMES, REFERENCE_PX, WEIGHT_PX, Film, Films, draw_film, render
from training.world import FPS, GRIDS
from training.world import held_out as kept_out

SPRITES = Path(__file__).parent / "data" / "sprites"
FINEST_CELL = 32  # pixels to the side of a latent at which sprites and weather are drawn best


@cache
def _loops(shrink: int) -> list[Tensor]:
    return [F.avg_pool2d(frames, shrink) for frames in sprites.load(SPRITES)] if shrink > 1 else sprites.load(SPRITES)


def _cells(size: tuple[int, int]) -> tuple[int, int, int]:
    """Rows, columns and pixels to a cell of a picture. Raises ValueError when none of the grids fits."""
    for rows, cols in GRIDS.values():
        cell = size[0] // rows
        if (rows * cell, cols * cell) == size and FINEST_CELL % cell == 0:
            return rows, cols, cell
    raise ValueError(f"size {size}: the pocket tier draws the grids {GRIDS} times 8, 16 or 32 pixels")


def _reference(loop: Tensor, rng: torch.Generator, fps: int) -> Tensor:
    """The subject from a phase, in a size and on a plain colour of its own: (REFERENCE_FRAMES, 3, R, R) uint8."""
    phase, part, light = torch.rand(3, generator=rng).tolist()
    colour = 0.55 + 0.45 * torch.rand(3, 1, 1, generator=rng)
    at = torch.arange(REFERENCE_FRAMES) * FPS / fps + phase * len(loop)
    side = round(REFERENCE_PX * (0.6 + 0.38 * part))
    small = F.interpolate(loop[at.round().long() % len(loop)], (side, side), mode="bilinear", antialias=True)
    left, top = (torch.rand(2, generator=rng) * (REFERENCE_PX - side)).round().long().tolist()
    small = F.pad(small, (left, REFERENCE_PX - side - left, top, REFERENCE_PX - side - top))
    if light < 0.5:
        small = small.flip(3)
    picture = colour * (1 - small[:, 3:]) + small[:, :3]
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


def draw(
    count: int,
    seed: int,
    size: tuple[int, int],
    frames: int,
    fps: int,
    device: torch.device,
    held_out: bool,
    sound_rate: int,
    captions: int,
) -> Films:
    """See `training.render.draw`; silent, and drawn on the CPU whatever the device."""
    if sound_rate:
        raise ValueError("sound_rate: the pocket tier is silent")
    rows, cols, cell = _cells(size)
    loops = _loops(FINEST_CELL // cell)
    rng = torch.Generator().manual_seed(seed)
    drawn: list[Film] = []
    pictures, covers, references, said = [], [], [], []
    while len(drawn) < count:
        film = draw_film(rng)
        if kept_out(*film.key) != held_out:
            continue
        start_s = max(0.0, float(torch.rand((), generator=rng)) * 8 - 4)  # from the beginning half the time
        picture, cover = render(film, loops, rows, cols, start_s, frames, cell, fps)
        drawn.append(film)
        pictures.append(picture)
        covers.append(F.avg_pool2d(cover[:, None], WEIGHT_PX)[:, 0])
        references.append(_reference(loops[film.subject], rng, fps))
        said.append([caption(film, rng) for _ in range(captions)])
    clips = torch.stack(references).to(device)
    names = ("subject", "scene", "motion", "camera", "light", "weather")
    return Films(
        frames=torch.stack(pictures).to(device),
        fps=fps,
        sound=None,
        sound_rate=0,
        captions=said,
        weights=(torch.stack(covers) * 255).round().to(torch.uint8).to(device),
        reference=clips[:, 0],
        reference_clip=clips,
        labels={name: torch.tensor([getattr(film, name) for film in drawn], device=device) for name in names},
    )
