"""The second stage of a film larger than one pass makes well: encoded anew, doubled as latents, refined in tiles.

The film of the first stage is decoded, stretched by an eighth and encoded by another autoencoder. Tiles of that latent,
which overlap, are doubled one after the other, get noise, and take the steps of another transformer, which reads no
words. Decoded, they fade into each other. A step of the clip is one step of one tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kandinsky6_sr import SEGMENT_FRAMES
from diffusers.pipelines.kandinsky6.pipeline_kandinsky6_sr import _hann_window_2d, _tile_positions
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from rushes.models.adapter import Frames
from rushes.models.kandinsky6.components import EnlargingComponents
from rushes.models.kandinsky6.enlarger import DOUBLING, Enlarger
from rushes.models.kandinsky6.state import KandinskyState
from rushes.models.solver import FRESH, Solver

STREAM = 1 << 35
"""Of the seed's noise, for the first tile; each has one of its own."""
NOISE, OVERLAP = 0.7, 0.2
"""The library's own: how much of a tile is noise when it begins, and what it shares with its neighbour."""
DARKER, LIGHTER = 127.5 / 128, 128 / 127.5  # this autoencoder was trained on levels divided by 128

SHORT = 4
"""Frames that the autoencoder works through at a time where memory is short, instead of the library's sixteen: the last
bits differ."""

Noise = Callable[[Sequence[int], int], Tensor]
"""Of that shape out of a stream of a seed."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the tiles of a film lie, in pixels of the film as it is encoded: (top, left) of each, of one size."""

    width: int
    height: int
    tile_width: int
    tile_height: int
    corners: tuple[tuple[int, int], ...]


