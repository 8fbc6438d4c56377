"""Gaussian noise that is the same bytes on every machine, in every NumPy release.

NumPy promises a stable stream for its *bit generators* but not for `Generator.standard_normal`
(NEP 19), whose ziggurat also calls the C library's exp and log1p; Box–Muller would need log, sin and
cos for every value, and their last bit differs between C libraries and between AVX2 and AVX-512.
So the bits come from Philox and become normal through the inverse of the normal distribution,
computed with + − × ÷ and √ only, which IEEE 754 rounds exactly everywhere.
One draw makes one value: a longer clip starts with the noise of a shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float64s = NDArray[np.float64]

UINT64_MASK = (1 << 64) - 1


def noise(seed: int, shape: Sequence[int], stream: int = 0) -> NDArray[np.float32]:
    """Standard normal values, a pure function of (seed, position in C order, stream).

    Shapes  `shape`, C order, float32.
    Units   mean 0, standard deviation 1; no value lies beyond ±6.4 (32 bits are drawn per value).
    Source  Salmon et al. 2011 (Philox 4×64-10, key = seed and stream); Wichura 1988, AS 241.
    """
    count = math.prod(shape)
    key = np.array([seed & UINT64_MASK, stream & UINT64_MASK], dtype=np.uint64)
    words = np.random.Philox(key=key).random_raw((count + 1) // 2)
    halves = np.empty((len(words), 2), dtype=np.uint64)
    halves[:, 0] = words & np.uint64(0xFFFFFFFF)  # by arithmetic, not by view: byte order must not matter
    halves[:, 1] = words >> np.uint64(32)
    probability = (halves.reshape(-1)[:count].astype(np.float64) + 0.5) * 2.0**-32
    return normal_quantile(probability).astype(np.float32).reshape(tuple(shape))


def normal_quantile(probability: Float64s) -> Float64s:
    """The value below which a standard normal variable falls with `probability`.

    Errors  none raised; exact to 1e-13 for 1e-10 < probability < 1 − 1e-10, wider is never asked by `noise`.
    Source  Wichura 1988, Algorithm AS 241 (PPND16), its first two of three ranges.
    """
    from_middle = probability - 0.5
    value = from_middle * _ratio(0.180625 - from_middle * from_middle, MIDDLE_ABOVE, MIDDLE_BELOW)
    tail = np.abs(from_middle) > 0.425
    beyond = np.minimum(probability[tail], 1.0 - probability[tail])
    value[tail] = np.copysign(
        _ratio(np.sqrt(-portable_log(beyond)) - 1.6, TAIL_ABOVE, TAIL_BELOW),
        from_middle[tail],
    )
    return value


def portable_log(values: Float64s) -> Float64s:
    """Natural logarithm of positive `values` by exactly rounded operations only, to about 1e-16 relative.

    Source  log m = 2 artanh((m − 1) / (m + 1)), summed until a term is below half a unit in the last place.
    """
    mantissa, exponent = np.frexp(values)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    exponent = np.where(low, exponent - 1, exponent)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    series = np.zeros_like(ratio)
    for odd in range(23, 0, -2):
        series = series * square + 1.0 / odd
    logarithm: Float64s = exponent * 0.6931471805599453 + 2.0 * ratio * series
    return logarithm


def _ratio(x: Float64s, above: Sequence[float], below: Sequence[float]) -> Float64s:
    return _polynomial(x, above) / _polynomial(x, below)


def _polynomial(x: Float64s, coefficients: Sequence[float]) -> Float64s:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


# Coefficients of AS 241, highest power first.
MIDDLE_ABOVE = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080e0,
)
MIDDLE_BELOW = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
TAIL_ABOVE = (
    7.7454501427834140764e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e0,
    3.64784832476320460504e0,
    5.76949722146069140550e0,
    4.63033784615654529590e0,
    1.42343711074968357734e0,
)
TAIL_BELOW = (
    1.05075007164441684324e-9,
    5.475938084995344946e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e0,
    2.05319162663775882187e0,
    1.0,
)
