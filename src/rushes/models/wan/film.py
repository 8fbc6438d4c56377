"""Latents to frames and back. Decoding streams exactly: a latent frame at a time, as the decoder itself works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
from numpy.typing import NDArray


def decoded(latent_BCTHW: torch.Tensor, vae: Any) -> Iterator[NDArray[np.uint8]]:
    """Runs of frames (T, H, W, 3), the first of one frame, the others of as many as a latent frame holds."""
    for unit in _runs(latent_BCTHW, vae):
        yield (unit[0].permute(1, 2, 3, 0) * 255).round().to(torch.uint8).cpu().numpy()


def decoded_in_tiles(latent_BCTHW: torch.Tensor, vae: Any, side: int) -> Iterator[NDArray[np.uint8]]:
    """The same runs from a decoder that sees `side` latent places each way at a time: lossy, in far less memory.

    Tiles overlap by a quarter and fade into each other. The film waits in the host's memory until the last is there.
    """
    rows, cols = latent_BCTHW.shape[3:]
    film: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    lengths: list[int] = []
    for top, bottom in _spans(rows, side):
        for left, right in _spans(cols, side):
            runs = [unit[0].cpu().numpy() for unit in _runs(latent_BCTHW[:, :, :, top:bottom, left:right], vae)]
            lengths = [run.shape[1] for run in runs]
            tile_CTHW = np.concatenate(runs, axis=1)
            scale = tile_CTHW.shape[2] // (bottom - top)
            if film is None or weight is None:
                film = np.zeros((*tile_CTHW.shape[:2], rows * scale, cols * scale), np.float32)
                weight = np.zeros((rows * scale, cols * scale), np.float32)
            fade = np.minimum.outer(
                _fade(tile_CTHW.shape[2], side * scale // 4), _fade(tile_CTHW.shape[3], side * scale // 4)
            )
            place = np.s_[top * scale : bottom * scale, left * scale : right * scale]
            film[:, :, place[0], place[1]] += tile_CTHW * fade
            weight[place] += fade
    if film is None or weight is None:
        return
    start = 0
    for length in lengths:
        run_CTHW = film[:, start : start + length] / weight
        yield (run_CTHW.transpose(1, 2, 3, 0) * 255).round().clip(0, 255).astype(np.uint8)
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


def _spans(places: int, side: int) -> Iterator[tuple[int, int]]:
    """(0, side), … up to (places - side, places): every place in at least one, neighbours overlapping by a quarter."""
    if places <= side:
        yield 0, places
        return
    step = max(1, side - side // 4)
    starts = [*range(0, places - side, step), places - side]
    yield from ((start, start + side) for start in starts)


def _fade(length: int, overlap: int) -> NDArray[np.float32]:
    """A weight for each of `length` pixels: one in the middle, falling towards both ends, never zero."""
    ramp = np.arange(1, length + 1, dtype=np.float32) / (overlap + 1)
    return np.minimum(np.minimum(ramp, ramp[::-1]), 1.0).astype(np.float32)


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
