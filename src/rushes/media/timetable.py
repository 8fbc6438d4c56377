"""When the frames of a clip are shown: as the file's own tables have it, and how long that is.

The tables of an MP4 stand in its header, or ahead of each fragment; those of Matroska are the heads of its blocks. They
are read without opening the clip, up to more entries than any clip that is taken has, and they say to the frame what a
decoder will find in an honest file: the length in the header may be that of the sound, or have the last frame stand for
as long as its maker liked.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from rushes.media.pieces import (
    all_there,
    boxes,
    counted,
    element,
    element_at,
    elements,
    inside,
    is_long,
    ticks_a_second,
    whole,
)

Times = tuple[float, ...]
"""Moments in seconds from the first, rising; at least one."""

MOST_ENTRIES = 10_000
"""Of a table, or blocks of picture and sound: a minute at 60 frames a second has 3,600, and as many of sound."""

SEGMENT, CLUSTER, GROUP = 0x18538067, 0x1F43B675, 0xA0
MOMENT, BLOCK, SIMPLE_BLOCK = 0xE7, 0xA1, 0xA3
TRACKS, TRACK_TYPE, TRACK_NUMBER, CODEC = 0x1654AE6B, 0x83, 0xD7, 0x86
INFO, SCALE = 0x1549A966, 0x2AD7B1
"""Matroska's names of its elements (RFC 9559)."""
FILM = 1  # a kind of Matroska track
MOST_FRAGMENTS = 1_000
"""Of an MP4, with what stands between them: recorders write one or two a second."""
MOST_IN_FRAGMENT = 16  # tracks, of which a clip that is opened has no more than eight, and runs of one
TIMED, RUN_TIMED, MOVED = 0x8, 0x100, 0x800
"""Flags of a fragment and of a run in it: how long frames last, and how far each is from its place in the file."""
LACED, SHOWN_VP8 = 0x06, 0x10
MILLISECOND = 1_000_000  # its unit of time in nanoseconds, where it names no other


def duration_s(times_s: Sequence[float], alone_s: float) -> float:
    """How long a clip lasts: its last frame as long as the one before; a single frame `alone_s`."""
    shown_s = times_s[-1] - times_s[-2] if len(times_s) > 1 else alone_s
    return times_s[-1] + shown_s


def native_count(times_s: Sequence[float], fps: float) -> int:
    """How many frames at a model's own `fps` a clip fills, at least one."""
    # A half is rounded up, also where floating point makes it 17.499999999999996.
    return max(1, math.floor(duration_s(times_s, 1 / fps) * fps + 0.5 + 1e-6))


def mp4_times(data: memoryview, movie: memoryview, track: memoryview) -> Times | None:
    """By the tables of `track` (ISO/IEC 14496-12, 8.6); None where these are not all of it, or not what is played."""
    media = inside(track, b"mdia")
    ticks, tables = ticks_a_second(inside(media, b"mdhd")), inside(media, b"minf", b"stbl")
    deltas = _runs(inside(tables, b"stts"), ">II")
    offsets = _runs(inside(tables, b"ctts"), ">Ii")
    samples = whole(inside(tables, b"stsz")[8:12])
    if any(name == b"mvex" for name, _ in boxes(movie)):
        begins = None if samples else _in_fragments(data, movie, track)
        return None if begins is None or not ticks else _rising(begins, 1, ticks)
    if not ticks or not samples or deltas is None or offsets is None or len(deltas) != samples or not all_there(data):
        return None
    if offsets and len(offsets) != samples:
        return None
    begins, now = [], 0
    for index, delta in enumerate(deltas):
        begins.append(now + (offsets[index] if offsets else 0))
        now += delta
    return _rising(_played(begins, track, movie, ticks), 1, ticks)


def _runs(table: memoryview, form: str) -> list[int] | None:
    """The second number of each entry as often as the first says; None where that is more than any clip may have."""
    length = whole(table[4:8])
    if length > MOST_ENTRIES or 8 + 8 * length > len(table):
        return None if length else []
    found: list[int] = []
    for count, value in struct.iter_unpack(form, table[8 : 8 + 8 * length]):
        if len(found) + count > MOST_ENTRIES:
            return None
        found += [value] * count
    return found


