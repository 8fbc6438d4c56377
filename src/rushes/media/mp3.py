"""How long an MP3 lasts: by the heads of its frames, one after the other, since it has no header of its own."""

from __future__ import annotations

from dataclasses import dataclass

MOST_FRAMES = 10_000
"""Whoever has more is too long for every model, whatever it is to the second."""

KBITS = (
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
"""Of layer III (ISO/IEC 11172-3, 2.4.2.3, and 13818-3): by the first version of the format, and by the later two."""
RATES_HZ = (44_100, 48_000, 32_000)
FIRST = 3  # the versions are 3, 2 and, at a quarter of its rates, 0
MONO = 3
TRIMMED_BY = (b"LAME", b"Lavf", b"Lavc")
"""Who write how many samples they put before and behind the sound, in such a way that they are taken off again."""
TAGS = (b"TAG", b"APE", b"LYR", b"ID3")  # at the end of a file


@dataclass(frozen=True, slots=True)
class Head:
    """Of one frame: bytes of it, samples that it makes, and how many a second."""

    size_bytes: int
    samples: int
    rate_hz: int
    side_bytes: int


def mp3_seconds(data: memoryview) -> float | None:
    """How long `data` sounds; None where it is not frame by frame, or not at one rate.

    Of more than `MOST_FRAMES` the rest is taken for like them, by its size.
    """
    at = _first(data)
    head = head_at(data, at)
    if head is None:
        return None
    rate_hz, heard = head.rate_hz, 0
    told, trimmed = _told(data[at : at + head.size_bytes], head)
    if told:
        at += head.size_bytes  # it is not heard
    begin = at
    for _ in range(MOST_FRAMES):
        head = head_at(data, at)
        if head is None or at + head.size_bytes > len(data):
            rest = bytes(data[at : at + 4])
            over = rest.startswith(TAGS) or not bytes(data[at:]).strip(b"\0")
            return max(0, heard - trimmed) / rate_hz if over and heard else None
        if head.rate_hz != rate_hz:
            return None
        heard, at = heard + head.samples, at + head.size_bytes
    return heard / rate_hz * (len(data) - begin) / (at - begin)


def head_at(data: memoryview, at: int) -> Head | None:
    """The head of the frame that begins there, of a size that it says; None where there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, coded = data[at + 1] >> 3 & 3, data[at + 2]
    if version == 1 or coded >> 4 in (0, 15) or coded >> 2 & 3 == 3:
        return None
    later = version != FIRST
    rate_hz = RATES_HZ[coded >> 2 & 3] >> (0, 1, 2)[later + (version == 0)]
    kbits = KBITS[later][coded >> 4]
    samples = 576 if later else 1152
    mono = data[at + 3] >> 6 == MONO
    side_bytes = (9 if mono else 17) if later else (17 if mono else 32)
    return Head(samples // 8 * 1000 * kbits // rate_hz + (coded >> 1 & 1), samples, rate_hz, side_bytes)


def _first(data: memoryview) -> int:
    """Where the first frame begins: behind a tag of notes, and what it is padded with."""
    if bytes(data[:3]) != b"ID3" or len(data) < 10:
        return 0
    size = sum((byte & 0x7F) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    at = 10 + size + (10 if data[5] & 0x10 else 0)
    padding = bytes(data[at : at + 4096])
    return at + len(padding) - len(padding.lstrip(b"\0"))


def _told(frame: memoryview, head: Head) -> tuple[bool, int]:
    """Whether a first frame only tells of the others, and how many samples it says were put around the sound."""
    if bytes(frame[36:40]) == b"VBRI":
        return True, 0
    about = frame[4 + head.side_bytes :]
    if bytes(about[:4]) not in (b"Xing", b"Info"):
        return False, 0
    flags = about[7] if len(about) > 7 else 0
    lame = about[8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1) :]
    if bytes(lame[:4]) not in TRIMMED_BY or len(lame) < 24:
        return True, 0
    before_and_behind = int.from_bytes(lame[21:24], "big")
    return True, (before_and_behind >> 12) + (before_and_behind & 0xFFF)
