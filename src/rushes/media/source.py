"""The three forms of a source: a web address, a data URL, or plain base64; and the kinds of file each member takes."""

from __future__ import annotations

import base64
import binascii
import re

from rushes.errors import InvalidValue, MediaRefused
from rushes.media.sniff import IMAGES, SOUNDS, VIDEOS, Kind, sniff

KINDS: dict[str, tuple[Kind, ...]] = {
    "frame_images": IMAGES,
    "reference_images": IMAGES,
    "frame_videos": VIDEOS,
    "reference_videos": VIDEOS,
    "source_video": VIDEOS,
    "audio_inputs": SOUNDS,
}

DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.ASCII | re.IGNORECASE)


def is_url(source: str) -> bool:
    return source.lstrip()[:8].lower().startswith(("http://", "https://"))


def inline(source: str, path: str) -> bytes:
    """The bytes of a data URL or of plain base64, of which white space is no part.

    What kind of file a data URL says it is counts for nothing: the file says so itself.
    Errors  InvalidValue naming `path` where it is neither.
    """
    text = source.strip()
    head = DATA_URL.match(text)
    try:
        content = base64.b64decode("".join(text[head.end() if head else 0 :].split()), validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        raise InvalidValue(
            field=path, given="text that is no base64", allowed="an http(s) URL, a data URL in base64, or plain base64"
        )
    return content


def require_kind(content: bytes, member: str, path: str) -> Kind:
    """What `content` is, where `member` takes files of that kind. Raises UnsupportedMediaType naming `path`."""
    try:
        return sniff(content, KINDS[member])
    except MediaRefused as error:
        raise error.at(path) from None
