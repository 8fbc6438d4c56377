"""The forms that a media field may come in."""

from __future__ import annotations

import base64

import pytest

from rushes.errors import InvalidValue, UnsupportedMediaType
from rushes.media.source import KINDS, inline, is_url, require_kind

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
WAV = b"RIFF\0\0\0\0WAVEfmt " + bytes(64)
PATH = "media.frame_images[0]"


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    "source",
    [
        text(PNG),
        f"data:image/png;base64,{text(PNG)}",
        f"DATA:IMAGE/PNG;BASE64,{text(PNG)}",
        f"data:image/jpeg;charset=x;base64,{text(PNG)}",
        f"data:;base64,{text(PNG)}",
        f"  {text(PNG)[:40]}\r\n {text(PNG)[40:]}\n",
    ],
)
def test_every_spelling_gives_the_same_bytes(source: str) -> None:
    assert not is_url(source)
    assert inline(source, PATH) == PNG


@pytest.mark.parametrize(
    "source", ["data:image/png,abc", "data:image/png;base64,", "a.b", "ab", "====", "sha256:aaaa", "ä"]
)
def test_what_is_no_base64_is_refused_by_its_path(source: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        inline(source, PATH)
    assert refused.value.field == PATH


@pytest.mark.parametrize("source", ["https://example.org/a", "HTTP://example.org/a", " http://[::1]/"])
def test_web_addresses_are_told_from_the_rest(source: str) -> None:
    assert is_url(source)


def test_each_member_takes_files_of_its_own_kind() -> None:
    require_kind(PNG, "frame_images", PATH)
    require_kind(WAV, "audio_inputs", "media.audio_inputs[0]")
    for content, member in ((WAV, "frame_images"), (PNG, "source_video"), (b"hello there", "frame_images")):
        with pytest.raises(UnsupportedMediaType) as refused:
            require_kind(content, member, f"media.{member}")
        assert refused.value.field == f"media.{member}"
        assert KINDS[member][0].shown in str(refused.value.allowed)
