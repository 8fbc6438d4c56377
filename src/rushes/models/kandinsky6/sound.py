"""Latents of sound as samples."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rushes.media.resample import resampled
from rushes.models.kandinsky6.components import Components
from rushes.models.kandinsky6.layout import Layout
from rushes.models.sound import FILM_HZ

STREAM = 1 << 33  # of the seed's noise


def latents_for(num_frames: int, fps: float, layout: Layout) -> int:
    """How many latents of sound a film has beside it: none less than it lasts."""
    # In the library's own order, which decides where the last bit falls.
    return math.ceil(num_frames / fps * layout.sound_hz / layout.sound_hop)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def sounded(sound_BLC: Tensor, layout: Layout, parts: Components) -> NDArray[np.float32]:
    """Latents as (samples, 1) at 48 kHz: it hears in mono."""
    audio_vae = parts.audio_vae
    latent = sound_BLC.permute(0, 2, 1).to(audio_vae.dtype) / audio_vae.config.scaling_factor
    spectrum = audio_vae.decode(latent, return_dict=False)[0]
    del audio_vae  # it may have to give way to the next
    vocoder = parts.vocoder
    wave = vocoder(spectrum.to(vocoder.dtype), return_dict=False)[0][0, 0].float().cpu().numpy()
    return resampled(wave[:, None], layout.sound_hz, FILM_HZ)
