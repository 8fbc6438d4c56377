"""Pages that may call this server from a browser: none, unless the operator names their origins."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from rushes.api.failures import failure_response
from rushes.errors import InvalidValue

READABLE_HEADERS = (
    "x-request-id",
    "x-should-retry",
    "retry-after",
    "etag",
    "content-range",
    "content-length",
    "idempotent-replayed",
)


class Browsers(CORSMiddleware):
    """Cross-origin requests from `origins`, where "*" stands for all; a refused question has the envelope.

    Any header may be sent: the TypeScript client has a dozen of its own (X-Stainless-…), its next version perhaps more.
    Keys travel in Authorization, so cookies stay out of it, and where keys are on "*" opens nothing without one.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST", "DELETE"),
            allow_headers=("*",),
            expose_headers=READABLE_HEADERS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        reply = super().preflight_response(request_headers)
        if reply.status_code == 200:
            return reply
        refusal = InvalidValue(
            field="origin",
            given=f"{request_headers['access-control-request-method']} from {request_headers['origin']}",
            allowed="GET, HEAD, POST and DELETE from the origins that this server was told of",
            hint="the operator sets RUSHES_CORS_ORIGINS",
        )
        request_id = f"req_{secrets.token_hex(12)}"
        return failure_response(refusal, request_id, {"x-request-id": request_id, "vary": "Origin"})
