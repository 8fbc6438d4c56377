"""What a file is, by its first bytes and by nothing else."""

from __future__ import annotations

import contextlib

import pytest
from foreign_cases import corners, film, image, sound, tone, wav
from hypothesis import example, given
from hypothesis import strategies as st

from rushes.errors import UnsupportedMediaType
from rushes.media.sniff import IMAGES, Kind, sniff

GOOD = {
    Kind.PNG: lambda: image(corners(), "PNG"),
    Kind.JPEG: lambda: image(corners(), "JPEG"),
    Kind.WEBP: lambda: image(corners(), "WEBP"),
    Kind.GIF: lambda: image(corners(), "GIF"),
    Kind.AVIF: lambda: image(corners(), "AVIF"),
    Kind.MP4: lambda: film([corners()]),
    Kind.MATROSKA: lambda: film([corners()], "matroska"),
    Kind.WAV: lambda: wav(tone(1)),
    Kind.MP3: lambda: sound(tone(1), 48_000, "mp3", "libmp3lame"),
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_known_by_its_first_bytes(kind: Kind) -> None:
    assert sniff(GOOD[kind]()) is kind


def test_a_webm_and_a_mov_are_of_the_same_kinds_as_their_families() -> None:
    fast = {"cpu-used": "8", "deadline": "realtime"}
    assert sniff(film([corners()], "webm", "libvpx-vp9", options=fast)) is Kind.MATROSKA
    assert sniff(film([corners()], "mov")) is Kind.MP4


def test_an_mp3_with_a_padded_tag_ahead_is_found() -> None:
    bare = sound(tone(1), 48_000, "mp3", "libmp3lame")
    bare = bare[bare.index(b"\xff\xfb") :]
    assert sniff(bare) is Kind.MP3
    assert sniff(b"ID3\x03\0\0\0\0\0\x05abcde" + bytes(500) + bare) is Kind.MP3


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"", "an empty file"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"II*\0rest", "TIFF"),
        (b"%PDF-1.7", "PDF"),
        (b"OggS\0", "Ogg"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"#EXTM3U\n", "a playlist"),
        (b"\xff\xfe<\0", "a file of an unknown kind"),  # text in UTF-16 begins almost like MP3
        (b"\xff\xf1\x50\x80", "a file of an unknown kind"),  # and so does AAC
        (b"\xff\xfb\xff\xff", "a file of an unknown kind"),
    ],
)
def test_what_is_not_taken_is_named_where_people_are_likely_to_send_it(data: bytes, named: str) -> None:
    with pytest.raises(UnsupportedMediaType, match=f"given {named}; allowed: PNG, JPEG") as refused:
        sniff(data)
    assert refused.value.code == "unsupported_media_type"


def test_a_kind_that_is_not_wanted_here_is_refused_by_its_name() -> None:
    with pytest.raises(UnsupportedMediaType, match="given WAV; allowed: PNG, JPEG, WebP, GIF, AVIF"):
        sniff(wav(tone(1)), IMAGES)


STARTS = [b"ID3", b"RIFF", b"\0\0\0\x18ftyp", b"\x1a\x45\xdf\xa3", b"\xff\xfb", b""]


@given(st.sampled_from(STARTS), st.binary(max_size=64))
@example(b"ID3", b"\x03\0\0\x7f\x7f\x7f\x7f")
@example(b"\xff\xfb", b"")
def test_any_bytes_are_of_a_kind_or_are_refused(start: bytes, rest: bytes) -> None:
    with contextlib.suppress(UnsupportedMediaType):
        assert sniff(start + rest) in Kind
