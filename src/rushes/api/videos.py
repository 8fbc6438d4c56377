"""Asking for a video, watching it, giving it up: the routes of Together's videos API.

The five addresses are one: which of them a client generation builds depends on how its base URL was written.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, FastAPI, Header, Request
from starlette.concurrency import run_in_threadpool

from rushes.api.auth import Owner
from rushes.api.document import CREATE_BODY, failures
from rushes.api.door import AtDoor, Door
from rushes.api.files import video_url
from rushes.api.replies import VideoReply
from rushes.api.together import parse_request, video_reply
from rushes.contract.job import Job
from rushes.errors import JobNotFound, WrongContentType

PREFIXES = ("/v2", "/v1", "", "/v1/v2", "/v2/v2")
DOCUMENTED_PREFIX = "/v2"

VIDEO_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
JSON_TYPE = re.compile(r"application/([\w.+-]+\+)?json\s*(;\s*charset=\"?(utf-?8|us-ascii)\"?\s*)?", re.ASCII | re.I)

router = APIRouter(tags=["videos"])


@router.post(
    "/videos",
    summary="Ask for a video",
    openapi_extra=CREATE_BODY,
    responses=failures(400, 401, 404, 413, 415, 429, 503),
)
async def create_video(
    request: Request,
    owner: Owner,
    door: AtDoor,
    x_rushes_strict: Annotated[
        str | None, Header(description="`true` refuses unknown keys instead of listing them in warnings.")
    ] = None,
) -> VideoReply:
    """Answers as soon as the job is durable, before anything is made. Also at /v1/videos and /videos."""
    content_type = request.headers.get("content-type", "")
    if not JSON_TYPE.fullmatch(content_type.strip()):
        raise WrongContentType(given=content_type or "no content-type", allowed="application/json")
    raw = await request.body()
    strict = door.strict or (x_rushes_strict or "").strip().lower() in ("true", "1")
    is_retry = request.headers.get("x-stainless-retry-count", "0").strip() not in ("", "0")
    job = await run_in_threadpool(_create, door, owner, raw, strict, is_retry)
    return _reply(door, request, job)


def _create(door: Door, owner: str, raw: bytes, strict: bool, is_retry: bool) -> Job:
    asked = parse_request(raw, strict=strict)
    videos = door.videos
    return door.repeats.create(
        owner, raw, is_retry, make=lambda: videos.create(owner, asked), get=lambda id: videos.get(owner, id)
    )


@router.get("/videos/{id}", summary="See how a video stands", responses=failures(401, 404, 503))
def get_video(id: str, request: Request, owner: Owner, door: AtDoor) -> VideoReply:
    return _reply(door, request, door.videos.get(owner, _checked(id)))


@router.post("/videos/{id}/cancel", summary="Give a video up", responses=failures(401, 404, 503))
def cancel_video(id: str, request: Request, owner: Owner, door: AtDoor) -> VideoReply:
    """Not of Together's API. A waiting video ends at once, one in the making at its next step, an ended one stays."""
    return _reply(door, request, door.videos.cancel(owner, _checked(id)))


def _checked(id: str) -> str:
    """`id`, when it can be one: what is not plain letters and digits is not carried to the database."""
    if not VIDEO_ID.fullmatch(id):
        raise JobNotFound(field="id", given=id)
    return id


def _reply(door: Door, request: Request, job: Job) -> VideoReply:
    return video_reply(job, video_url(door.base_url(request), job))


def include_videos(app: FastAPI) -> None:
    for prefix in PREFIXES:
        app.include_router(router, prefix=prefix, include_in_schema=prefix == DOCUMENTED_PREFIX)
