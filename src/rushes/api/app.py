"""The HTTP door, put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from anyio import CapacityLimiter
from fastapi import FastAPI

from rushes import __version__
from rushes.api import files
from rushes.api.auth import KeyRing, Remembered
from rushes.api.body_limit import BodyLimit
from rushes.api.browsers import Browsers
from rushes.api.document import publish
from rushes.api.door import LOOKING, Door
from rushes.api.failures import Envelope, fold_framework_errors
from rushes.api.models import include_models
from rushes.api.replies import Health
from rushes.api.videos import include_videos
from rushes.events.bus import Bus

if TYPE_CHECKING:
    from rushes.videos import Videos

MAX_BODY_BYTES = 20 * 2**20

ABOUT = """Together AI's videos API on your own hardware.

POST a request to /v2/videos, poll /v2/videos/{id} until `status` is completed or failed, fetch `outputs.video_url`.
The same routes answer at /v1/videos, /videos, /v1/v2/videos and /v2/v2/videos, where some clients look for them.
Every reply that is not a success has the body {"id", "error": {message, type, param, code}}."""


def create_app(
    videos: Videos,
    *,
    keys: KeyRing | None,
    public_url: str | None = None,
    strict: bool = False,
    max_body_bytes: int = MAX_BODY_BYTES,
    cors_origins: Sequence[str] = (),
    looking: int = LOOKING,
) -> FastAPI:
    """The door before `videos`.

    `keys` None lets everybody in. `public_url` is where clients reach this server; None takes each request's own Host.
    `strict` refuses unknown keys in bodies, which are otherwise listed in the job's warnings.
    `cors_origins` are the pages that may call from a browser.
    `looking` is how many threads look at videos at once.
    """
    app = FastAPI(
        title="Rushes",
        version=__version__,
        description=ABOUT,
        docs_url=None,  # the pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,  # `Envelope` strips the slash instead
    )
    bus = Bus(lambda positions: videos.events_since(positions))
    app.state.door = Door(
        videos, None if keys is None else Remembered(keys), public_url, strict, bus, CapacityLimiter(looking)
    )
    include_videos(app)
    include_models(app)
    app.include_router(files.router)

    @app.head("/health", include_in_schema=False)  # what watches a server often asks for no body
    @app.get("/health", tags=["health"], summary="Whether the door is open")
    async def health() -> Health:
        return Health(version=__version__)

    fold_framework_errors(app)
    publish(app, has_keys=keys is not None)
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    app.add_middleware(Envelope)  # around everything that may fail
    if cors_origins:
        app.add_middleware(Browsers, origins=cors_origins)  # outermost: a page may read failures too
    return app