def _in_fragments(data: memoryview, movie: memoryview, track: memoryview) -> list[int] | None:
    """When the frames of `track` begin that lie in fragments (8.8); None where these are cut off, or too many."""
    if not all_there(data, MOST_FRAGMENTS):
        return None
    head = inside(track, b"tkhd")
    number = bytes(head[20:24] if is_long(head) else head[12:16])
    more = (body for name, body in boxes(inside(movie, b"mvex")) if name == b"trex")
    usual = next((whole(body[12:16]) for body in more if body[4:8] == number), 0)
    begins: list[int] = []
    now = 0
    for name, fragment in boxes(data, MOST_FRAGMENTS):
        if name != b"moof":
            continue
        its = (body for inner, body in boxes(fragment, MOST_IN_FRAGMENT) if inner == b"traf")
        mine = next((body for body in its if inside(body, b"tfhd")[4:8] == number), data[:0])
        head, since = inside(mine, b"tfhd"), inside(mine, b"tfdt")
        if len(since):
            now = whole(since[4:12] if is_long(since) else since[4:8])
        flags = whole(head[1:4])
        at = 8 + 8 * (flags & 1) + 4 * (flags >> 1 & 1)
        lasts = whole(head[at : at + 4]) if flags & TIMED else usual
        for run in (body for inner, body in boxes(mine, MOST_IN_FRAGMENT) if inner == b"trun"):
            entries = _entries(run)
            if entries is None or len(begins) + len(entries) > MOST_ENTRIES:
                return None
            for own, offset in entries:
                begins.append(now + offset)
                now += lasts if own is None else own
    return begins


def _entries(run: memoryview) -> list[tuple[int | None, int]] | None:
    """For each frame of a run how long it lasts, where that is said, and its offset; None for more than may be."""
    flags, count = whole(run[1:4]), whole(run[4:8])
    at = 8 + 4 * (flags & 1) + 4 * (flags >> 2 & 1)
    size = 4 * sum(flags >> bit & 1 for bit in (8, 9, 10, 11))
    if count > MOST_ENTRIES or at + count * size > len(run):
        return None
    found: list[tuple[int | None, int]] = []
    for place in range(at, at + count * size, size) if size else [at] * count:
        offset = int.from_bytes(run[place + size - 4 : place + size], "big", signed=True) if flags & MOVED else 0
        found.append((whole(run[place : place + 4]) if flags & RUN_TIMED else None, offset))
    return found


def _played(begins: list[int], track: memoryview, movie: memoryview, ticks: int) -> list[int]:
    """Those of `begins` that are in the stretch to be played; none where there are several, or it is not as it is.

    A clip that was cut without encoding it anew has frames before its beginning, which the first that is shown needs.
    """
    list_ = inside(track, b"edts", b"elst")
    length, size = whole(list_[4:8]), 20 if is_long(list_) else 12
    if not length:
        return begins
    entries = list_[8:]
    if length > 2 or len(entries) < length * size:
        return []
    stretches = list(struct.iter_unpack(">QqI" if size == 20 else ">IiI", entries[: length * size]))
    stretches = [stretch for stretch in stretches if stretch[1] >= 0]  # else it only begins later
    movie_ticks = ticks_a_second(inside(movie, b"mvhd"))
    if len(stretches) != 1 or not movie_ticks:
        return []
    lasts, start, rate = stretches[0]
    if rate != 1 << 16 or not lasts:
        return []
    end = start + (lasts * ticks + movie_ticks // 2) // movie_ticks
    return [begin for begin in begins if start <= begin < end]


def matroska_times(data: memoryview) -> Times | None:
    """By the heads of its blocks; None where these do not say, or there are more than any clip may have."""
    segment = element(data, SEGMENT)
    tracks = (body for _, body in elements(element(segment, TRACKS)))
    film = next((body for body in tracks if whole(element(body, TRACK_TYPE)) == FILM), data[:0])
    number = whole(element(film, TRACK_NUMBER))
    hides = bytes(element(film, CODEC)) == b"V_VP8"  # frames to look at, and never shown, in blocks of their own
    begins: list[int] = []
    cluster, at = 0, 0
    for _ in range(MOST_ENTRIES):
        if at == len(data):
            break
        name, begin, end = element_at(data, at)
        if name in (SEGMENT, CLUSTER, GROUP) and begin > at:
            at = begin  # what is in them comes next, however long they are
            continue
        if begin == at or end is None or end > len(data):
            return None  # cut off, or no element at all
        if name == MOMENT:
            cluster = whole(data[begin:end])
        elif name in (BLOCK, SIMPLE_BLOCK):
            its, body = counted(data[:end], begin)
            head = data[body : min(end, body + 4)]
            if len(head) == 4 and its - (1 << 7 * (body - begin)) == number:
                if head[2] & LACED:
                    return None
                if not hides or head[3] & SHOWN_VP8:
                    begins.append(cluster + int.from_bytes(head[:2], "big", signed=True))
        at = end
    else:
        return None
    scale = whole(element(element(segment, INFO), SCALE)) or MILLISECOND
    return _rising(begins, scale, 10**9)


def _rising(begins: list[int], unit: int, units_a_second: int) -> Times | None:
    """None where there are none, or two at one moment: which of them a decoder finds is for it to say."""
    if not begins or len(set(begins)) < len(begins):
        return None
    first = min(begins)
    return tuple((begin - first) * unit / units_a_second for begin in sorted(begins))
