"""How files are cut up: boxes of MP4 and elements of Matroska, found by plain code that soon gives up.

Everything is a view into the file. Nothing here raises, whatever it is given.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MOST_PIECES = 64
"""Of one list of boxes, elements or chunks. Files have a dozen; a hostile one has a million, in each of a million."""


def boxes(data: memoryview, most: int = MOST_PIECES) -> Iterator[tuple[bytes, memoryview]]:
    """Names and contents of the boxes in `data` (ISO/IEC 14496-12, 4.2); what is cut off is as long as there is any."""
    return ((name, data[begin:end]) for name, begin, end in _heads(data, most))


def all_there(data: memoryview, most: int = MOST_PIECES) -> bool:
    """Whether the boxes in `data` end where it does, and there are no more than `most`."""
    return max((end for _, _, end in _heads(data, most)), default=0) == len(data)


def goes_on(data: memoryview, wanted: bytes) -> bool:
    """Whether a box of that name says that it goes on behind the end of `data`."""
    return any(name == wanted and end > len(data) for name, _, end in _heads(data, MOST_PIECES))


def inside(data: memoryview, *path: bytes) -> memoryview:
    """What is in the first box of that name, in that of the next name in it, and so on; nothing where there is none."""
    for wanted in path:
        data = next((body for name, body in boxes(data) if name == wanted), data[:0])
    return data


def _heads(data: memoryview, most: int) -> Iterator[tuple[bytes, int, int]]:
    at = 0
    for _ in range(most):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield bytes(data[at + 4 : at + 8]), at + head, at + size
        at += size


def is_long(box: memoryview) -> bool:
    """Whether moments and lengths in it have eight bytes."""
    return bytes(box[:1]) == b"\1"


def ticks_a_second(box: memoryview) -> int:
    """Of the clock of a movie or a track, by its header; 0 where there is none."""
    return whole(box[20:24] if is_long(box) else box[12:16])


def elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Names and contents of the elements in `data` (RFC 8794)."""
    at = 0
    for _ in range(MOST_PIECES):
        name, begin, end = element_at(data, at)
        if begin == at:
            return
        yield name, data[begin:end]
        at = len(data) if end is None else end


def element(data: memoryview, wanted: int) -> memoryview:
    """What is in the first element of that name; nothing where there is none."""
    return next((body for name, body in elements(data) if name == wanted), data[:0])


def element_at(data: memoryview, at: int) -> tuple[int, int, int | None]:
    """Its name, where its content begins, and where it ends: None where it says that it is as long as there is any.

    All of it is nowhere, beginning at `at`, where there is none.
    """
    name, after = counted(data, at)
    size, begin = counted(data, after)
    if begin == after or after == at:
        return 0, at, at
    marked = 1 << 7 * (begin - after)
    return name, begin, None if size == 2 * marked - 1 else begin + size - marked


def counted(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, with the bit that says its length, and where it ends; there where it is none."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not first or at + length > len(data):
        return 0, at
    return int.from_bytes(data[at : at + length], "big"), at + length


def whole(data: memoryview) -> int:
    return int.from_bytes(data[:8], "big")


def fraction(data: memoryview) -> float:
    form = {4: ">f", 8: ">d"}.get(len(data))
    return float(struct.unpack(form, data)[0]) if form else 0.0
