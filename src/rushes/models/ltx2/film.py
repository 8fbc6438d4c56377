"""Latents to frames and back. The decoder looks ahead as well as back, so it works on the whole film at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rushes.models.ltx2.state import Numbers


def tokens(latent_BCTHW: Tensor) -> Tensor:
    """A token for each place, frame by frame: (1, T × H × W, C)."""
    return latent_BCTHW.flatten(2).transpose(1, 2)


def latent_of(row_BNC: Tensor, numbers: Numbers) -> Tensor:
    """The film's latent, (1, C, T, H, W), out of its tokens; those behind them are what was given."""
    return row_BNC[:, : numbers.places].transpose(1, 2).unflatten(2, (numbers.frames, numbers.rows, numbers.cols))


def decoded(latent_BCTHW: Tensor, vae: Any, time: int) -> Iterator[NDArray[np.uint8]]:
    """Runs of frames (T, H, W, 3), the first of one frame, the others of as many as a latent frame holds."""
    mean, spread = _statistics(vae, latent_BCTHW)
    with torch.no_grad():
        pixels = vae.decode((latent_BCTHW * spread + mean).to(vae.dtype), None, return_dict=False)[0]
        pixels = (pixels * 0.5 + 0.5).clamp(0, 1)
    done = 0
    while done < pixels.shape[2]:
        run = pixels[0, :, done : done + (time if done else 1)]
        done += run.shape[1]
        yield (run.permute(1, 2, 3, 0).float() * 255).round().to(torch.uint8).cpu().numpy()


def encoded(pixels_BCTHW: Tensor, vae: Any) -> Tensor:
    """The latent of pixels in −1 … 1: the middle of what the encoder gives, normalised; float32."""
    latent = vae.encode(pixels_BCTHW.to(vae.dtype)).latent_dist.mode()
    mean, spread = _statistics(vae, latent)
    normal: Tensor = ((latent - mean) / spread).float()
    return normal


def _statistics(vae: Any, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each latent channel, as (1, C, 1, 1, 1)."""
    shape = (1, -1, 1, 1, 1)
    return vae.latents_mean.view(shape).to(like), vae.latents_std.view(shape).to(like) / vae.config.scaling_factor
