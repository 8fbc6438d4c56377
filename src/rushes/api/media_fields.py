"""The `media` object of the wire body → `contract.media.Media`.

Every spelling seen in the wild is folded here: objects and bare strings, `audio` and `input_audio`,
and the two members that once stood at the top level. Sources are checked for form only; they are fetched
and opened by the worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from rushes.api.body import described, member
from rushes.api.remarks import Remarks
from rushes.contract.media import FrameImage, Media
from rushes.errors import InvalidValue, UnknownField, UnsupportedField, quoted

MAX_URL_CHARS = 8192
SOURCE = "an http(s) URL, a data URL in base64, or plain base64"
FRAME = '"first", "last" or a frame number from 0'

CLIP_KEYS = ("video",)
AUDIO_KEYS = ("audio", "input_audio")
MEMBERS = ("frame_images", "frame_videos", "reference_images", "reference_videos", "source_video", "audio_inputs")
DEPRECATED = ("frame_images", "reference_images")

DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def parse_media(body: Mapping[str, Any], remarks: Remarks) -> Media:
    """All media of the wire body; what was folded or ignored goes to `remarks`. Raises `Refused`."""
    given = body.get("media")
    if given is not None and not isinstance(given, dict):
        raise InvalidValue(field="media", given=described(given), allowed="an object")
    members = {f"media.{key}": value for key, value in (given or {}).items() if value is not None}
    _check_members(members)
    for name in DEPRECATED:
        _fold_deprecated(name, body.get(name), members, remarks)

    def read(name: str) -> tuple[str, Any]:
        path = name if name in members else f"media.{name}"  # errors name the spelling that was sent
        return path, members.get(path)

    source_path, source = read("source_video")
    return Media(
        frame_images=tuple(_frame_images(*read("frame_images"), remarks)),
        frame_videos=tuple(_sources(*read("frame_videos"), CLIP_KEYS, remarks)),
        reference_images=tuple(_sources(*read("reference_images"), (), remarks)),
        reference_videos=tuple(_sources(*read("reference_videos"), CLIP_KEYS, remarks)),
        source_video=None if source in (None, "") else _source(source, source_path, CLIP_KEYS, remarks),
        audio_inputs=tuple(_sources(*read("audio_inputs"), AUDIO_KEYS, remarks)),
    )


def _check_members(members: Mapping[str, Any]) -> None:
    """A media member nobody knows changes the picture too much to be ignored with a warning."""
    if members.get("media.reference_audios"):
        raise UnsupportedField(field="media.reference_audios", hint="send sound in media.audio_inputs")
    for path in members:
        name = path.removeprefix("media.")
        if name not in MEMBERS and name != "reference_audios":
            raise UnknownField(field=member("media", name), allowed=", ".join(MEMBERS))


def _fold_deprecated(name: str, value: Any, members: dict[str, Any], remarks: Remarks) -> None:
    if value is None or value == []:
        return
    if members.get(f"media.{name}"):
        raise InvalidValue(field=name, given=f"both {name} and media.{name}", allowed=f"one of them: media.{name}")
    members.pop(f"media.{name}", None)
    members[name] = value
    remarks.say(f"{name}: deprecated at the top level; send media.{name}")


def _items(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if value is None:
        return
    if not isinstance(value, list):
        raise InvalidValue(field=path, given=described(value), allowed="an array")
    for index, item in enumerate(value):
        yield f"{path}[{index}]", item


def _frame_images(path: str, value: Any, remarks: Remarks) -> Iterator[FrameImage]:
    for where, item in _items(path, value):
        frame = item.get("frame") if isinstance(item, dict) else None
        source = _source(item, where, ("input_image",), remarks, also=("frame",))
        yield FrameImage(source, None if frame is None else _frame(frame, f"{where}.frame"))


def _frame(value: Any, path: str) -> str | int:
    if isinstance(value, str) and value.lower() in ("first", "last"):
        return value.lower()
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or not 0 <= value <= 10**6:
        raise InvalidValue(field=path, given=described(value), allowed=FRAME)
    return int(value)


def _sources(path: str, value: Any, keys: tuple[str, ...], remarks: Remarks) -> Iterator[str]:
    for where, item in _items(path, value):
        yield _source(item, where, keys, remarks)


def _source(item: Any, path: str, keys: tuple[str, ...], remarks: Remarks, also: tuple[str, ...] = ()) -> str:
    """The source in `item`: a string itself, or an object holding one under any of `keys`."""
    if isinstance(item, str):
        return _checked(item, path)
    if not isinstance(item, dict) or not keys:
        objects = f", or {{{keys[0]}: …}} with one" if keys else ""
        raise InvalidValue(field=path, given=described(item), allowed=SOURCE + objects)
    found = [key for key in keys if item.get(key) is not None]
    if len(found) != 1:
        given = " and ".join(found) or f"the keys {', '.join(map(quoted, list(item)[:8])) or '(none)'}"
        raise InvalidValue(field=f"{path}.{keys[0]}", given=given, allowed=SOURCE)
    remarks.unknown(path, (key for key in item if key not in keys + also))
    source = item[found[0]]
    if not isinstance(source, str):
        raise InvalidValue(field=f"{path}.{found[0]}", given=described(source), allowed=SOURCE)
    return _checked(source, f"{path}.{found[0]}")


def _checked(source: str, path: str) -> str:
    """`source` itself, when its form is one of the three that can be opened later."""
    text = source.strip()
    if text[:5].lower() == "http:" or text[:6].lower() == "https:":
        good = _is_url(text)
    elif head := DATA_URL.match(text):
        good = _is_base64(text[head.end() :])
    else:
        good = not OTHER_SCHEME.match(text) and _is_base64(text)
    if not good:
        raise InvalidValue(field=path, given=f'"{quoted(source)}"', allowed=SOURCE)
    return text


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and (parts.port or 1) > 0 and len(text) <= MAX_URL_CHARS and " " not in text
    except ValueError:
        return False


def _is_base64(text: str) -> bool:
    packed = "".join(text.split())  # line-wrapped base64 is common; its breaks carry nothing
    return len(packed) % 4 == 0 and BASE64.fullmatch(packed) is not None
