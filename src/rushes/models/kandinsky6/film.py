"""Latents to frames, some at a time, and a picture to what the encoder knows of its latent.

The decoder works through a film in stretches of time that overlap, each blended into the one before: so frames are
ready stretch by stretch, and are those of a film that is decoded at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rushes.media.resize import Resize
from rushes.models.adapter import Frames


def fitted(picture: Frames, width: int, height: int) -> Frames:
    """A picture of the whole film's size at that of its first stage."""
    if picture.shape[:2] == (height, width):
        return picture
    return Resize(picture.shape[1], picture.shape[0], width, height, sharpen=False)(picture)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def pictured(picture: Frames, vae: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and spread of the latent of a picture (H, W, 3), each (1, h, w, C): the latent is drawn from them."""
    values = torch.from_numpy(picture.astype(np.float32) / 255.0)
    pixels = (2.0 * values - 1.0).permute(2, 0, 1)[None, :, None].to(device)
    found = vae.encode(pixels.to(vae.dtype)).latent_dist
    return _channels_last(found.mean), _channels_last(found.std)


def drawn(mean: Tensor, spread: Tensor, noise: Tensor, vae: Any) -> Tensor:
    """The latent (1, 1, h, w, C) that `noise` picks, as the transformer knows latents."""
    return ((mean + spread * noise) * vae.config.scaling_factor)[:, None]


def decoded(latent_BTHWC: Tensor, vae: Any, *, tiles: bool = False) -> Iterator[NDArray[np.uint8]]:
    """Runs of frames (T, H, W, 3). With `tiles` each stretch of time is decoded in squares that overlap, too."""
    latent = latent_BTHWC.permute(0, 4, 1, 2, 3) / vae.config.scaling_factor
    ratio = vae.temporal_compression_ratio
    stretch, stride = vae.tile_sample_min_num_frames // ratio, vae.tile_sample_stride_num_frames // ratio
    blended, wanted = (stretch - stride) * ratio, 1 + (latent.shape[2] - 1) * ratio
    if latent.shape[2] <= stretch:
        stride = latent.shape[2]
    before, done = None, 0
    for start in range(0, latent.shape[2], stride):
        with torch.no_grad():
            made = _stretch(latent[:, :, start : start + stretch + 1].to(vae.dtype), vae, tiles=tiles)
            if before is not None:
                made = vae.blend_t(before, made[:, :, 1:], blended)
            run = made[:, :, : stride * ratio + (before is None)][:, :, : wanted - done]
            before, done = made, done + run.shape[2]
            # As float32 before anything else: bfloat16 has too few steps between black and white.
            values = (run[0].float() * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0)
            levels = (values * 255).round().to(torch.uint8).cpu().numpy()
        if len(levels):
            yield levels


def _stretch(latent: Tensor, vae: Any, *, tiles: bool) -> Tensor:
    side = vae.tile_sample_min_height // vae.spatial_compression_ratio
    if tiles and max(latent.shape[-2:]) > side:
        return vae.tiled_decode(latent, return_dict=False)[0]  # type: ignore[no-any-return, unused-ignore]
    return vae.decoder(vae.post_quant_conv(latent))  # type: ignore[no-any-return, unused-ignore]


def _channels_last(latent_BCTHW: Tensor) -> Tensor:
    return latent_BCTHW[:, :, 0].permute(0, 2, 3, 1).float()
