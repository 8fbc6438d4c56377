"""Every reply that is not a success, in one envelope: {"id", "error": {message, type, param, code}}.

The oldest client crashes on any other form, so the framework's own replies (unknown route, wrong method, bad query)
are folded in, and so is whatever nobody foresaw. This is the door's one broad `except`.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes.api.body import described
from rushes.api.replies import Failure, FailureReply
from rushes.errors import InvalidValue, MethodNotAllowed, Refused, RouteNotFound, RushesError, shown

log = logging.getLogger(__name__)

INTERNAL_ERROR = "this server failed to answer; its log has the cause under this reply's id"


class WithHeaders(Exception):
    """An error whose reply HTTP wants to carry more: Allow with 405, Content-Range with 416."""

    def __init__(self, error: RushesError, headers: Mapping[str, str]) -> None:
        super().__init__(error.message)
        self.error = error
        self.headers = headers


def failure_response(error: RushesError, request_id: str, more_headers: Mapping[str, str] | None = None) -> Response:
    """`error` as its reply."""
    headers = dict(more_headers or {})
    if error.retryable:
        headers["retry-after"] = str(error.retry_after_s)
    elif error.status < 500:
        headers["x-should-retry"] = "false"  # three of four clients obey it
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    failure = Failure(
        message=error.message,
        type=error.kind,
        param=None if error.field is None else shown(error.field),
        code=error.code,
    )
    body = FailureReply(id=request_id, error=failure)
    return JSONResponse(body.model_dump(), status_code=error.status, headers=headers)


def fold_framework_errors(app: FastAPI) -> None:
    """Turn the framework's own errors into ours, so that `Envelope` meets one kind only."""

    @app.exception_handler(HTTPException)
    async def of_routing(request: Request, error: HTTPException) -> Response:
        raise _from_routing(request, error)

    @app.exception_handler(RequestValidationError)
    async def of_parameters(request: Request, error: RequestValidationError) -> Response:
        raise _from_validation(error.errors()[0])


def _from_routing(request: Request, error: HTTPException) -> Exception:
    if error.status_code == 404:
        return RouteNotFound(given=f"{request.method} {request.url.path}", hint="/openapi.json lists the routes")
    if error.status_code == 405:
        allow = ", ".join(_methods(request))
        return WithHeaders(MethodNotAllowed(given=request.method, allowed=allow or None), {"allow": allow})
    return Refused() if error.status_code < 500 else RushesError()


def _methods(request: Request) -> list[str]:
    """What the path takes: the framework's own answer names the methods of one of its routes only."""
    return [
        method
        for method in ("DELETE", "GET", "HEAD", "POST")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    ]


def _from_validation(fault: Any) -> InvalidValue:
    """Query parameters and headers are validated by the framework; its own wording stays inside."""
    bounds = fault.get("ctx", {})
    match fault["type"]:
        case "int_parsing" | "int_type":
            allowed = "an integer"
        case "greater_than_equal":
            allowed = f"at least {bounds['ge']}"
        case "less_than_equal":
            allowed = f"at most {bounds['le']}"
        case "literal_error":
            allowed = str(bounds["expected"])
        case "string_too_short" | "string_too_long" if fault["loc"][-1] == "idempotency-key":
            allowed = "1 to 255 printable characters"
        case "string_pattern_mismatch":
            allowed = "printable ASCII characters"
        case "string_too_long":
            allowed = f"at most {bounds['max_length']} characters"
        case _:
            allowed = "see /openapi.json"
    return InvalidValue(field=str(fault["loc"][-1]), given=described(fault.get("input")), allowed=allowed)


class Envelope:
    """The outermost layer: names each request, and answers for every error below it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = f"req_{secrets.token_hex(12)}"
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(_without_trailing_slash(scope), receive, send_named)
        except ClientDisconnect:
            return
        except Exception as error:
            if started:  # too late for an envelope: cutting the connection is the one honest sign left
                raise
            more_headers = error.headers if isinstance(error, WithHeaders) else None
            response = failure_response(_known(error, request_id), request_id, more_headers)
            await response(scope, receive, send_named)


def _known(error: Exception, request_id: str) -> RushesError:
    """`error` if it is one of ours; else an unspecific one, with the cause in the log.

    The log gets the kind of error and where it rose, not its text, which may quote a prompt or a key.
    """
    if isinstance(error, WithHeaders):
        return error.error
    if isinstance(error, RushesError):
        if error.status >= 500:
            log.warning("%s: %s", request_id, error.code)
        return error
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s: %s\n%s", request_id, type(error).__name__, frames)
    return RushesError(INTERNAL_ERROR)


def _without_trailing_slash(scope: Scope) -> Scope:
    """/v2/videos/ is /v2/videos: a redirect would cost a second upload of the body, and a 302 would lose the POST."""
    path = scope["path"]
    return {**scope, "path": path.rstrip("/")} if len(path) > 1 and path.endswith("/") and path.strip("/") else scope
