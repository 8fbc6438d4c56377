"""A thousand good files with a little damage: the child may die of one, the service never does.

The seed is printed with every failure; MUTATIONS_SEED runs one again, MUTATIONS makes it more.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from foreign_cases import corners, film, image, sound, tone, wav
from PIL import Image

from rushes.errors import MediaRefused
from rushes.media.decode import decode_audio, decode_image, decode_video
from rushes.media.limits import AT_ONCE, AudioLimits, VideoLimits
from rushes.media.sniff import IMAGES, VIDEOS, sniff

SEED = int(os.environ.get("MUTATIONS_SEED", "20261"))
COUNT = int(os.environ.get("MUTATIONS", "1000"))


def good_files() -> dict[str, bytes]:
    """Small ones of every kind, so that a mutation has a chance to hit what matters."""
    picture, frames, heard = corners(24, 16), [corners(32, 16)] * 3, tone(0.3, 8000, 1)
    fast = {"cpu-used": "8", "deadline": "realtime"}
    return {
        "png": image(picture, "PNG"),
        "indexed png": image(Image.fromarray(picture).quantize(4), "PNG", transparency=0),
        "jpeg": image(picture, "JPEG"),
        "progressive jpeg": image(picture, "JPEG", progressive=True),
        "lossy webp": image(picture, "WEBP"),
        "lossless webp": image(picture, "WEBP", lossless=True),
        "gif": image(picture, "GIF"),
        "avif": image(picture, "AVIF"),
        "h264 in mp4": film(frames),
        "fragmented mp4": film(frames, container_options={"movflags": "+frag_keyframe+empty_moov"}),
        "mpeg4 in mp4": film(frames, codec="mpeg4"),
        "mjpeg in mov": film(frames, "mov", "mjpeg", pix_fmt="yuvj420p"),
        "vp8 in webm": film(frames, "webm", "libvpx", options=fast),
        "vp9 in webm": film(frames, "webm", "libvpx-vp9", options=fast),
        "h264 in matroska": film(frames, "matroska"),
        "sound in mp4": film(frames, sound=tone(0.12)),
        "wav": wav(heard, 8000),
        "float wav": sound(heard, 8000, "wav", "pcm_f32le", "mono"),
        "mp3": sound(heard, 8000, "mp3", "libmp3lame", "mono"),
        "stereo mp3": sound(tone(0.3, 16_000), 16_000, "mp3", "libmp3lame"),
    }


def mutated(data: bytes, dice: random.Random) -> bytes:
    """One to eight wounds: bits turned, bytes replaced, pieces cut out, doubled or swapped, lengths made extreme."""
    wounded = bytearray(data)
    for _ in range(dice.randint(1, 8)):
        at, length = dice.randrange(len(wounded)), dice.randint(1, 16)
        match dice.randrange(6):
            case 0:
                wounded[at] ^= 1 << dice.randrange(8)
            case 1:
                wounded[at : at + length] = dice.randbytes(length)
            case 2:
                del wounded[at : at + length]
            case 3:
                wounded[at:at] = wounded[at : at + length]
            case 4:
                wounded[at : at + 4] = dice.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1"])
            case 5:
                del wounded[max(12, len(wounded) - length * 8) :]
        if not wounded:
            return data[:1]
    return bytes(wounded)


def opened(data: bytes) -> str:
    """What became of it, in one word."""
    try:
        kind = sniff(data)
        if kind in IMAGES:
            decode_image(data)
        elif kind in VIDEOS:
            decode_video(data, VideoLimits(sound=True))
        else:
            decode_audio(data, AudioLimits(min_seconds=0.1))
    except MediaRefused as refused:
        return refused.code
    return "opened"


def test_damaged_files_are_opened_or_refused_and_nothing_else() -> None:
    print(f"MUTATIONS_SEED={SEED}")
    files = good_files()
    assert {name: opened(data) for name, data in files.items()} == dict.fromkeys(files, "opened")
    dice = random.Random(SEED)  # noqa: S311 - no secrets here
    names = list(files)
    damaged = [mutated(files[names[index % len(names)]], dice) for index in range(COUNT)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = Counter(threads.map(opened, damaged))
    print(outcomes)
    assert sum(outcomes.values()) == COUNT
    assert len(outcomes) > 3, "the wounds are too light to test anything"
    assert {name: opened(data) for name, data in files.items()} == dict.fromkeys(files, "opened")
