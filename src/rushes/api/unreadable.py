"""Bytes that are no HTTP: answered before there is a request, and so by the server under the app.

uvicorn answers them in plain text, on which the oldest client crashes. Its protocol has one method for that answer, and
this is that method in our envelope. Were it renamed, plain text would come back and a test would say so.
"""

from __future__ import annotations

import secrets

import h11  # comes with uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rushes.api.failures import failure_response
from rushes.errors import MalformedRequest


class EnvelopedHttp(H11Protocol):
    """HTTP as uvicorn speaks it in plain Python, also where its faster parser is installed."""

    def send_400_response(self, msg: str) -> None:
        # Nothing can be said where an answer has begun: cutting the connection is the one honest sign left.
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            request_id = f"req_{secrets.token_hex(12)}"
            reply = failure_response(MalformedRequest(), request_id)
            headers = [*reply.raw_headers, (b"x-request-id", request_id.encode()), (b"connection", b"close")]
            for event in (
                h11.Response(status_code=reply.status_code, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(reply.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
