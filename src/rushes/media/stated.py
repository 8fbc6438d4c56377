"""What a file says of itself: how large its picture is and how long it lasts, read off its header.

Nothing is opened here. These are the file's own words, read by plain code that looks at a few bytes of them and goes no
further than `MOST_PIECES` and `HEAD_BYTES`, whatever it is given. So a door may look, and refuse at once what an honest
file says of itself; where one says nothing, or says what is not so, its decoder has the last word (`decode`).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rushes.media.limits import AudioLimits
from rushes.media.sniff import IMAGES, Kind

HEAD_BYTES = 1 << 18
"""Of a picture: what stands ahead of its size is a profile, a thumbnail, notes."""
MOST_PIECES = 64
"""Of one list of boxes, elements or chunks. Files have a dozen; a hostile one has a million, in each of a million."""

MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
END_OF_IMAGE = 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Frame headers, which state the size; the three left out are tables."""

AVIF_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
AVIF_HEAD_BYTES = 16_384

SEGMENT, INFO, SCALE, DURATION = 0x18538067, 0x1549A966, 0x2AD7B1, 0x4489
TRACKS, TRACK_TYPE, VIDEO = 0x1654AE6B, 0x83, 0xE0
PIXEL_WIDTH, PIXEL_HEIGHT, SHOWN_WIDTH, SHOWN_HEIGHT = 0xB0, 0xBA, 0x54B0, 0x54BA
"""Matroska's names of its elements (RFC 9559)."""
FILM, SOUND = 1, 2  # kinds of a Matroska track
INTEGERS, FLOATS, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
PLAIN = {INTEGERS: (8, 16, 24, 32), FLOATS: (32, 64), ALAW: (8,), MULAW: (8,), EXTENSIBLE: (8, 16, 24, 32, 64)}
"""Codings of WAV whose samples all take the same number of bits, and which numbers."""
MILLISECOND = 1_000_000  # its unit of time in nanoseconds, where it names no other


@dataclass(frozen=True, slots=True)
class Stated:
    """`size` is (width, height) in square pixels, perhaps before a quarter turn; None where the file does not say.

    A film's picture, or a sound, lasts at least `least_s` and at most `most_s`; None likewise.
    """

    size: tuple[int, int] | None = None
    least_s: float | None = None
    most_s: float | None = None


def stated(data: bytes, kind: Kind) -> Stated:
    """What `data`, which begins like a file of `kind`, says of itself. Raises nothing, whatever it is."""
    if kind in IMAGES:
        size = stated_size(data[:HEAD_BYTES], kind)
        return Stated(size if size and min(size) > 0 else None)
    view = memoryview(data)
    if kind is Kind.MP4:
        return _mp4(view)
    if kind is Kind.MATROSKA:
        return _matroska(view)
    return _wav(view) if kind is Kind.WAV else Stated()


