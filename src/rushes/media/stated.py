"""What a file says of itself: how large its picture is and how long it lasts, read off its header.

Nothing is opened here. These are the file's own words, read by plain code that looks at a few bytes of them and goes no
further than `MOST_PIECES`, `HEAD_BYTES` and `timetable.MOST_ENTRIES`, whatever it is given. So a door may look, and
refuse at once what an honest file says of itself; where one says nothing, or says what is not so, its decoder has the
last word (`decode`).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rushes.media.limits import AudioLimits
from rushes.media.mp3 import mp3_seconds
from rushes.media.pieces import MOST_PIECES, boxes, element, elements, fraction, inside, is_long, ticks_a_second, whole
from rushes.media.sniff import IMAGES, Kind
from rushes.media.timetable import (
    FILM,
    INFO,
    MILLISECOND,
    SCALE,
    SEGMENT,
    TRACK_TYPE,
    TRACKS,
    Times,
    matroska_times,
    mp4_times,
)

HEAD_BYTES = 1 << 18
"""Of a picture: what stands ahead of its size is a profile, a thumbnail, notes."""

MARKER = re.compile(rb"\xff([^\x00\xff])", re.DOTALL)
STANDALONE = frozenset((0x01, *range(0xD0, 0xD9)))
END_OF_IMAGE = 0xD9
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Frame headers, which state the size; the three left out are tables."""

AVIF_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
AVIF_HEAD_BYTES = 16_384

DURATION, VIDEO = 0x4489, 0xE0
PIXEL_WIDTH, PIXEL_HEIGHT, SHOWN_WIDTH, SHOWN_HEIGHT = 0xB0, 0xBA, 0x54B0, 0x54BA
"""Matroska's names of some of its elements (RFC 9559)."""
SOUND = 2  # a kind of Matroska track
INTEGERS, FLOATS, ALAW, MULAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
PLAIN = {INTEGERS: (8, 16, 24, 32), FLOATS: (32, 64), ALAW: (8,), MULAW: (8,), EXTENSIBLE: (8, 16, 24, 32, 64)}
"""Codings of WAV whose samples all take the same number of bits, and which numbers."""


@dataclass(frozen=True, slots=True)
class Stated:
    """`size` is (width, height) in square pixels, perhaps before a quarter turn; None where the file does not say.

    A film's picture, or a sound, lasts at least `least_s` and at most `most_s` by its header; None likewise.
    `times_s` are when the frames of a film are shown, by its tables.
    """

    size: tuple[int, int] | None = None
    least_s: float | None = None
    most_s: float | None = None
    times_s: Times | None = None


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
    if kind is Kind.WAV:
        return _wav(view)
    lasts_s = mp3_seconds(view)
    return Stated(None, lasts_s, lasts_s)


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
    """Of the first track of pictures, by its header (ISO/IEC 14496-12, 8.3.2) and its tables."""
    movie = inside(data, b"moov")
    for name, track in boxes(movie):
        if name == b"trak" and bytes(inside(track, b"mdia", b"hdlr")[8:12]) == b"vide":
            head, ticks = inside(track, b"tkhd"), ticks_a_second(inside(movie, b"mvhd"))
            sides = head[88:96] if is_long(head) else head[76:84]
            size = whole(sides[:2]), whole(sides[4:6])  # the whole pixels of each
            lasts = whole(head[28:36] if is_long(head) else head[20:24])
            # In fragments only the first of them is counted there, if any.
            unknown = not lasts or not ticks or inside(movie, b"mvex") or lasts in (2**32 - 1, 2**64 - 1)
            lasts_s = None if unknown else lasts / ticks
            return Stated(size if min(size) > 0 else None, lasts_s, lasts_s, mp4_times(data, movie, track))
    return Stated()


def _matroska(data: memoryview) -> Stated:
    """Of the first track of pictures. The file says how long all of it is: a sound may go on after the picture."""
    segment = element(data, SEGMENT)
    about = element(segment, INFO)
    tracks = [(whole(element(body, TRACK_TYPE)), body) for name, body in elements(element(segment, TRACKS))]
    size = next((_shown(element(body, VIDEO)) for kind, body in tracks if kind == FILM), None)
    most_s = fraction(element(about, DURATION)) * (whole(element(about, SCALE)) or MILLISECOND) / 1e9
    times_s = matroska_times(data)
    if not math.isfinite(most_s) or most_s <= 0:
        return Stated(size, times_s=times_s)
    return Stated(size, None if any(kind == SOUND for kind, _ in tracks) else most_s, most_s, times_s)


def _shown(video: memoryview) -> tuple[int, int] | None:
    width, height = whole(element(video, PIXEL_WIDTH)), whole(element(video, PIXEL_HEIGHT))
    shown_width, shown_height = whole(element(video, SHOWN_WIDTH)), whole(element(video, SHOWN_HEIGHT))
    if shown_width and shown_height:
        width = height * shown_width // shown_height
    return (width, height) if width and height else None


def _wav(data: memoryview) -> Stated:
    coding, channels, rate_hz, bits = wav_head(data)
    limits = AudioLimits()
    heard = channels <= limits.max_channels and limits.min_rate_hz <= rate_hz <= limits.max_rate_hz
    # The sum that the file makes of it itself is not asked: decoders do not go by it.
    bits_a_second = channels * rate_hz * bits if heard and bits in PLAIN.get(coding, ()) else 0
    for name, at, size in chunks(data):
        if name == b"data":
            there = min(size, len(data) - at)
            # Who writes a sound while it is made leaves the length at nothing, or at the most there is.
            lasts_s = there * 8 / bits_a_second if there > 0 and bits_a_second else None
            return Stated(None, lasts_s, lasts_s)
    return Stated()


def wav_head(data: memoryview) -> tuple[int, int, int, int]:
    """Coding, channels, samples a second and bits of one, by a WAV's first head ahead of its sound; zeros without."""
    for name, at, _ in chunks(data):
        if name == b"fmt ":
            coding, channels, rate_hz, bits = struct.unpack("<HHI6xH", bytes(data[at : at + 16]).ljust(16, b"\0"))
            return coding, channels, rate_hz, bits
        if name == b"data":
            break
    return 0, 0, 0, 0


def chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Names of the chunks of a WAV, where each begins behind its head, and the size that it says."""
    at = 12
    for _ in range(MOST_PIECES):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield bytes(data[at : at + 4]), at + 8, size
        at += 8 + size + size % 2
