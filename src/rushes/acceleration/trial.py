"""What a GPU gains by products in eight-bit floats: tried on the very one, because cards and kernels differ."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

log = logging.getLogger(__name__)

TOKENS, WIDTH = 8192, 4096
TIMES = 10
PAYS = 1.1
"""A smaller gain is not worth other numbers."""

OFF = 0.06
"""The share of its size by which a layer's output may differ: chance weights come to 0.036, a wrong kernel to more."""


def fp8_pays(device: str) -> bool:
    """Whether such products are faster on `device`, "cuda" or "cpu", and right. Tried once in a process."""
    torch = sys.modules.get("torch")  # a process without it computes nothing
    # On a CPU torch makes them of plain ones.
    return device == "cuda" and torch is not None and torch.cuda.is_available() and _tried(device)


@cache
def _tried(device: str) -> bool:
    import torch

    try:
        gain, off = fp8_gain(torch.device(device), torch.bfloat16)
    except (RuntimeError, ValueError) as error:
        log.info("no products in eight-bit floats: %s", str(error).partition("\n")[0])
        return False
    log.info("products in eight-bit floats: %.2f times as fast as plain ones, off by %.1f %%", gain, 100 * off)
    return gain >= PAYS and off <= OFF


def fp8_gain(device: Any, dtype: Any, tokens: int = TOKENS, width: int = WIDTH) -> tuple[float, float]:
    """How many times as fast a layer is with them as a plain one, and how far off, as a share of what comes out.

    Errors  torch's own, where the device has no such products or no memory for a layer of 100 MB.
    """
    import torch

    from rushes.models.eight_bits import Fp8Linear

    chance = torch.Generator(device).manual_seed(0)
    with torch.no_grad(), torch.device(device):
        plain = torch.nn.Linear(width, width, bias=False, dtype=dtype)
        plain.weight.normal_(generator=chance)
        narrow, x = Fp8Linear(plain), torch.empty(tokens, width, dtype=dtype).normal_(generator=chance)
        expected = plain(x)
        off = float((narrow(x) - expected).float().norm() / expected.float().norm())
        return _best_s(lambda: plain(x), device) / _best_s(lambda: narrow(x), device), off


def _best_s(work: Callable[[], Any], device: Any) -> float:
    """The shortest of some runs."""
    import torch

    times_s = []
    for _ in range(TIMES):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times_s.append(time.perf_counter() - start)
    return min(times_s)
