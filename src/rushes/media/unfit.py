"""What a file's own beginning says that its decoder is going to refuse: who sent it may as well hear it at once.

Only what is certain, and not by lists of all that could be taken: a name that is not known here may be known there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from rushes.media.limits import MAX_STREAMS, AudioLimits
from rushes.media.pieces import MOST_PIECES, boxes, element, elements, goes_on, inside, whole
from rushes.media.refusal import Refusal
from rushes.media.sniff import Kind
from rushes.media.stated import FRAMES, HEAD_BYTES, PLAIN, chunks, segments, wav_head
from rushes.media.timetable import CODEC, FILM, MOST_ENTRIES, SEGMENT, TRACK_TYPE, TRACKS

END_OF_JPEG = b"\xff\xd9"
CLOSING_BYTES = 16
"""What may be missing of the pixels of a PNG: sums that nobody needs."""

OTHERS = (b"soun", b"text", b"sbtl", b"subt", b"tmcd", b"meta", b"hint")
"""Tracks of an MP4 that have no picture."""
OTHER_CODINGS = frozenset(
    (
        *(b"apch", b"apcn", b"apcs", b"apco", b"ap4h", b"ap4x", b"aprn", b"aprh"),  # ProRes
        *(b"AVdn", b"AVdh", b"CFHD", b"apv1", b"vvc1", b"vvi1", b"s263", b"H263", b"mp2v", b"mp1v", b"mjp2"),
        *(b"raw ", b"rle ", b"png ", b"gif ", b"v210", b"2vuy", b"dvc ", b"dvcp", b"SVQ1", b"SVQ3", b"cvid", b"rpza"),
    )
)
"""Codings of pictures, by their names in an MP4, that cameras and editors make and no decoder here takes."""
OTHER_CODECS = (b"V_PRORES", b"V_FFV1", b"V_THEORA", b"V_MPEG1", b"V_MPEG2", b"V_UNCOMPRESSED", b"V_DIRAC", b"V_REAL")
"""The same in Matroska, as far as their names begin."""
OTHER_SOUNDS = frozenset((0x02, 0x11, 0x31, 0x50, 0x55, 0xFF, 0x160, 0x161, 0x162))
"""Codings in a WAV: ADPCM, GSM, MPEG and AAC, Windows Media."""
MOST_CHANNELS = 64  # that a decoder counts; beyond it a number is damage


def unfit(data: bytes, kind: Kind) -> Refusal | None:
    """Why the decoder will refuse `data`, which begins like a file of `kind`; None where it may well take it."""
    look = LOOKS.get(kind)
    return None if look is None else look(data)


def _png(data: bytes) -> Refusal | None:
    if data[-8:-4] == b"IEND":
        return None  # a length may lie, and what is there be all of it
    at = 8
    for _ in range(MOST_PIECES):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if name == b"IDAT" and at + 8 + size > len(data) + CLOSING_BYTES:
            return Refusal("undecodable")
        at += 12 + size
    return None


def _jpeg(data: bytes) -> Refusal | None:
    frame = next((at for name, at in segments(data[:HEAD_BYTES]) if name in FRAMES), None)
    cut_off = frame is not None and data.find(END_OF_JPEG, frame) < 0
    return Refusal("undecodable") if cut_off else None


def _webp(data: bytes) -> Refusal | None:
    return Refusal("undecodable") if 8 + int.from_bytes(data[4:8], "little") > len(data) else None


def _avif(data: bytes) -> Refusal | None:
    return Refusal("undecodable") if goes_on(memoryview(data), b"mdat") else None


def _mp4(data: bytes) -> Refusal | None:
    view = memoryview(data)
    top = [name for name, _ in boxes(view)]
    if len(top) < MOST_PIECES and b"moov" not in top:
        return Refusal("undecodable")  # cut off before it: many write it last
    pieces = list(boxes(inside(view, b"moov")))
    tracks = [body for name, body in pieces if name == b"trak"]
    if len(tracks) > MAX_STREAMS:
        return Refusal("complex")
    kinds = [bytes(inside(track, b"mdia", b"hdlr")[8:12]) for track in tracks]
    if kinds and len(pieces) < MOST_PIECES and all(kind in OTHERS for kind in kinds):
        return Refusal("track")
    films = (track for track, kind in zip(tracks, kinds, strict=True) if kind == b"vide")
    tables = inside(next(films, view[:0]), b"mdia", b"minf", b"stbl")
    if bytes(inside(tables, b"stsd")[12:16]) in OTHER_CODINGS:
        return Refusal("codec")
    return Refusal("undecodable") if _begins_behind(tables, len(data)) else None


def _begins_behind(tables: memoryview, end: int) -> bool:
    """Whether frames of a track are to be found behind the end of the file, which was cut off."""
    short, long = inside(tables, b"stco"), inside(tables, b"co64")
    table, form = (short, ">I") if len(short) else (long, ">Q")
    places = table[8 : 8 + min(whole(table[4:8]), MOST_ENTRIES) * struct.calcsize(form)]
    whole_ones = places[: len(places) - len(places) % struct.calcsize(form)]
    return any(place >= end for (place,) in struct.iter_unpack(form, whole_ones))


def _matroska(data: bytes) -> Refusal | None:
    tracks = [body for _, body in elements(element(element(memoryview(data), SEGMENT), TRACKS))]
    if not 0 < len(tracks) < MOST_PIECES:
        return None
    film = next((track for track in tracks if whole(element(track, TRACK_TYPE)) == FILM), None)
    if film is None:
        return Refusal("track")
    return Refusal("codec") if bytes(element(film, CODEC)).startswith(OTHER_CODECS) else None


def _wav(data: bytes) -> Refusal | None:
    view = memoryview(data)
    coding, channels, rate_hz, bits = wav_head(view)
    if coding in OTHER_SOUNDS:
        return Refusal("codec")
    limits = AudioLimits()
    heard = channels <= limits.max_channels and limits.min_rate_hz <= rate_hz <= limits.max_rate_hz
    if bits in PLAIN.get(coding, ()) and 0 < channels <= MOST_CHANNELS and rate_hz and not heard:
        return Refusal("rate", rate_hz, channels)
    sound = next((at for name, at, _ in chunks(view) if name == b"data"), None)
    return Refusal("undecodable") if sound == len(data) else None


LOOKS: Mapping[Kind, Callable[[bytes], Refusal | None]] = {
    Kind.PNG: _png,
    Kind.JPEG: _jpeg,
    Kind.WEBP: _webp,
    Kind.AVIF: _avif,
    Kind.MP4: _mp4,
    Kind.MATROSKA: _matroska,
    Kind.WAV: _wav,
}
