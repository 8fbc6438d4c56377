"""Flags of `rushes generate` as the JSON body that a client would have sent.

One set of rules reads both: a flag's value that is no number travels on as text, and the answer names the field,
the given and the allowed in the same words as the server's.
"""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rushes.errors import InvalidValue

REMOTE = ("http://", "https://", "data:")
MAX_LOCAL_BYTES = 256 * 2**20  # a local file travels inside the request, in memory

INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
# float() alone would also read 1_000 and the digits of every script.
DECIMAL = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|nan)", re.IGNORECASE)

FORMATS = {".mp4": "MP4", ".webm": "WEBM"}


def number(text: str) -> int | float | str:
    """`text` as the number it spells, or as it is."""
    if INTEGER.fullmatch(text):
        return int(text)
    return float(text) if DECIMAL.fullmatch(text) else text


def source(given: str, field: str) -> str:
    """A URL as it is; a local file as a data URL.

    Errors  InvalidValue when there is no such file, it may not be read, or it is too large to travel inside a request.
    """
    if given.lower().startswith(REMOTE):
        return given
    allowed = "a file that exists, or an http, https or data URL"
    try:
        path = Path(given).expanduser()
        if not path.is_file():
            raise InvalidValue(field=field, given=given, allowed=allowed)
        size_bytes = path.stat().st_size
        if size_bytes > MAX_LOCAL_BYTES:
            raise InvalidValue(field=field, given=f"{size_bytes} bytes", allowed=f"up to {MAX_LOCAL_BYTES} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise InvalidValue(field=field, given=given, allowed=allowed, hint=error.strerror) from None
    except RuntimeError:  # ~nobody: a home that there is not
        raise InvalidValue(field=field, given=given, allowed=allowed) from None
    if not content:
        raise InvalidValue(field=field, given=f"an empty file, {given}", allowed="a file with something in it")
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def keyframe(given: str) -> dict[str, Any]:
    """`FILE` or `K=FILE`, where K is "first", "last" or a frame number."""
    field = "media.frame_images"
    where, equals, rest = given.partition("=")
    if equals and (where in ("first", "last") or where.isdigit()):
        return {"input_image": source(rest, field), "frame": number(where)}
    return {"input_image": source(given, field)}


def lora(given: str) -> dict[str, Any]:
    """`NAME` or `NAME=WEIGHT`."""
    name, equals, weight = given.partition("=")
    return {"name": name, "weight": number(weight)} if equals else {"name": name}


def media(
    *,
    first_frame: str | None,
    last_frame: str | None,
    frame_images: Iterable[str],
    frame_videos: Iterable[str],
    reference_images: Iterable[str],
    reference_videos: Iterable[str],
    source_video: str | None,
    audio_inputs: Iterable[str],
) -> dict[str, Any] | None:
    """The `media` member, or None when no media were given."""
    frames = [keyframe(given) for given in frame_images]
    if first_frame is not None:
        frames.insert(0, {"input_image": source(first_frame, "media.frame_images"), "frame": "first"})
    if last_frame is not None:
        frames.append({"input_image": source(last_frame, "media.frame_images"), "frame": "last"})
    members = {
        "frame_images": frames,
        "frame_videos": [{"video": source(given, "media.frame_videos")} for given in frame_videos],
        "reference_images": [source(given, "media.reference_images") for given in reference_images],
        "reference_videos": [{"video": source(given, "media.reference_videos")} for given in reference_videos],
        "source_video": source(source_video, "media.source_video") if source_video is not None else None,
        "audio_inputs": [source(given, "media.audio_inputs") for given in audio_inputs],
    }
    return {name: member for name, member in members.items() if member} or None


def output_format(asked: str | None, output: Path | None) -> str | None:
    """The format of the file: as asked, else by the suffix of `output`, else None for the model's default.

    Errors  InvalidValue when the suffix is no video's, or says another format than the one asked for.
    """
    if output is None:
        return asked
    by_suffix = FORMATS.get(output.suffix.lower())
    if by_suffix is None:
        raise InvalidValue(field="output", given=output.name, allowed="a name that ends in .mp4 or .webm")
    if asked is not None and asked.upper() in FORMATS.values() and asked.upper() != by_suffix:
        raise InvalidValue(
            field="output_format",
            given=f"{asked} for {output.name}",
            allowed=f"{by_suffix}, as the file's name says",
            hint="leave --output-format out, or name the file for it",
        )
    return asked if asked is not None else by_suffix
