"""What a file's beginning says that its decoder will refuse, against that decoder; and that it says no more."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import cast

import av
import numpy as np
import pytest
from foreign_cases import corners, film, image, sound, tone, wav
from PIL.PngImagePlugin import PngInfo

from rushes.errors import MediaRefused
from rushes.media.decode import decode_audio, decode_image, decode_video
from rushes.media.limits import AudioLimits, ImageLimits, Limits, VideoLimits
from rushes.media.refusal import error
from rushes.media.sniff import IMAGES, SOUNDS, Kind, sniff
from rushes.media.unfit import OTHER_CODECS, unfit

NOISE = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
LOOKS = [corners()] * 3


def coded(coding: int) -> bytes:
    """A WAV whose samples are said to be of that coding."""
    data = wav(tone(3.0))
    return data[:20] + coding.to_bytes(2, "little") + data[22:]


def ahead() -> bytes:
    """The index of a clip, which stands first, without any of what it is of."""
    data = film(LOOKS)
    begin, index = int.from_bytes(data[:4], "big"), data.index(b"moov") - 4
    movie, frames = data[index:], data[begin:index]
    place = movie.index(b"stco") + 12
    movie = movie[:place] + (begin + len(movie) + 16).to_bytes(4, "big") + movie[place + 4 :]
    return data[:begin] + movie + frames[:16]


def streams(count: int) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        made = [cast(av.VideoStream, container.add_stream("mpeg4", 25)) for _ in range(count)]
        for stream in made:
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for stream in made:
            still = av.VideoFrame.from_ndarray(corners(), format="rgb24").reformat(format="yuv420p")
            container.mux(stream.encode(still))
            container.mux(stream.encode(None))
    return file.getvalue()


def pieces(count: int) -> bytes:
    """A PNG with so many notes ahead of its pixels."""
    notes = PngInfo()
    for number in range(count):
        notes.add_text(f"note {number}", "x")
    return image(NOISE, "PNG", pnginfo=notes)


UNFIT: dict[str, Callable[[], bytes]] = {
    "png cut off": lambda: image(NOISE, "PNG")[:-60],
    "jpeg cut off": lambda: image(NOISE, "JPEG")[:-2],
    "progressive jpeg cut off": lambda: image(NOISE, "JPEG", progressive=True)[:-400],
    "webp cut off": lambda: image(NOISE, "WEBP")[:-1],
    "avif cut off": lambda: image(NOISE, "AVIF")[:-1],
    "mp4 whose frames are cut off": ahead,
    "nine streams": lambda: streams(9),
    "wav without a sound": lambda: wav(tone(3.0))[:44],
    "mp4 cut off": lambda: film(LOOKS)[:-1000],
    "prores": lambda: film(LOOKS, "mov", "prores_ks", pix_fmt="yuv422p10le"),
    "raw": lambda: film(LOOKS, "mov", "rawvideo"),
    "ffv1": lambda: film(LOOKS, "matroska", "ffv1"),
    "sound in mp4": lambda: sound(tone(1.0), 48_000, "mp4", "aac"),
    "sound in matroska": lambda: sound(tone(1.0), 48_000, "matroska", "aac"),
    "adpcm": lambda: coded(0x11),
    "other adpcm": lambda: coded(0x02),
    "ten channels": lambda: wav(tone(3.0, 48_000, 10)),
    "four kilohertz": lambda: wav(tone(3.0, 4_000), 4_000),
    "384 kilohertz": lambda: wav(tone(3.0, 384_000, 1), 384_000),
}
FIT: dict[str, Callable[[], bytes]] = {
    **{kind.value: lambda kind=kind: image(NOISE, kind.value) for kind in IMAGES},
    "png with its sums cut off": lambda: image(NOISE, "PNG")[:-20],
    "jpeg with bytes behind it": lambda: image(NOISE, "JPEG") + bytes(100),
    "jpeg with a thumbnail": lambda: image(NOISE, "JPEG", exif=b"Exif\0\0" + image(corners(), "JPEG")),
    "webp with bytes behind it": lambda: image(NOISE, "WEBP") + bytes(100),
    "mp4": lambda: film(LOOKS),
    "eight streams": lambda: streams(8),
    "png in a hundred pieces": lambda: pieces(100),
    "mp4 with a sound": lambda: film(LOOKS, sound=tone(1.0)),
    "mp4 in fragments": lambda: film(LOOKS, container_options={"movflags": "frag_keyframe+empty_moov"}),
    "motion jpeg": lambda: film(LOOKS, "mov", "mjpeg", pix_fmt="yuvj420p"),
    "mpeg-4": lambda: film(LOOKS, "matroska", "mpeg4"),
    "eight channels": lambda: wav(tone(3.0, 48_000, 8)),
    "floats": lambda: sound(tone(3.0), 48_000, "wav", "pcm_f32le"),
    "logarithmic": lambda: sound(tone(3.0), 48_000, "wav", "pcm_mulaw"),
    "mp3": lambda: sound(tone(3.0), 48_000, "mp3", "libmp3lame"),
}


def opened(data: bytes, kind: Kind) -> None:
    if kind in IMAGES:
        decode_image(data)
    elif kind in SOUNDS:
        decode_audio(data)
    else:
        decode_video(data)


@pytest.mark.parametrize("name", UNFIT)
def test_what_is_refused_by_its_beginning_would_be_refused_for_the_same(name: str) -> None:
    data = UNFIT[name]()
    kind = sniff(data)
    fault = unfit(data, kind)
    assert fault is not None
    limits: Limits = ImageLimits() if kind in IMAGES else AudioLimits() if kind in SOUNDS else VideoLimits()
    said = error(fault.code, fault.numbers, limits)
    with pytest.raises(MediaRefused) as refused:
        opened(data, kind)
    assert (refused.value.code, refused.value.given, refused.value.allowed) == (said.code, said.given, said.allowed)


@pytest.mark.parametrize("name", FIT)
def test_what_can_be_opened_is_not_refused(name: str) -> None:
    data = FIT[name]()
    opened(data, sniff(data))
    assert unfit(data, sniff(data)) is None


@pytest.mark.parametrize("name", ["mp4", "matroska", "PNG", "JPEG", "WEBP", "AVIF"])
def test_a_file_cut_anywhere_is_refused_only_where_its_decoder_refuses_it(name: str) -> None:
    data = film(LOOKS, name) if name in ("mp4", "matroska") else image(NOISE, name)
    kind = sniff(data)
    for kept in range(64, len(data), len(data) // 23):
        cut = data[:kept]
        if unfit(cut, kind) is not None:
            with pytest.raises(MediaRefused):
                opened(cut, kind)


def test_codecs_whose_names_are_not_known_are_left_to_the_decoder() -> None:
    data = film(LOOKS, "matroska", "ffv1")
    assert b"V_FFV1" in data and b"V_FFV1" in OTHER_CODECS
    assert unfit(data.replace(b"V_FFV1", b"V_NEW1"), Kind.MATROSKA) is None
    with suppress(MediaRefused):
        opened(data, Kind.MATROSKA)
