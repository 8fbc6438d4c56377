"""Latents to frames and back. The decoder looks ahead as well as back, so it works on the whole film at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rushes.models.ltx2.state import Numbers
from rushes.models.tiles import in_tiles, levels


def tokens(latent_BCTHW: Tensor) -> Tensor:
    """A token for each place, frame by frame: (1, T × H × W, C)."""
    return latent_BCTHW.flatten(2).transpose(1, 2)


def latent_of(row_BNC: Tensor, numbers: Numbers) -> Tensor:
    """The film's latent, (1, C, T, H, W), out of its tokens; those behind them are what was given."""
    return row_BNC[:, : numbers.places].transpose(1, 2).unflatten(2, (numbers.frames, numbers.rows, numbers.cols))


def decoded(latent_BCTHW: Tensor, vae: Any, time: int) -> Iterator[NDArray[np.uint8]]:
    """Runs of frames (T, H, W, 3), the first of one frame, the others of as many as a latent frame holds."""
    pixels = _pixels(latent_BCTHW, vae)
    for start, end in _runs(pixels.shape[2], time):
        yield (pixels[0, :, start:end].permute(1, 2, 3, 0).float() * 255).round().to(torch.uint8).cpu().numpy()


def decoded_in_tiles(latent_BCTHW: Tensor, vae: Any, time: int, side: int) -> Iterator[NDArray[np.uint8]]:
    """The same runs from a decoder that sees `side` latent places each way at a time: lossy, in far less memory."""
    film_CTHW = in_tiles(latent_BCTHW, side, lambda tile: _pixels(tile, vae)[0].float().cpu().numpy())
    for start, end in _runs(film_CTHW.shape[1], time):
        yield levels(film_CTHW[:, start:end])


def _pixels(latent_BCTHW: Tensor, vae: Any) -> Tensor:
    """(1, 3, T, H, W) in 0 … 1."""
    with torch.no_grad():
        pixels = vae.decode(denormalised(latent_BCTHW, scale_of(vae)).to(vae.dtype), None, return_dict=False)[0]
        return (pixels * 0.5 + 0.5).clamp(0, 1)


def _runs(num_frames: int, time: int) -> Iterator[tuple[int, int]]:
    yield 0, 1
    yield from ((start, start + time) for start in range(1, num_frames, time))


def encoded(pixels_BCTHW: Tensor, vae: Any) -> Tensor:
    """The latent of pixels in −1 … 1: the middle of what the encoder gives, normalised; float32."""
    latent = vae.encode(pixels_BCTHW.to(vae.dtype)).latent_dist.mode()
    return normalised(latent, scale_of(vae)).float()


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Mean and deviation of each latent channel, as (1, C, 1, 1, 1). Of its own: the autoencoder may go meanwhile."""

    mean: Tensor
    spread: Tensor


def scale_of(vae: Any) -> Scale:
    shape = (1, -1, 1, 1, 1)
    return Scale(vae.latents_mean.clone().view(shape), vae.latents_std.view(shape) / vae.config.scaling_factor)


def normalised(latent_BCTHW: Tensor, scale: Scale) -> Tensor:
    """What the transformer works on, of what the encoder gives."""
    return (latent_BCTHW - scale.mean.to(latent_BCTHW)) / scale.spread.to(latent_BCTHW)


def denormalised(latent_BCTHW: Tensor, scale: Scale) -> Tensor:
    """What the decoder reads, of what the transformer works on."""
    return latent_BCTHW * scale.spread.to(latent_BCTHW) + scale.mean.to(latent_BCTHW)
