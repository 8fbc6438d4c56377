"""No request body grows past the limit, whatever its headers say."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes.errors import BodyTooLarge

DRAIN_BYTES = 256 * 2**20
DRAIN_S = 5.0


class BodyLimit:
    """Counts body bytes as they arrive and raises `BodyTooLarge`; at once where content-length already tells."""

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        declared = headers.get("content-length", "")
        # Bytes, not str.isdigit: that is also true of "²", which int() refuses.
        if declared.isascii() and declared.isdigit() and int(declared[:20]) > self.max_body_bytes:
            if "100-continue" not in headers.get("expect", "").lower():  # that client is still waiting to be let in
                await _drain(receive)
            raise self._refusal(f"{declared[:20]} bytes")
        num_bytes = 0

        async def receive_counted() -> Message:
            nonlocal num_bytes
            message = await receive()
            if message["type"] == "http.request":
                num_bytes += len(message.get("body", b""))
                if num_bytes > self.max_body_bytes:
                    if message.get("more_body", False):
                        await _drain(receive)
                    raise self._refusal(f"more than {self.max_body_bytes} bytes")
            return message

        await self.app(scope, receive_counted, send)

    def _refusal(self, given: str) -> BodyTooLarge:
        return BodyTooLarge(
            given=given, allowed=f"{self.max_body_bytes} bytes", hint="send large media as a URL instead of base64"
        )


async def _drain(receive: Receive) -> None:
    """Read on for a while and forget: a client that is still writing does not see a reply that comes too early."""
    num_bytes = 0
    try:
        async with asyncio.timeout(DRAIN_S):
            while num_bytes < DRAIN_BYTES:
                message = await receive()
                num_bytes += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
