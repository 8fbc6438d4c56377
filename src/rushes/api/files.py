"""The finished file under an address that cannot be guessed. It needs no key: every client fetches it without one."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, Response

from rushes.api.document import failures
from rushes.api.door import AtDoor
from rushes.api.failures import WithHeaders
from rushes.contract.artifact import Artifact
from rushes.contract.job import Job
from rushes.errors import NotFound, RangeNotSatisfiable

SUFFIXES = {"video/mp4": "mp4", "video/webm": "webm"}  # also the only types ever served from here
SUFFIX_OF_FORMAT = {"MP4": "mp4", "WEBM": "webm"}

ID = re.compile(r"[A-Za-z0-9-]{1,64}")
NAME = re.compile(r"(?P<secret>[A-Za-z0-9_-]{1,128})\.(?P<suffix>mp4|webm)")
SINGLE_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")

router = APIRouter(tags=["files"])

_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_CONTENT = dict.fromkeys(SUFFIXES, _FILE)


def video_url(base_url: str, job: Job) -> str:
    """The address of the file that `job` makes, made or not."""
    return f"{base_url}/files/{job.id}/{job.secret}.{SUFFIX_OF_FORMAT[job.request.output_format]}"


@router.head("/files/{id}/{name}", include_in_schema=False)
@router.get(
    "/files/{id}/{name}",
    summary="The finished file",
    response_class=FileResponse,
    responses={
        200: {"content": _CONTENT, "description": "The whole file."},
        206: {"content": _CONTENT, "description": "The range that was asked for."},
        304: {"description": "The file with the ETag in if-none-match is still the one."},
        **failures(404, 416, 503),
    },
)
def get_file(id: str, name: str, request: Request, door: AtDoor) -> Response:
    asked = NAME.fullmatch(name)
    if not asked or not ID.fullmatch(id):
        raise NotFound()
    artifact, path = door.videos.artifact(id, asked["secret"])
    if SUFFIXES.get(artifact.content_type) != asked["suffix"]:
        raise NotFound()
    headers = {
        "etag": f'"{artifact.sha256}"',
        "cache-control": "private, max-age=3600",
        "x-content-type-options": "nosniff",
    }
    if _unchanged(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    if not path.is_file():
        raise NotFound()
    _settle_range(request, artifact, headers["etag"])
    return FileResponse(
        path,
        headers=headers,
        media_type=artifact.content_type,
        filename=f"{id}.{asked['suffix']}",
        content_disposition_type="inline",
    )


def _unchanged(request: Request, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or etag in (one.strip().removeprefix("W/") for one in known.split(","))


def _settle_range(request: Request, artifact: Artifact, etag: str) -> None:
    """Leave only a single range that can be met to the framework, whose own refusals are plain text.

    Several ranges at once, other units and nonsense are answered with the whole file, as RFC 9110 14.2 allows.
    """
    given = request.headers.get("range")
    if given is None:
        return
    if request.method != "GET" or request.headers.get("if-range", etag) != etag:
        _drop_range(request)  # nothing is sent that could be a part, or the client holds one of another file
        return
    found = SINGLE_RANGE.fullmatch(given)
    first, last = found.groups() if found else ("", "")
    if not (first or last) or (first and last and int(last) < int(first)):
        _drop_range(request)
    elif (int(first) >= artifact.size_bytes) if first else int(last) == 0:
        error = RangeNotSatisfiable(given=given, allowed=f"bytes 0 to {artifact.size_bytes - 1}")
        raise WithHeaders(error, {"content-range": f"bytes */{artifact.size_bytes}"})


def _drop_range(request: Request) -> None:
    request.scope["headers"] = [(name, value) for name, value in request.scope["headers"] if name != b"range"]
