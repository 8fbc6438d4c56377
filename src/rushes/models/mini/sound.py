"""Sound as the transformer sees it: fourteen bands of noise and one voice, 32 times a second; and back to samples.

Why so little: the sound of this model's world is wind, waves, steps, splashes, chirps, hums and whistles, each either
a coloured noise or one gliding tone. Sixteen numbers a thirty-second of a second hold both, as many such hops as fit
fill one token of the transformer, and turning them back needs no second network: noise through moving filters and one
sine. A codec or a vocoder would weigh more than the whole video decoder and say little more.

Plain functions; `heard` works on NumPy arrays and torch tensors alike, since training hears on its accelerator.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.diffusion.noise import noise
from rushes.models.mini.config import HOPS_PER_SECOND

Array = Any  # a NumPy array or a torch tensor
Float32s = NDArray[np.float32]

RATE = 16_000  # samples a second that are listened to; nothing in this world sounds above 8 kHz
HOP = RATE // HOPS_PER_SECOND  # samples
WINDOW = 2 * HOP
BANDS = 14
VALUES = BANDS + 2  # of one hop: the bands' levels, the voice's level and its pitch

OUT_RATE = 48_000  # samples a second of a film's sound
VOICED = 0.35  # share of a hop's power in its strongest peak, from which on it is a voice and no noise
QUIETEST = 1e-8  # power of a band under which it is silent
PITCH_HZ = 800.0  # the pitch that is written as 0
STREAM = 1 << 33  # of the seed's noise; the low ones belong to the picture's steps

_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
_BIN_HZ = (np.arange(WINDOW // 2 + 1) * RATE / WINDOW).astype(np.float32)
_EDGES_HZ = 700 * (10 ** (np.linspace(0, 2595 * math.log10(1 + 8000 / 700), BANDS + 1) / 2595) - 1)
_BAND_OF_BIN = np.clip(np.searchsorted(_EDGES_HZ, _BIN_HZ, side="right") - 1, 0, BANDS - 1)
_MEANS = (np.eye(BANDS)[_BAND_OF_BIN] / np.bincount(_BAND_OF_BIN, minlength=BANDS)).astype(np.float32)
_SINGABLE = ((_BIN_HZ >= 100) & (_BIN_HZ <= 5000)).astype(np.float32)
_PEAK_OF_SINE = 1.5 * float(_HANN.sum()) ** 2 / float(np.square(_HANN).sum()) / 4  # three bins of a sine of height 1


def heard(samples: Array, xp: Any = np) -> Array:
    """What 1/32 s after 1/32 s of sound is like: (…, S) mono at `RATE` → (…, S // HOP, VALUES), each about −2 to 2.

    `xp` is the library that `samples` belongs to: numpy or torch.
    """

    def known(table: NDArray[Any]) -> Array:
        return table if xp is np else xp.asarray(table, device=samples.device)

    hops = samples.shape[-1] // HOP
    quiet = xp.zeros_like(samples[..., : HOP // 2])
    padded = xp.concatenate([quiet, samples[..., : hops * HOP], quiet], -1)
    at = known(np.arange(hops)[:, None] * HOP + np.arange(WINDOW)[None])
    power = xp.abs(xp.fft.rfft(padded[..., at] * known(_HANN))) ** 2 / float(np.square(_HANN).sum())
    sung = power * known(_SINGABLE)
    top = 1.0 * (sung >= xp.amax(sung, -1, keepdims=True)) * known(_SINGABLE)
    edge = xp.zeros_like(top[..., :1])
    near = xp.clip(top + xp.concatenate([top[..., 1:], edge], -1) + xp.concatenate([edge, top[..., :-1]], -1), 0, 1)
    around = power * near
    peak = around.sum(-1)
    pitch_hz = (around * known(_BIN_HZ)).sum(-1) / (peak + 1e-20)
    voiced = 1.0 * (peak > VOICED * power.sum(-1)) * (peak > 100 * QUIETEST)
    bands = (power * (1 - near * voiced[..., None])) @ known(_MEANS)
    loud = voiced * peak / _PEAK_OF_SINE
    voice = xp.stack(
        [(xp.log10(loud + 1e-6) + 3) / 1.5, voiced * xp.log2(xp.clip(pitch_hz, 50, 8000) / PITCH_HZ) / 2], -1
    )
    return xp.concatenate([(xp.log10(bands + QUIETEST) + 5) / 1.5, voice], -1)


def to_tokens(values: Array, hops: int, width: int, xp: Any = np) -> Array:
    """`hops` hops to a token, then zeros until it is as wide as one of pictures.

    Shapes  (…, H, VALUES) → (…, H // hops, `width`), `width` from `hops` · VALUES to twice that.
    """
    count, filled = values.shape[-2] // hops, hops * VALUES
    tokens = values[..., : count * hops, :].reshape(*values.shape[:-2], count, filled)
    return xp.concatenate([tokens, xp.zeros_like(tokens[..., : width - filled])], -1)


def of_tokens(tokens: Float32s, hops: int) -> Float32s:
    """What `to_tokens` made tokens of: (N, width) → (N · hops, VALUES)."""
    return tokens[:, : hops * VALUES].reshape(-1, VALUES)


def sounded(values: Float32s, seed: int) -> Float32s:
    """Hops (H, VALUES) as sound at `OUT_RATE`: (samples, 2) in −1 … 1, both sides alike."""
    mono = _noise(values[:, :BANDS], seed) + _voice(values[:, BANDS], values[:, BANDS + 1])
    wide = np.fft.irfft(np.fft.rfft(mono), len(mono) * OUT_RATE // RATE) * (OUT_RATE / RATE)
    return np.repeat(np.clip(wide, -1, 1)[:, None], 2, axis=1).astype(np.float32)


def to_mono(sound: Float32s, seconds: float) -> Float32s:
    """(samples, 2) at `OUT_RATE` → mono at `RATE`, exactly `seconds` long, with silence where it is shorter."""
    length = round(seconds * OUT_RATE)
    mono = np.zeros(length)
    given = sound[:length].mean(1)
    mono[: len(given)] = given
    fewer = round(seconds * RATE)
    return np.asarray(np.fft.irfft(np.fft.rfft(mono)[: fewer // 2 + 1], fewer) * (fewer / length), dtype=np.float32)


def _noise(levels: Float32s, seed: int) -> NDArray[np.float64]:
    """White noise through filters that move from hop to hop; square roots of Hann windows overlap to one."""
    hops = len(levels)
    power = np.maximum(10.0 ** (np.clip(levels, -3, 4) * 1.5 - 5) - 2 * QUIETEST, 0)
    gain = np.sqrt(power)[:, _BAND_OF_BIN]
    smooth = np.ones(5) / 5  # bins: no steps between bands
    gain = np.stack([np.convolve(row, smooth, mode="same") for row in gain])
    white = noise(seed, ((hops + 1) * HOP,), STREAM)
    at = np.arange(hops)[:, None] * HOP + np.arange(WINDOW)[None]
    frames = np.fft.irfft(np.fft.rfft(white[at] * np.sqrt(_HANN)) * gain, WINDOW) * np.sqrt(_HANN)
    mixed = np.zeros((hops + 1) * HOP)
    for hop, frame in enumerate(frames):
        mixed[hop * HOP : hop * HOP + WINDOW] += frame
    return mixed[HOP // 2 : HOP // 2 + hops * HOP]


def _voice(levels: Float32s, pitches: Float32s) -> NDArray[np.float64]:
    """One sine whose height and pitch glide between the middles of hops; silent where no voice was heard."""
    height = np.sqrt(np.maximum(10.0 ** (np.clip(levels, -3, 3) * 1.5 - 3) - 3e-6, 0))
    sings = np.flatnonzero(height > 0)
    if len(sings) == 0:
        return np.zeros(len(levels) * HOP)
    middle = (np.arange(len(levels)) + 0.5) * HOP
    at = np.arange(len(levels) * HOP)
    pitch_hz = PITCH_HZ * 2 ** (2 * np.interp(at, middle[sings], np.clip(pitches[sings], -2, 1.5)))
    return np.asarray(np.interp(at, middle, height) * np.sin(2 * np.pi * np.cumsum(pitch_hz) / RATE))
