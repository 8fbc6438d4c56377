"""`output_quality` means what it says: higher is smaller, and never better."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from media_cases import bt709, decoded_luma, grainy_film, ssim, write

from rushes.media.encode import crf


@pytest.mark.parametrize("output_format", ["MP4", "WEBM"])
def test_size_falls_and_likeness_never_rises(tmp_path: Path, output_format: str) -> None:
    film = grainy_film(24, 192, 112)
    original = np.rint(bt709(film)[..., 0])
    sizes, likenesses = [], []
    for output_quality in (5, 10, 20, 30, 40):
        made = write(film, tmp_path / "film", output_format=output_format, output_quality=output_quality)
        sizes.append(made.size_bytes)
        likenesses.append(ssim(original, decoded_luma(made.path)))
    assert all(larger > smaller for larger, smaller in pairwise(sizes)), sizes
    assert all(better >= worse for better, worse in pairwise(likenesses)), likenesses


def test_every_quality_has_a_rate_factor_in_order() -> None:
    assert [crf("MP4", q) for q in (0, 1, 20, 51)] == [1, 1, 20, 51]
    assert [crf("WEBM", q) for q in (0, 20, 51)] == [6, 31, 63]
    for output_format in ("MP4", "WEBM"):
        factors = [crf(output_format, q) for q in range(52)]
        assert factors == sorted(factors)
