"""What every route needs: the videos behind the door, the keys before it, and how the door is set up."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request, Response
from pydantic import BaseModel

from rushes.api.auth import Remembered
from rushes.errors import JobNotFound
from rushes.events.bus import Bus

if TYPE_CHECKING:
    from rushes.jobs.store import JobEvent
    from rushes.videos import Videos

MAX_ACCEPTING = 16
"""How many threads take new videos in. They wait for the disk, all for the same commit; those who only look need
threads too, and do not wait behind a burst."""

LOOKING = 1
"""How many threads look at videos, where a look is no wait: more of them wait for each other, and cost a third more."""
LOOKING_FAR = 16
"""And where it is one, for a database on another machine."""

VIDEO_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class Door:
    """`keys` None: everybody may come in, and everything belongs to `auth.LOCAL_OWNER`."""

    videos: Videos
    keys: Remembered | None
    public_url: str | None
    strict: bool
    bus: Bus[JobEvent]
    looking: CapacityLimiter
    accepting: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(MAX_ACCEPTING))

    def base_url(self, request: Request) -> str:
        """Where clients reach this server, without a slash at the end: as configured, or as this client did."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = request.headers.get("host", "")
        if not HOST.fullmatch(host):
            server = request.scope.get("server") or ("127.0.0.1", None)
            host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
        return f"{request.scope['scheme']}://{host}{request.scope.get('root_path', '').rstrip('/')}"


def sent(reply: BaseModel) -> Response:
    """`reply` as it goes out, made where it is called. Left to the framework, it would be checked once more against its
    own class, and written in another thread: a third of what a look at a video costs.
    """
    return Response(reply.model_dump_json(), media_type="application/json")


def checked_id(id: str) -> str:
    """`id`, when it can be one: what is not plain letters and digits is not carried to the database."""
    if not VIDEO_ID.fullmatch(id):
        raise JobNotFound(field="id", given=id)
    return id


async def door_of(request: Request) -> Door:  # async: the framework sends every other kind to a thread and back
    door: Door = request.app.state.door
    return door


AtDoor = Annotated[Door, Depends(door_of)]
