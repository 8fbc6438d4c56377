"""Asking for a video, watching it, giving it up: the routes of Together's videos API.

The five addresses are one: which of them a client generation builds depends on how its base URL was written.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI, Header, Query, Request, Response

from rushes.api import events
from rushes.api.auth import Owner
from rushes.api.body import check_text
from rushes.api.document import CREATE_BODY, failures
from rushes.api.door import VIDEO_ID, AtDoor, Door, checked_id, sent
from rushes.api.files import video_url
from rushes.api.remarks import Remarks
from rushes.api.repeats import sameness
from rushes.api.replies import Remark, VideoDeleted, VideoList, VideoReply
from rushes.api.together import parse_request, video_reply
from rushes.contract.job import Job, JobState
from rushes.errors import InvalidValue, WrongContentType
from rushes.jobs.limits import Idempotency

PREFIXES = ("/v2", "/v1", "", "/v1/v2", "/v2/v2")
DOCUMENTED_PREFIX = "/v2"

JSON_TYPE = re.compile(r"application/([\w.+-]+\+)?json\s*(;\s*charset=\"?(utf-?8|us-ascii)\"?\s*)?", re.ASCII | re.I)

Order = Literal["asc", "desc"]
Wanted = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
STATES: dict[Wanted, tuple[JobState, ...]] = {
    "queued": (JobState.QUEUED,),
    "in_progress": (JobState.QUEUED, JobState.RUNNING),
    "completed": (JobState.SUCCEEDED,),
    "failed": (JobState.FAILED, JobState.CANCELLED),
    "cancelled": (JobState.CANCELLED,),
}
LIST_PARAMETERS = ("after", "limit", "order", "status", "model")

STRICTNESS = {"true": True, "1": True, "false": False, "0": False, "": False}

Strictness = Annotated[
    str | None, Header(description="`true` refuses unknown keys instead of listing them in warnings.")
]

_PICTURE = {"schema": {"type": "string", "format": "binary"}}

router = APIRouter(tags=["videos"])


@router.post(
    "/videos",
    summary="Ask for a video",
    openapi_extra=CREATE_BODY,
    response_model=VideoReply,
    responses=failures(400, 401, 404, 413, 415, 422, 429, 503),
)
async def create_video(
    request: Request,
    owner: Owner,
    door: AtDoor,
    x_rushes_strict: Strictness = None,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            pattern=r"^[ -~]+$",
            description="The same key and body within 24 hours is the same video; the reply then has the header "
            "`idempotent-replayed: true`. The same key with another body is refused with 422.",
        ),
    ] = None,
) -> Response:
    """Answers as soon as the job is durable, before anything is made. Also at /v1/videos and /videos."""
    content_type = request.headers.get("content-type", "")
    if not JSON_TYPE.fullmatch(content_type.strip()):
        raise WrongContentType(given=content_type or "no content-type", allowed="application/json")
    raw = await request.body()
    strict = _strict(door, x_rushes_strict)
    is_retry = request.headers.get("x-stainless-retry-count", "0").strip() not in ("", "0")
    same = sameness(raw, idempotency_key, is_retry)
    return await run_sync(_create, door, request, owner, raw, strict, same, limiter=door.accepting)


def _strict(door: Door, header: str | None) -> bool:
    said = (header or "").strip().lower()
    if said not in STRICTNESS:
        raise InvalidValue(field="x-rushes-strict", given=header, allowed="true or false")
    return door.strict or STRICTNESS[said]


def _create(door: Door, request: Request, owner: str, raw: bytes, strict: bool, same: Idempotency) -> Response:
    job = door.videos.create(owner, parse_request(raw, strict=strict), same)
    response = sent(_reply(door, request, job))
    if job.replayed:
        response.headers["idempotent-replayed"] = "true"
    return response


@router.get("/videos", summary="Your videos", response_model=VideoList, responses=failures(400, 401, 503))
async def list_videos(
    request: Request,
    owner: Owner,
    door: AtDoor,
    after: Annotated[str | None, Query(max_length=64, description="The `next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[Order, Query(description="By creation: `desc` begins with the newest.")] = "desc",
    status: Annotated[
        Wanted | None,
        Query(description="As the videos say it; `queued` and `cancelled` pick those among in_progress and failed."),
    ] = None,
    model: Annotated[
        str | None,
        Query(max_length=256, description="The id asked for, or the model that makes it, in any letter case."),
    ] = None,
    x_rushes_strict: Strictness = None,
) -> Response:
    """Not of Together's API. Paged by `after`, the newest first."""
    for name in request.query_params:
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidValue(field=name, given="more than once", allowed="one value")
    remarks = Remarks(_strict(door, x_rushes_strict))
    remarks.unknown("", (name for name in request.query_params if name not in LIST_PARAMETERS))
    if after is not None and not VIDEO_ID.fullmatch(after):
        raise InvalidValue(field="after", given=after, allowed="the next_cursor of an earlier page")
    check_text(model or "", "model")  # PostgreSQL takes no U+0000 in a question either

    def page() -> Response:
        found = door.videos.list(
            owner,
            limit=limit + 1,
            after=after,
            newest=order == "desc",
            states=None if status is None else STATES[status],
            model=model,
        )
        jobs, has_more = found[:limit], len(found) > limit
        return sent(
            VideoList(
                data=[_reply(door, request, job) for job in jobs],
                next_cursor=jobs[-1].id if has_more else None,
                first_id=jobs[0].id if jobs else None,
                last_id=jobs[-1].id if jobs else None,
                has_more=has_more,
                warnings=[Remark(message=said) for said in remarks.said()],
            )
        )

    return await run_sync(page, limiter=door.looking)


