"""Whose request this is: bearer keys, looked up by digest.

A key holds 32 random bytes, so its plain SHA-256 cannot be guessed back and a slow password hash would only be a way
to keep the server busy. The database compares digests, never keys, which leaves nothing for a stopwatch to measure.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Annotated, Protocol

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from rushes.errors import NotAuthorized

LOCAL_OWNER = "local"  # whose everything is where keys are off
KEY_PREFIX = "rushes_"  # lets secret scanners, and people, tell what they found
MAX_KEY_CHARS = 512
REMEMBERED_S = 1.0  # for so long a key that was taken away still opens the door
MAX_REMEMBERED = 1000


class KeyRing(Protocol):
    """Where keys are known: `JobStore.keys`, and a dict in tests of the door alone."""

    def owner_of(self, digest: str) -> str | None:
        """Whose key has this digest; None when nobody's has."""


def new_key() -> str:
    """A key to be shown once and stored as its digest."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def key_digest(key: str) -> str:
    """What is stored of `key`: its SHA-256 in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


bearer = HTTPBearer(auto_error=False, description="A key of this server: `Authorization: Bearer rushes_…`")


class Remembered:
    """`ring`, asked for the same key once in `REMEMBERED_S`; a key that nobody has is asked for each time.

    Who polls sends the same key many times a second, and each look at the database is a thread's work.
    """

    def __init__(self, ring: KeyRing) -> None:
        self.ring = ring
        self._recent: dict[str, tuple[str, float]] = {}

    async def owner_of(self, digest: str) -> str | None:
        owner, until = self._recent.get(digest, (None, 0.0))
        if owner is not None and time.monotonic() < until:
            return owner
        owner = await run_in_threadpool(self.ring.owner_of, digest)
        if len(self._recent) >= MAX_REMEMBERED:
            self._recent.clear()
        if owner is None:
            self._recent.pop(digest, None)
        else:
            self._recent[digest] = (owner, time.monotonic() + REMEMBERED_S)
        return owner


async def owner_of(request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
    """The owner behind the request's key. Raises `NotAuthorized`."""
    keys: Remembered | None = request.app.state.door.keys
    if keys is None:
        return LOCAL_OWNER
    if sent is None or not sent.credentials:
        raise NotAuthorized(hint="send the header Authorization: Bearer KEY")
    owner = await keys.owner_of(key_digest(sent.credentials)) if len(sent.credentials) <= MAX_KEY_CHARS else None
    if owner is None:
        raise NotAuthorized("the API key is not known here. Hint: keys are shown once, when they are made")
    return owner


Owner = Annotated[str, Depends(owner_of)]
