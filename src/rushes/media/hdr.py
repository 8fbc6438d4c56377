"""Inside the decode child: pictures of a high dynamic range as a screen without one shows them.

A phone's video is often HLG, a film's often PQ. Read as plain numbers both look grey and dull. Here code values become
light (ITU-R BT.2100), bright light is folded down by the knee of ITU-R BT.2390 to what white is in ordinary video
(203 cd/m², BT.2408), colours outside of BT.709 are cut, and the result is written with BT.1886's gamma.

Shapes  H rows, W columns.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18
"""Transfer characteristics of ITU-T H.273."""

WHITE_NITS, PEAK_NITS = 203.0, 1000.0
GAMMA = 2.4
CODES = 1 << 16
ROWS = 64  # of a picture at once: in floats it is six times as large, and this process has little memory
STEPS = 4096  # of the knee's table: between two of them it is straight

TO_709 = ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349), (-0.018151, -0.100579, 1.118730))
"""Linear BT.2020 to linear BT.709 (ITU-R BT.2087)."""

LUMINANCE = (0.2627, 0.6780, 0.0593)
Floats = NDArray[np.float32]


def to_sdr(codes_HW3: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """BT.2020 pictures of full-range 16-bit codes, `transfer` `PQ` or `HLG` → full-range 8-bit RGB in BT.709."""
    return np.concatenate([_strip(codes_HW3[top : top + ROWS], transfer) for top in range(0, len(codes_HW3), ROWS)])


def _strip(codes_HW3: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    light = _light(transfer)[codes_HW3]
    if transfer == HLG:  # the display's part: bright scenes have more contrast, by luminance so that hues stay
        luminance = sum(np.float32(part) * light[..., at] for at, part in enumerate(LUMINANCE))
        light *= (np.float32(PEAK_NITS) * np.maximum(luminance, np.float32(1e-6)) ** np.float32(0.2))[..., None]
    brightest = light.max(-1)
    nits, kept = _knee()
    light *= np.interp(brightest, nits, kept).astype(np.float32)[..., None]
    # Sums written out: a matrix product may add in another order on another kind of CPU.
    red, green, blue = (light[..., at] for at in range(3))
    shown = np.stack([np.float32(r) * red + np.float32(g) * green + np.float32(b) * blue for r, g, b in TO_709], -1)
    seen = np.clip(shown * np.float32(1 / WHITE_NITS), 0, 1)
    values: NDArray[np.uint8] = _written()[np.rint(seen * np.float32(CODES - 1)).astype(np.uint16)]
    return values


@cache
def _light(transfer: int) -> Floats:
    """Light of each 16-bit code: in cd/m² for PQ, 0 to 1 of the scene's for HLG."""
    value = np.arange(CODES) / (CODES - 1)
    if transfer == PQ:
        return np.asarray(_nits_of_pq(value), dtype=np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12).astype(np.float32)


@cache
def _written() -> NDArray[np.uint8]:
    """The 8-bit value of each of 65,536 steps of linear light."""
    return np.rint((np.arange(CODES) / (CODES - 1)) ** (1 / GAMMA) * 255).astype(np.uint8)


@cache
def _knee() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By the brightest of a pixel's three colours in cd/m²: what share of its light stays (BT.2390, from its knee on a
    Hermite spline in PQ values)."""
    code = np.linspace(0, 1, STEPS)
    peak, white = _pq_of_nits(PEAK_NITS), _pq_of_nits(WHITE_NITS) / _pq_of_nits(PEAK_NITS)
    source = np.minimum(code / peak, 1.0)
    knee = 1.5 * white - 0.5
    part = (source - knee) / (1 - knee)
    spline = (
        (2 * part**3 - 3 * part**2 + 1) * knee
        + (part**3 - 2 * part**2 + part) * (1 - knee)
        + (-2 * part**3 + 3 * part**2) * white
    )
    nits = _nits_of_pq(code)
    return nits, _nits_of_pq(np.where(source < knee, source, spline) * peak) / np.maximum(nits, 1e-6)


def _nits_of_pq(value: Any) -> Any:
    """SMPTE ST 2084."""
    power = np.power(value, 32 / 2523)
    return 10_000 * np.power(np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power), 16384 / 2610)


def _pq_of_nits(nits: Any) -> Any:
    power = np.power(nits / 10_000, 2610 / 16384)
    return np.power((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power), 2523 / 32)
