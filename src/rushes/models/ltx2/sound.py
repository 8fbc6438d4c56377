"""Sound as latents: samples to the spectrogram that the family listens to, and that to tokens; and the way back."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.audio_utils import mel_filter_bank

from rushes.media.resample import resampled
from rushes.models.ltx2.components import Components
from rushes.models.ltx2.layout import SOUND_SHRUNK, Layout
from rushes.models.sound import FILM_HZ, lasting

STREAM = 1 << 33  # of the seed's noise
WINDOW = 1024  # samples
QUIETEST = 1e-5  # of a bin; its logarithm is silence

Samples = NDArray[np.float32]


def heard(samples: Samples, seconds: float, sounds: int, layout: Layout, parts: Components) -> Tensor:
    """The first `seconds` of (n, 2) samples at 48 kHz as (1, sounds, width); silence where they end before."""
    whole = lasting(samples, round(seconds * FILM_HZ))
    # A little more silence than the latents need: the last of them looks at whole hops.
    wave = torch.from_numpy(resampled(whole, FILM_HZ, layout.sound_hz).T.copy())
    wave = torch.nn.functional.pad(wave, (0, 2 * SOUND_SHRUNK * layout.sound_hop))
    spectrum = _spectrum(wave, layout)[None].to(parts.device)
    latent = parts.audio_vae.encode(spectrum.to(parts.audio_vae.dtype)).latent_dist.mode().float()
    return normalised(latent[:, :, :sounds].transpose(1, 2).flatten(2, 3), parts.audio_vae)


def normalised(row_BNC: Tensor, audio_vae: Any) -> Tensor:
    """What the transformer works on, of what the encoder gives."""
    return (row_BNC - audio_vae.latents_mean.to(row_BNC)) / audio_vae.latents_std.to(row_BNC)


def denormalised(sound_BNC: Tensor, audio_vae: Any) -> Tensor:
    """What the decoder reads, of what the transformer works on."""
    return sound_BNC * audio_vae.latents_std.to(sound_BNC) + audio_vae.latents_mean.to(sound_BNC)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def sounded(sound_BNC: Tensor, layout: Layout, parts: Components) -> Samples:
    """Tokens as (samples, 2) at 48 kHz."""
    audio_vae = parts.audio_vae
    latent = denormalised(sound_BNC, audio_vae).unflatten(2, (-1, layout.sound_bins)).transpose(1, 2)
    spectrum = audio_vae.decode(latent.to(audio_vae.dtype), return_dict=False)[0]
    del audio_vae  # it may have to give way to the next
    wave = parts.vocoder(spectrum)[0]
    return resampled(wave.float().clamp(-1, 1).T.contiguous().cpu().numpy(), layout.heard_hz, FILM_HZ)


def _spectrum(wave: Tensor, layout: Layout) -> Tensor:
    """(2, samples) as (2, hops, bins): the logarithm of how loud each bin is."""
    fourier = torch.stft(
        wave,
        WINDOW,
        layout.sound_hop,
        window=torch.hann_window(WINDOW),
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    bins = _bank(layout.sound_bins * SOUND_SHRUNK, layout.sound_hz)
    return torch.log(torch.clamp(fourier.abs().transpose(1, 2) @ bins, min=QUIETEST))


@lru_cache(maxsize=2)
def _bank(bins: int, rate_hz: int) -> Any:
    bank = mel_filter_bank(WINDOW // 2 + 1, bins, 0.0, rate_hz / 2, rate_hz, norm="slaney", mel_scale="slaney")
    return torch.from_numpy(bank.astype(np.float32))
