"""Sound at another rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MARGIN_S = 0.1  # of silence behind the sound, so that its end does not ring into its beginning


def resampled(samples: NDArray[np.float32], rate_hz: int, wanted_hz: int) -> NDArray[np.float32]:
    """(n, channels) at `rate_hz` → (m, channels) at `wanted_hz`, without what the lower of both cannot hold."""
    if rate_hz == wanted_hz:
        return samples
    margin = round(MARGIN_S * rate_hz)
    padded = np.concatenate([samples, np.zeros((margin, samples.shape[1]), samples.dtype)])
    # As long as a whole number of samples at both rates, or the pitch would move.
    whole = -(-len(padded) // rate_hz) * rate_hz
    length = whole // rate_hz * wanted_hz
    spectrum = np.fft.rfft(padded, whole, axis=0)[: min(whole, length) // 2 + 1]
    wide = np.fft.irfft(spectrum, length, axis=0) * (length / whole)
    return np.asarray(wide[: round(len(samples) * wanted_hz / rate_hz)].clip(-1, 1), dtype=np.float32)
