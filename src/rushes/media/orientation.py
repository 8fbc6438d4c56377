"""How a picture is to be turned and mirrored before it is shown: in EXIF a number, in a video a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """Rows and columns change places first, then the picture is mirrored left to right and top to bottom."""

    transposed: bool = False
    mirrored: bool = False
    flipped: bool = False

    def apply(self, picture_HWC: NDArray[Any]) -> NDArray[Any]:
        """A view of the picture as it is to be seen."""
        seen = picture_HWC.transpose(1, 0, 2) if self.transposed else picture_HWC
        return seen[:: -1 if self.flipped else 1, :: -1 if self.mirrored else 1]


UPRIGHT = Orientation()

EXIF = {
    1: UPRIGHT,
    2: Orientation(mirrored=True),
    3: Orientation(mirrored=True, flipped=True),
    4: Orientation(flipped=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, mirrored=True),
    7: Orientation(transposed=True, mirrored=True, flipped=True),
    8: Orientation(transposed=True, flipped=True),
}
"""Source: Exif 2.32, tag 0x0112. 6 is a quarter turn clockwise, what a phone held upright writes."""


def of_exif(number: object) -> Orientation:
    """Numbers that mean nothing mean upright."""
    return EXIF.get(number, UPRIGHT) if isinstance(number, int) else UPRIGHT


def of_matrix(data: bytes) -> Orientation:
    """Of a display matrix, nine native 32-bit numbers: the nearest right angle. (x, y) becomes (ax + cy, bx + dy)."""
    if len(data) != 36:
        return UPRIGHT
    a, b, _, c, d = (int(value) for value in np.frombuffer(data, dtype=np.int32)[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(transposed=True, mirrored=c < 0, flipped=b < 0)
    return Orientation(mirrored=a < 0, flipped=d < 0)