@router.get(
    "/videos/{id}", summary="See how a video stands", response_model=VideoReply, responses=failures(401, 404, 503)
)
async def get_video(id: str, request: Request, owner: Owner, door: AtDoor) -> Response:
    checked = checked_id(id)
    return await run_sync(lambda: sent(_reply(door, request, door.videos.get(owner, checked))), limiter=door.looking)


@router.get(
    "/videos/{id}/preview",
    summary="Look at an unfinished video",
    response_class=Response,
    responses={
        200: {"content": {"image/webp": _PICTURE}, "description": "A small WebP that moves."},
        **failures(401, 404, 503),
    },
)
def preview_video(id: str, owner: Owner, door: AtDoor) -> Response:
    """Not of Together's API. Its first frames as they were a moment ago, clearer each time. 404 before and after."""
    picture = door.videos.preview(owner, checked_id(id))
    return Response(picture, media_type="image/webp", headers={"cache-control": "no-store"})


@router.delete("/videos/{id}", summary="Remove a video", responses=failures(401, 404, 503))
def delete_video(id: str, owner: Owner, door: AtDoor) -> VideoDeleted:
    """Not of Together's API. Its file, its prompt and its history go for good; one in the making is stopped."""
    return VideoDeleted(id=door.videos.delete(owner, checked_id(id)).id)


@router.post("/videos/{id}/cancel", summary="Give a video up", responses=failures(401, 404, 503))
def cancel_video(id: str, request: Request, owner: Owner, door: AtDoor) -> VideoReply:
    """Not of Together's API. A waiting video ends at once, one in the making at its next step, an ended one stays."""
    return _reply(door, request, door.videos.cancel(owner, checked_id(id)))


@router.post("/videos/{id}/pause", summary="Let a video wait", responses=failures(401, 404, 503))
def pause_video(id: str, request: Request, owner: Owner, door: AtDoor) -> VideoReply:
    """Not of Together's API. A waiting video is passed over, one in the making is put aside at its next step."""
    return _reply(door, request, door.videos.pause(owner, checked_id(id)))


@router.post("/videos/{id}/resume", summary="Let a paused video go on", responses=failures(401, 404, 503))
def resume_video(id: str, request: Request, owner: Owner, door: AtDoor) -> VideoReply:
    """Not of Together's API. It goes on from the step at which it was put aside, at its old place in the queue."""
    return _reply(door, request, door.videos.resume(owner, checked_id(id)))


def _reply(door: Door, request: Request, job: Job) -> VideoReply:
    return video_reply(job, video_url(door.base_url(request), job), door.videos.time_left_s(job))


def include_videos(app: FastAPI) -> None:
    for prefix in PREFIXES:
        for one in (router, events.router):
            app.include_router(one, prefix=prefix, include_in_schema=prefix == DOCUMENTED_PREFIX)
