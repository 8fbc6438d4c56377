"""What a file is, by its own first bytes; its name and its label are not asked.

Libraries that guess for themselves end up in parsers nobody meant to open: a playlist, a session description or a font
passes for a "video" there. So the format is settled here, and forced on the library.
"""

from __future__ import annotations

import re
from enum import StrEnum

from rushes.errors import UnsupportedMediaType

HEAD_BYTES = 4096

REFUSED = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"BM": "BMP",
    b"%PDF": "PDF",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"FLV": "FLV",
    b"#EXTM3U": "a playlist",
}
"""Kinds that people do send: named, so that they know what to convert. Nothing else is concluded from it."""
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"})

MP4_BRANDS = frozenset(
    name.ljust(4).encode()
    for name in (*(f"iso{n}" for n in "m23456789"), "mp41", "mp42", "mp71", "avc1", "dash", "cmfc", "MSNV", "M4V", "qt")
) | {b"3gp4", b"3gp5"}
AVIF_BRANDS = frozenset({b"avif", b"avis"})

MPEG_VERSION_AND_LAYER = frozenset(b"\xe2\xe3\xf2\xf3\xfa\xfb")
"""The second byte of a layer III frame: version 2.5, 2 or 1, with a checksum or without."""


class Kind(StrEnum):
    """A format that is taken here."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    GIF = "gif"
    AVIF = "avif"
    MP4 = "mp4"
    MATROSKA = "matroska"
    WAV = "wav"
    MP3 = "mp3"

    @property
    def shown(self) -> str:
        """As people write it."""
        return {Kind.WEBP: "WebP", Kind.MATROSKA: "Matroska or WebM"}.get(self, self.upper())


IMAGES = (Kind.PNG, Kind.JPEG, Kind.WEBP, Kind.GIF, Kind.AVIF)
VIDEOS = (Kind.MP4, Kind.MATROSKA)
SOUNDS = (Kind.WAV, Kind.MP3)


def sniff(data: bytes, allowed: tuple[Kind, ...] = (*IMAGES, *VIDEOS, *SOUNDS)) -> Kind:
    """The format that `data` begins like; whether the rest holds what the beginning promises is the decoder's to find.

    Errors  UnsupportedMediaType for everything that is not in `allowed`.
    """
    head = bytes(data[:HEAD_BYTES])
    kind = _by_signature(head) or _by_container(head) or _mp3(data)
    if kind not in allowed:
        given = _name_of_refused(head) if kind is None else kind.shown
        raise UnsupportedMediaType(given=given, allowed=", ".join(kind.shown for kind in allowed))
    return kind


def _name_of_refused(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        return "HEIC"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "AVI"
    return next((name for start, name in REFUSED.items() if head.startswith(start)), "a file of an unknown kind")


def _by_signature(head: bytes) -> Kind | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return Kind.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return Kind.JPEG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return Kind.GIF
    if head.startswith(b"RIFF"):
        return {b"WEBP": Kind.WEBP, b"WAVE": Kind.WAV}.get(head[8:12])
    return None


def _by_container(head: bytes) -> Kind | None:
    if head[4:8] == b"ftyp":
        length = min(int.from_bytes(head[:4], "big"), len(head))
        major, compatible = head[8:12], {head[at : at + 4] for at in range(16, length - 3, 4)}
        if major in AVIF_BRANDS or (major in (b"mif1", b"miaf") and compatible & AVIF_BRANDS):
            return Kind.AVIF
        if major in MP4_BRANDS:
            return Kind.MP4
    if head.startswith(b"\x1a\x45\xdf\xa3") and re.search(rb"\x42\x82[\x84\x88](webm|matroska)", head[:128]):
        return Kind.MATROSKA
    return None


def _mp3(data: bytes) -> Kind | None:
    """MP3 has no signature: its first frame, where a tag ahead of it says that it begins."""
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        # Four bytes of seven bits each; a footer has ten bytes more.
        size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
        start = 10 + size + (10 if data[5] & 0x10 else 0)
        return Kind.MP3 if _starts_frame(bytes(data[start : start + HEAD_BYTES]).lstrip(b"\0")) else None  # padded tags
    return Kind.MP3 if _starts_frame(bytes(data[:4])) else None


def _starts_frame(data: bytes) -> bool:
    """Whether this is the header of an MPEG layer III frame of a bit rate and a sample rate that exist."""
    if len(data) < 4 or data[0] != 0xFF or data[1] not in MPEG_VERSION_AND_LAYER:
        return False
    return 1 <= data[2] >> 4 <= 14 and data[2] >> 2 & 3 != 3
