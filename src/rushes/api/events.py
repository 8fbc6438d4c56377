"""Watching a video: its history as server-sent events, from any point on, until it has ended.

The numbers are the job table's own, so a client that comes back, to this server or to one that was restarted, goes on
behind the last event it saw. What is sent is chosen here, word by word: the table's history also names workers.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from rushes.api.auth import Owner
from rushes.api.document import failures
from rushes.api.door import AtDoor, Door, checked_id
from rushes.api.files import video_url
from rushes.api.together import percent, video_reply
from rushes.errors import InvalidValue, JobNotFound, Unavailable
from rushes.events.bus import Bus

if TYPE_CHECKING:
    from rushes.jobs.store import JobEvent

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0  # proxies close a connection on which nothing came for 30 to 60 s
RETRY_MS = 2000  # browsers wait 3 s before they come back; a restarted server is up after one
MAX_SEQ = 2**31 - 1

NUMBER = re.compile(r"[0-9]{1,10}")

TYPES = {
    "running": "started",
    "succeeded": "completed",
    "released": "requeued",
    "rescued": "requeued",
    "cancel_requested": "cancelling",
    "pause_requested": "pausing",
}
"""The table's words that have another name outside, where they meet the words of the job object."""

ENDS = ("succeeded", "failed", "cancelled")

router = APIRouter(tags=["videos"])

_EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event: before OpenAPI 3.2 the schema of a stream is that of each of its events.",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "Its number: what to send back as `Last-Event-ID`."},
        "event": {"type": "string", "description": "Its type."},
        "data": {"type": "string", "description": "A JSON object."},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "One event for each change, in order, each once.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}


@router.get(
    "/videos/{id}/events",
    summary="Watch a video",
    response_class=StreamingResponse,
    responses={**_STREAM, **failures(400, 401, 404, 429, 503)},
)
async def watch_video(
    id: str,
    request: Request,
    owner: Owner,
    door: AtDoor,
    after: Annotated[int, Query(ge=0, le=MAX_SEQ, description="Number of the last event that is known.")] = 0,
    last_event_id: Annotated[
        str | None, Header(description="The same, as browsers send it when they come back; it wins.")
    ] = None,
) -> StreamingResponse:
    """Not of Together's API. Everything from the start, or from behind `after`; then as it happens.

    Ends after `completed`, `failed` or `cancelled`, whose data hold the whole job. Comments in between mean nothing.
    """
    if last_event_id:
        after = _number(last_event_id)
    await run_in_threadpool(door.videos.get, owner, checked_id(id))
    return _Stream(door.bus, _lines(door, door.base_url(request), owner, id, after))


class _Stream(StreamingResponse):
    """Events for as long as their client listens. It takes its place before it is answered: of a burst, each counts."""

    media_type = "text/event-stream"

    def __init__(self, bus: Bus[JobEvent], lines: AsyncIterator[str]) -> None:
        # X-Accel-Buffering: nginx would otherwise keep events back until its buffer is full.
        super().__init__(lines, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._bus = bus

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._bus.place():
            await super().__call__(scope, receive, send)


def _number(last_event_id: str) -> int:
    if not NUMBER.fullmatch(last_event_id) or int(last_event_id) > MAX_SEQ:
        raise InvalidValue(field="last-event-id", given=last_event_id, allowed="the id of an earlier event")
    return int(last_event_id)


async def _lines(door: Door, base_url: str, owner: str, id: str, after: int) -> AsyncIterator[str]:
    videos = door.videos
    yield f"retry: {RETRY_MS}\n\n"
    try:
        while True:
            ended = (await run_in_threadpool(videos.get, owner, id)).state.final  # asked first: no event may follow it
            for event in await run_in_threadpool(videos.events, owner, id, after):
                yield await run_in_threadpool(_frame, door, base_url, owner, id, event)
                after = event.seq
            if ended:
                return
            async with aclosing(door.bus.watch(id, after, HEARTBEAT_S)) as news:
                async for new in news:
                    if new is not None:
                        yield await run_in_threadpool(_frame, door, base_url, owner, id, new)
                        after = new.seq
                        if new.type in ENDS:
                            return
                    elif (await run_in_threadpool(videos.get, owner, id)).state.final:
                        break  # and the bus has not told of it yet, or `after` was beyond the last event
                    else:
                        yield ": still here\n\n"
                else:
                    return  # this server closes
    except Unavailable as error:
        log.warning("a stream ends early, its client comes back: %s", error.message)
    except JobNotFound:
        yield "event: deleted\ndata: {}\n\n"


def _frame(door: Door, base_url: str, owner: str, id: str, event: JobEvent) -> str:
    data = {"type": TYPES.get(event.type, event.type), "at": round(event.at, 3), "attempt": event.attempt}
    data |= _told(event)
    if event.type in ENDS:
        job = door.videos.get(owner, id)
        data["video"] = video_reply(job, video_url(base_url, job)).model_dump()
    # In ASCII: readers in Python take U+2028 for the end of a line too, and what a client sent may hold one.
    return f"id: {event.seq}\nevent: {data['type']}\ndata: {json.dumps(data)}\n\n"


def _told(event: JobEvent) -> dict[str, Any]:
    stand = event.data
    if event.type == "released" and stand:
        return {"error": {"code": stand["code"], "message": stand["message"]}, "wait_s": stand["wait_s"]}
    if event.type != "progress":
        return {}
    return {
        "stage": stand["stage"],
        "step": stand["step"],
        "steps": stand["steps"],
        "progress": percent(stand["progress"]),
    }