def stated_size(data: bytes, kind: Kind) -> tuple[int, int] | None:
    """Width and height of a picture by its own header; None where that is not found, or is for its decoder to say."""
    if kind is Kind.PNG:
        return _pair(data[16:24], "big", 4)
    if kind is Kind.GIF:
        return _pair(data[6:10], "little", 2)
    if kind is Kind.JPEG:
        height_first = (_pair(data[at + 3 : at + 7], "big", 2) for name, at in segments(data) if name in FRAMES)
        return next(((width, height) for height, width in height_first), None)
    if kind is Kind.AVIF:
        sizes = [_pair(found[1], "big", 4) for found in AVIF_SIZE.finditer(data[:AVIF_HEAD_BYTES])]
        return max(sizes, key=lambda size: size[0] * size[1], default=None)
    return _stated_webp(data[12:16], data[20:30])


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Markers of a JPEG and where their segments begin, without what only looks like one inside (a thumbnail, say)."""
    at = 0
    while found := MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == END_OF_IMAGE:
            return
        if marker in STANDALONE:
            continue
        yield marker, at
        at += max(2, int.from_bytes(data[at : at + 2], "big"))


def _stated_webp(chunk: bytes, head: bytes) -> tuple[int, int] | None:
    if chunk == b"VP8X":
        width, height = _pair(head[4:10], "little", 3)
        return width + 1, height + 1
    if chunk == b"VP8L":
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = _pair(head[6:10], "little", 2)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _pair(data: bytes, order: Literal["big", "little"], length: int) -> tuple[int, int]:
    return int.from_bytes(data[:length], order), int.from_bytes(data[length : 2 * length], order)


def _mp4(data: memoryview) -> Stated:
    """Of the first track of pictures, by its header (ISO/IEC 14496-12, 8.3.2)."""
    movie = dict(_boxes(_inside(data, b"moov")))
    for name, track in _boxes(_inside(data, b"moov")):
        if name == b"trak" and bytes(_inside(_inside(track, b"mdia"), b"hdlr")[8:12]) == b"vide":
            head = _inside(track, b"tkhd")
            size = tuple(number >> 16 for number in _numbers(head, (88, 92) if _long(head) else (76, 80), 4))
            clock = movie.get(b"mvhd", data[:0])
            (ticks_a_second,) = _numbers(clock, (20,) if _long(clock) else (12,), 4)
            (lasts,) = _numbers(head, (28,), 8) if _long(head) else _numbers(head, (20,), 4)
            # In fragments only the first of them is counted there, if any.
            unknown = not lasts or not ticks_a_second or b"mvex" in movie or lasts in (2**32 - 1, 2**64 - 1)
            lasts_s = None if unknown else lasts / ticks_a_second
            return Stated((size[0], size[1]) if min(size) > 0 else None, lasts_s, lasts_s)
    return Stated()


def _long(head: memoryview) -> bool:
    """Whether moments and lengths in it have eight bytes."""
    return bytes(head[:1]) == b"\1"


def _numbers(data: memoryview, places: tuple[int, ...], length: int) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + length], "big") for at in places)


def _inside(data: memoryview, wanted: bytes) -> memoryview:
    """What is in the first box of that name; nothing where there is none."""
    return next((inside for name, inside in _boxes(data) if name == wanted), data[:0])


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    at = 0
    for _ in range(MOST_PIECES):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif size == 0:
            size = len(data) - at
        if size < head:
            return
        yield bytes(data[at + 4 : at + 8]), data[at + head : at + size]
        at += size


def _matroska(data: memoryview) -> Stated:
    """Of the first track of pictures. The file says how long all of it is: a sound may go on after the picture."""
    segment = _element(data, SEGMENT)
    about = _element(segment, INFO)
    tracks = [(_whole(_element(body, TRACK_TYPE)), body) for name, body in _elements(_element(segment, TRACKS))]
    size = next((_shown(_element(body, VIDEO)) for kind, body in tracks if kind == FILM), None)
    most_s = _fraction(_element(about, DURATION)) * (_whole(_element(about, SCALE)) or MILLISECOND) / 1e9
    if not math.isfinite(most_s) or most_s <= 0:
        return Stated(size)
    return Stated(size, None if any(kind == SOUND for kind, _ in tracks) else most_s, most_s)


def _shown(video: memoryview) -> tuple[int, int] | None:
    width, height = _whole(_element(video, PIXEL_WIDTH)), _whole(_element(video, PIXEL_HEIGHT))
    shown_width, shown_height = _whole(_element(video, SHOWN_WIDTH)), _whole(_element(video, SHOWN_HEIGHT))
    if shown_width and shown_height:
        width = height * shown_width // shown_height
    return (width, height) if width and height else None


def _element(data: memoryview, wanted: int) -> memoryview:
    return next((inside for name, inside in _elements(data) if name == wanted), data[:0])


def _elements(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Names and contents (RFC 8794): both lengths are said by the zeros that a number begins with."""
    at = 0
    for _ in range(MOST_PIECES):
        name, after = _counted(data, at)
        size, begin = _counted(data, after)
        if begin == after or after == at:
            return
        marked = 1 << 7 * (begin - after)
        size -= marked
        end = len(data) if size == marked - 1 else begin + size  # all ones: as long as there is any
        yield name, data[begin:end]
        at = end


def _counted(data: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, with the bit that says its length, and where it ends; there where it is none."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length()
    if not first or at + length > len(data):
        return 0, at
    return int.from_bytes(data[at : at + length], "big"), at + length


def _whole(data: memoryview) -> int:
    return int.from_bytes(data[:8], "big")


def _fraction(data: memoryview) -> float:
    form = {4: ">f", 8: ">d"}.get(len(data))
    return float(struct.unpack(form, data)[0]) if form else 0.0


def _wav(data: memoryview) -> Stated:
    bits_a_second, at = 0, 12
    for _ in range(MOST_PIECES):
        name, size = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt " and not bits_a_second:
            bits_a_second = _bits_a_second(bytes(data[at + 8 : at + 24]))
        if name == b"data":
            there = min(size, len(data) - at - 8)
            # Who writes a sound while it is made leaves the length at nothing, or at the most there is.
            lasts_s = there * 8 / bits_a_second if there > 0 and bits_a_second else None
            return Stated(None, lasts_s, lasts_s)
        at += 8 + size + size % 2
    return Stated()


def _bits_a_second(head: bytes) -> int:
    """Of sound as plain numbers, by what a decoder goes by; the sum that the file makes of it itself is not asked."""
    coding, channels, rate_hz, bits = struct.unpack("<HHI6xH", head.ljust(16, b"\0"))
    limits = AudioLimits()
    heard = channels <= limits.max_channels and limits.min_rate_hz <= rate_hz <= limits.max_rate_hz
    return channels * rate_hz * bits if heard and bits in PLAIN.get(coding, ()) else 0