def laid_out(enlarger: Enlarger, width: int, height: int) -> Grid:
    """The tiles of a film whose first stage has this size."""
    across, down = enlarger.stretched(width), enlarger.stretched(height)
    tile_height, tile_width = (side // DOUBLING for side in enlarger.tile(across, down))
    tops = _tile_positions(down, tile_height, OVERLAP, enlarger.space)
    lefts = _tile_positions(across, tile_width, OVERLAP, enlarger.space)
    return Grid(across, down, tile_width, tile_height, tuple((top, left) for top in tops for left in lefts))


class SecondStage:
    """What an adapter does in it. Its parts load when they are needed."""

    def __init__(self, parts: EnlargingComponents) -> None:
        self.parts, self.enlarger = parts, parts.enlarger
        found = self.enlarger.checkpoint
        self._solver = Solver(
            found.parts["scheduler"], found.config("scheduler"), self.enlarger.steps, parts.kept.device
        )

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def begun(self, state: KandinskyState, film: Sequence[Frames], grid: Grid, *, short: bool) -> KandinskyState:
        """The beginning of the second stage: `film` is the first one's, in runs of frames (T, H, W, 3).

        Nothing is read any more of what was given.
        """
        frames, parts = SHORT if short else SEGMENT_FRAMES, self.parts
        return replace(
            state,
            condition=replace(state.condition, given={}),
            first_BTHWC=None,
            heading_BTHWC=None,
            computed={},
            small_BCTHW=encoded(np.concatenate(film), grid, parts.vae, parts.kept.device, frames),
        )

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: KandinskyState, at: int, grid: Grid, noise: Noise) -> KandinskyState:
        """Step `at` of this stage, which is of one tile."""
        number, step = divmod(at, self.enlarger.steps)
        tiles = state.tiles if step else (*state.tiles, self._tile(state, number, grid, noise))
        latent = tiles[-1]
        # Other checkpoints of its makers are led by frames that are given; this one is told that there are none.
        none = torch.zeros_like(latent), torch.zeros_like(latent[..., :1])
        said = self.parts.transformer(
            hidden_states=torch.cat([latent, *none], dim=-1),
            timestep=self._solver.timesteps[step].expand(1),
            return_dict=False,
        )[0]
        moved, _ = self._solver.step(said, step, latent, FRESH)
        return replace(state, tiles=(*tiles[:-1], moved), index=state.index + 1)

    def decoded(self, state: KandinskyState, grid: Grid, *, short: bool) -> Iterator[NDArray[np.uint8]]:
        return decoded(state.tiles, grid, self.parts.vae, SHORT if short else SEGMENT_FRAMES)

    def _tile(self, state: KandinskyState, number: int, grid: Grid, noise: Noise) -> Tensor:
        """The tile of that `number` before its first step, (1, T, h, w, C)."""
        small, space, dtype = state.small_BCTHW, self.enlarger.space, self.parts.dtype
        if small is None:
            raise ValueError("this clip has not begun its second stage")
        top, left = (corner // space for corner in grid.corners[number])
        cut = small[:, :, :, top : top + grid.tile_height // space, left : left + grid.tile_width // space]
        doubled = self.parts.latent_upscaler(cut, scale=DOUBLING, return_dict=False)[0].to(dtype)
        doubled = doubled.permute(0, 2, 3, 4, 1)
        drawn = noise(doubled.shape, STREAM + number).to(dtype)
        return math.sqrt(1 - NOISE**2) * doubled + NOISE * drawn


def encoded(film_THWC: Frames, grid: Grid, vae: Any, device: torch.device, frames: int = SEGMENT_FRAMES) -> Tensor:
    """The latent (1, C, T, h, w) of a film, so many `frames` at a time."""
    cache, found = vae.encoder.make_cache(), []
    for start, end in _stretches(len(film_THWC), frames):
        values = torch.from_numpy(film_THWC[start:end].astype(np.float32) / 255.0).permute(0, 3, 1, 2).to(device)
        size = (grid.height, grid.width)
        larger = interpolate(2.0 * values - 1.0, size=size, mode="bilinear", align_corners=False)
        pixels = larger.permute(1, 0, 2, 3)[None].to(vae.dtype)
        found.append(vae.encoder((pixels + 1) * DARKER - 1, cache).chunk(2, dim=1)[0])
    latent: Tensor = torch.cat(found, dim=2) * vae.config.scaling_factor
    return latent


def decoded(tiles: Sequence[Tensor], grid: Grid, vae: Any, frames: int = SEGMENT_FRAMES) -> Iterator[NDArray[np.uint8]]:
    """Runs of frames (T, H, W, 3), as soon as the last tile gives them; the others wait in the host's memory."""
    height, width = DOUBLING * grid.tile_height, DOUBLING * grid.tile_width
    window = _hann_window_2d(height, width, tiles[0].device)
    length = 1 + (tiles[0].shape[1] - 1) * vae.temporal_compression_ratio
    film = torch.zeros((3, length, DOUBLING * grid.height, DOUBLING * grid.width))
    weight = torch.zeros(film.shape[2:])
    places = [(slice(y, y + height), slice(x, x + width)) for y, x in (_doubled(corner) for corner in grid.corners)]
    for place in places:
        weight[place] += window.cpu()
    for number, (tile, (rows, cols)) in enumerate(zip(tiles, places, strict=True), 1):
        done = 0
        for made in _decoded(tile, vae, frames):
            run = slice(done, done + made.shape[1])
            film[:, run, rows, cols] += (made * window).cpu()
            done = run.stop
            if number == len(tiles):
                values = ((film[:, run] / weight).clamp(-1, 1) * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0)
                yield (values * 255).round().to(torch.uint8).numpy()


def _decoded(tile_BTHWC: Tensor, vae: Any, frames: int) -> Iterator[Tensor]:
    """Stretches of frames (3, T, H, W) in -1 … 1, float32: those of a tile that is decoded at once."""
    latent = tile_BTHWC.permute(0, 4, 1, 2, 3).to(vae.dtype) / vae.config.scaling_factor
    cache = vae.decoder.make_cache()
    for start, end in _stretches(latent.shape[2], frames // vae.temporal_compression_ratio):
        with torch.no_grad():
            made = vae.decoder(latent[:, :, start:end], cache)[0]
        yield ((made.float() + 1) * LIGHTER - 1).clamp(-1, 1)


def _stretches(length: int, stride: int) -> Iterator[tuple[int, int]]:
    """From where to where the autoencoder works at a time, the first time with one more.

    It keeps what the next stretch needs, so that these may be of any length.
    """
    start = 0
    while start < length:
        end = min(start + stride + (start == 0), length)
        yield start, end
        start = end


def _doubled(corner: tuple[int, int]) -> tuple[int, int]:
    return DOUBLING * corner[0], DOUBLING * corner[1]
