"""Picture and clip as the transformer reads them: latents beside a mask of what is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from diffusers.modular_pipelines.wan_animate_2.denoise import decode_vae
from diffusers.modular_pipelines.wan_animate_2.encoders import clip_visual_encode, encode_vae, get_i2v_mask
from torch import Tensor

from rushes.models.adapter import Frames
from rushes.models.animate2.components import Components
from rushes.models.animate2.state import Numbers


def there_and_back(clip_THWC: Frames, frames: int) -> Frames:
    """`clip_THWC` with its movement run backwards and forwards again until it has so many frames."""
    forward = np.arange(len(clip_THWC))
    cycle = np.concatenate([forward, forward[::-1]])
    return clip_THWC[np.resize(cycle, frames)]


def pixels(frames_THWC: Frames, device: torch.device) -> Tensor:
    """uint8 frames as (1, 3, T, H, W) in −1 … 1."""
    values = torch.from_numpy(frames_THWC.astype(np.float32) / 255.0)
    return (2.0 * values - 1.0).permute(3, 0, 1, 2)[None].to(device)


def seen(picture: Frames, parts: Components) -> Tensor:
    """What CLIP makes of a picture (H, W, 3)."""
    encoder = parts.image_encoder
    features: Tensor = clip_visual_encode(
        encoder, pixels(picture[None], parts.device)[0, :, 0], parts.device, encoder.dtype
    )
    return features


def character(picture: Frames, parts: Components) -> Tensor:
    """(20, 1, h, w): that all of it is known, and the latent of a picture (H, W, 3)."""
    latent = encode_vae(parts.vae, pixels(picture[None], parts.device))[0]
    return _known(latent, 1)


def segments_of(clip_THWC: Frames, numbers: Numbers, parts: Components) -> Iterator[Tensor]:
    """The latent (1, 16, T, h, w) of each segment's stretch of the clip: the encoder begins anew with each."""
    whole = there_and_back(clip_THWC, numbers.frames_driven)
    for number in range(numbers.segments):
        start = number * (numbers.segment - numbers.carried)
        yield encode_vae(parts.vae, pixels(whole[start : start + numbers.segment], parts.device))


def driven(latent: Tensor) -> Tensor:
    """(20, T, h, w): that all of the clip's segment is known, and its latent."""
    return _known(latent[0], 1 + 4 * (latent.shape[2] - 1))


def beginning(character: Tensor, before_CTHW: Tensor | None, numbers: Numbers, parts: Components) -> Tensor:
    """What is known of a segment, (20, 1 + T, h, w): the character, and the last frames of the segment `before`."""
    known = torch.zeros(3, numbers.segment, numbers.height, numbers.width, device=parts.device)
    if before_CTHW is not None:
        known[:, : numbers.carried] = before_CTHW[:, -numbers.carried :]
    latent = encode_vae(parts.vae, known[None])[0]
    return torch.cat([character, _known(latent, 0 if before_CTHW is None else numbers.carried)], dim=1)


def decoded(latent: Tensor, parts: Components) -> Tensor:
    """A segment's frames, (3, T, H, W) in −1 … 1, of its latent (16, 1 + T, h, w): the picture's place comes first."""
    frames: Tensor = decode_vae(parts.vae, latent[:, 1:].float())[0]
    return frames


def _known(latent: Tensor, frames: int) -> Tensor:
    """`latent` (16, T, h, w) below four channels that say which frames of its pixels are known."""
    mask = get_i2v_mask(*latent.shape[1:], frames, device=latent.device).to(latent.dtype)
    return torch.cat([mask, latent], dim=0)
