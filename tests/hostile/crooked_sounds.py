"""Sound files that are hostile, damaged or only odd."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from foreign_cases import corners, film, image, sound, tone, wav
from numpy.typing import NDArray

Maker = Callable[[], bytes]

PCM, FLOAT, ALAW, MP3_IN_WAV, EXTENSIBLE = 1, 3, 6, 0x55, 0xFFFE

LAME = ("mp3", "libmp3lame")

QUIET_FRAME = b"\xff\xe3\x18\xc4" + bytes(68)
"""MPEG 2.5 layer III, 8 kbit/s at 8 kHz, silence: 72 bytes for 72 milliseconds."""


def riff(*chunks: tuple[bytes, bytes], form: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks
    )
    return form + struct.pack("<I", len(body)) + body


def fmt(tag: int = PCM, channels: int = 1, rate: int = 8000, bits: int = 16, align: int | None = None) -> bytes:
    block = max(1, channels * bits // 8) if align is None else align
    return struct.pack("<HHIIHH", tag, channels, rate, (rate * block) & 0xFFFFFFFF, block & 0xFFFF, bits)


def pcm(data: bytes = bytes(8000 * 2 * 4), **form: Any) -> bytes:
    """Four seconds of silence, with anything in its header changed."""
    return riff((b"fmt ", fmt(**form)), (b"data", data))


def floats(value: float) -> bytes:
    samples = np.zeros(8000 * 4, "<f4")
    samples[1000] = value
    return pcm(samples.tobytes(), tag=FLOAT, bits=32)


def size_of_data(stated: int) -> bytes:
    good = pcm()
    at = good.index(b"data") + 4
    return good[:at] + struct.pack("<I", stated) + good[at + 4 :]


def extensible(guid: bytes) -> bytes:
    extended = fmt(EXTENSIBLE) + struct.pack("<HHI", 22, 16, 4) + guid
    return riff((b"fmt ", extended), (b"data", bytes(8000 * 2 * 4)))


def mp3(samples: NDArray[np.float32], rate_hz: int = 48_000) -> bytes:
    return sound(samples, rate_hz, *LAME)


def with_lying_count(data: bytes) -> bytes:
    for name in (b"Xing", b"Info"):
        if name in data:
            at = data.index(name) + 8
            return data[:at] + b"\x7f\xff\xff\xff" + data[at + 4 :]
    raise AssertionError("no such header")


def tag(content: bytes, stated: int | None = None) -> bytes:
    """ID3v2.3."""
    length = len(content) if stated is None else stated
    return b"ID3\x03\0\0" + bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0)) + content


def cover(size: int) -> bytes:
    picture = b"\0image/png\0\x03\0" + image(corners(), "PNG") + bytes(size)
    return tag(b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture)


def without_tag(data: bytes) -> bytes:
    return data[data.index(b"\xff\xfb") :] if b"\xff\xfb" in data[:4096] else data[data.index(b"\xff\xf3") :]


def made() -> Iterator[tuple[str, Maker]]:
    """Name of the file and what makes it."""
    good_mp3 = mp3(tone(3.5))
    bare = without_tag(good_mp3)
    silence = bytes(8000 * 2)
    for rate in (0, 1, 7999, 192_001, 2_000_000_000):
        yield f"rate_of_{rate}.wav", lambda rate=rate: pcm(rate=rate)
    yield "rate_of_192000.wav", lambda: pcm(bytes(192_000 * 2 * 3), rate=192_000)
    yield "channels_0.wav", lambda: pcm(channels=0)
    yield "channels_8.wav", lambda: pcm(silence * 8 * 3, channels=8)
    yield "channels_9.wav", lambda: pcm(silence * 9 * 3, channels=9)
    yield "channels_65535.wav", lambda: pcm(channels=65535)
    yield "not_a_number.wav", lambda: floats(float("nan"))
    yield "infinite.wav", lambda: floats(float("inf"))
    yield "far_too_loud.wav", lambda: floats(1e38)
    yield "doubles_beyond_floats.wav", lambda: pcm(np.full(32_000, 1e300, "<f8").tobytes(), tag=FLOAT, bits=64)
    yield "seconds_2_9.wav", lambda: pcm(bytes(round(2.9 * 16_000)))
    yield "seconds_2_96.wav", lambda: pcm(bytes(round(2.96 * 16_000)))
    yield "seconds_30_04.wav", lambda: pcm(bytes(round(30.04 * 16_000)))
    yield "seconds_31.wav", lambda: pcm(silence * 31)
    yield "data_of_4_gigabytes.wav", lambda: size_of_data(0xFFFFFFFF)
    yield "data_of_0_bytes.wav", lambda: size_of_data(0)
    yield "block_of_1_byte.wav", lambda: pcm(align=1)
    yield "block_of_65535_bytes.wav", lambda: pcm(align=65535)
    yield "bits_0.wav", lambda: pcm(bits=0)
    yield "bits_12.wav", lambda: pcm(bits=12)
    yield "bits_64.wav", lambda: pcm(bits=64)
    yield "a_law.wav", lambda: pcm(bytes(8000 * 4), tag=ALAW, bits=8)
    yield "adpcm.wav", lambda: sound(tone(4, 8000, 1), 8000, "wav", "adpcm_ms", "mono")
    yield "mp3_inside.wav", lambda: riff((b"fmt ", fmt(MP3_IN_WAV, 2, 48_000, 0)), (b"data", bare))
    yield "extensible_pcm.wav", lambda: extensible(bytes.fromhex("0100000000001000800000aa00389b71"))
    yield "extensible_unknown.wav", lambda: extensible(b"\xee" * 16)
    yield "without_format.wav", lambda: riff((b"data", silence * 4))
    yield "without_data.wav", lambda: riff((b"fmt ", fmt()))
    yield "format_twice.wav", lambda: riff((b"fmt ", fmt()), (b"fmt ", fmt(rate=48_000)), (b"data", silence * 4))
    yield "format_of_2_bytes.wav", lambda: riff((b"fmt ", b"\1\0"), (b"data", silence * 4))
    yield "chunk_longer_than_the_file.wav", lambda: pcm()[:36] + b"LIST\xff\xff\xff\x7f" + bytes(100)
    yield "ten_thousand_chunks.wav", lambda: riff((b"fmt ", fmt()), *[(b"junk", b"")] * 10_000, (b"data", silence * 4))
    yield "cut_in_a_sample.wav", lambda: pcm()[:-1]
    yield "only_a_riff.wav", lambda: b"RIFF\x04\0\0\0WAVE"
    yield (
        "beyond_4_gigabytes.wav",
        lambda: riff((b"ds64", bytes(28)), (b"fmt ", fmt()), (b"data", silence), form=b"RF64"),
    )
    yield "four_hours.mp3", lambda: QUIET_FRAME * (14_000_000 // len(QUIET_FRAME))
    yield "sixteen_megabytes.mp3", lambda: QUIET_FRAME * (16_500_000 // len(QUIET_FRAME))
    yield "count_of_frames_lies.mp3", lambda: with_lying_count(good_mp3)
    yield "cover_of_3_megabytes.mp3", lambda: cover(3_000_000) + bare
    yield "two_rates.mp3", lambda: without_tag(mp3(tone(2))) + without_tag(mp3(tone(2, 44_100), 44_100))
    yield "tag_longer_than_the_file.mp3", lambda: tag(b"", stated=(1 << 28) - 1) + bare
    yield "only_a_tag.mp3", lambda: tag(bytes(100))
    yield "noise_behind_a_frame.mp3", lambda: bare[:400] + np.random.default_rng(8).bytes(60_000)
    yield "bit_rate_free.mp3", lambda: b"\xff\xfb\x04\xc4" + bytes(60_000)
    yield "layer_2.mp3", lambda: sound(tone(3.2), 48_000, "mp2", "mp2")
    yield "seconds_2.mp3", lambda: mp3(tone(2))
    yield "seconds_32.mp3", lambda: mp3(tone(32, 16_000), 16_000)
    yield "cut_in_a_frame.mp3", lambda: good_mp3[: len(good_mp3) - 100]
    yield "lossless.flac", lambda: sound(tone(3.2), 48_000, "flac", "flac")
    yield "flac_in_ogg.ogg", lambda: sound(tone(3.2), 48_000, "ogg", "flac")
    yield "advanced.aac", lambda: sound(tone(3.2), 48_000, "adts", "aac")
    yield "advanced.m4a", lambda: sound(tone(3.2), 48_000, "ipod", "aac")
    yield "interchange.aiff", lambda: sound(tone(3.2), 48_000, "aiff", "pcm_s16be")
    yield "sun.au", lambda: sound(tone(3.2), 48_000, "au", "pcm_s16be")
    yield "notes.mid", lambda: b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk\0\0\0\x04\0\xff\x2f\0"
    yield "really_a_video.wav", lambda: film([corners()] * 2)
    yield "really_text.mp3", lambda: b"this is no sound at all\n" * 100
    yield "empty.wav", lambda: b""
    yield "plain_wav_as_it_should_be.wav", lambda: wav(tone(3))
