"""Latents to frames and back. Decoding streams exactly: a latent frame at a time, as the decoder itself works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
from numpy.typing import NDArray

from rushes.models.tiles import in_tiles, levels


def decoded(latent_BCTHW: torch.Tensor, vae: Any) -> Iterator[NDArray[np.uint8]]:
    """Runs of frames (T, H, W, 3), the first of one frame, the others of as many as a latent frame holds."""
    for unit in _runs(latent_BCTHW, vae):
        yield (unit[0].permute(1, 2, 3, 0) * 255).round().to(torch.uint8).cpu().numpy()


def decoded_in_tiles(latent_BCTHW: torch.Tensor, vae: Any, side: int) -> Iterator[NDArray[np.uint8]]:
    """The same runs from a decoder that sees `side` latent places each way at a time: lossy, in far less memory."""
    lengths: list[int] = []

    def tile(part_BCTHW: torch.Tensor) -> NDArray[np.float32]:
        runs = [unit[0].cpu().numpy() for unit in _runs(part_BCTHW, vae)]
        lengths[:] = [run.shape[1] for run in runs]
        return np.concatenate(runs, axis=1)

    film_CTHW, start = in_tiles(latent_BCTHW, side, tile), 0
    for length in lengths:
        yield levels(film_CTHW[:, start : start + length])
        start += length


def _runs(latent_BCTHW: torch.Tensor, vae: Any) -> Iterator[torch.Tensor]:
    """Runs of pixels (1, 3, T, H, W) in 0 … 1, one for each latent frame.

    The decoder's memory of the frames before is a list of our own: the module's would be another decode's too.
    """
    mean, spread = statistics(vae, latent_BCTHW)
    with torch.no_grad():
        latent = vae.post_quant_conv(latent_BCTHW.to(vae.device, vae.dtype) / spread + mean)
    memory: list[Any] = [None] * vae._cached_conv_counts["decoder"]
    for index in range(latent.shape[2]):
        with torch.no_grad():
            first = {"first_chunk": True} if index == 0 else {}
            frames = vae.decoder(latent[:, :, index : index + 1], feat_cache=memory, feat_idx=[0], **first)
            if vae.config.patch_size is not None:
                frames = unpatchify(frames, patch_size=vae.config.patch_size)
            frames = (frames.clamp(-1.0, 1.0) * 0.5 + 0.5).clamp(0, 1)
        yield frames


def encoded(pixels_BCTHW: torch.Tensor, vae: Any) -> torch.Tensor:
    """The latent of pixels in −1 … 1: the middle of what the encoder gives, normalised; float32."""
    with torch.no_grad():
        latent = vae.encode(pixels_BCTHW.to(vae.device, vae.dtype)).latent_dist.mode().float()
    mean, spread = statistics(vae, latent)
    return (latent - mean) * spread


def pixels(frames_THWC: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Frames of 0 to 255 as (1, 3, T, H, W) in −1 … 1, float32."""
    # In NumPy and in this order of operations, as the library's own preprocessing has it: the bits are compared.
    unit = torch.from_numpy(np.ascontiguousarray(frames_THWC.transpose(3, 0, 1, 2)).astype(np.float32) / 255.0)
    return (2.0 * unit - 1.0)[None].to(device)


def statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and one over the deviation of each latent channel, as (1, C, 1, 1, 1)."""
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(like.device, like.dtype)
    return mean, 1.0 / torch.tensor(vae.config.latents_std).view(shape).to(like.device, like.dtype)
