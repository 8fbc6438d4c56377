"""What a video file says of itself, read from its header without decoding anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av

DEMUXERS = {b"\x1aE\xdf\xa3": "matroska", b"ftyp": "mov"}  # by the first four bytes, or by those behind the box's size
MAX_LABEL_CHARS = 10_000


def label(path: Path) -> dict[str, Any] | None:
    """The JSON object that this server's encoder wrote into the file; None where there is none.

    The demuxer is chosen by the file's first bytes and is one of the two that we write.
    Errors  FileNotFoundError.
    """
    with path.open("rb") as file:
        head = file.read(8)
    demuxer = DEMUXERS.get(head[:4]) or DEMUXERS.get(head[4:])
    if demuxer is None:
        return None
    try:
        with av.open(str(path), format=demuxer) as container:
            comment = container.metadata.get("comment") or container.metadata.get("COMMENT") or ""
    except (av.error.FFmpegError, ValueError):
        return None
    try:
        said = json.loads(comment[:MAX_LABEL_CHARS])
    except (json.JSONDecodeError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
