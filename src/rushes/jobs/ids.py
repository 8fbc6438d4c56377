"""Job ids: UUID version 7, in the order of creation."""

from __future__ import annotations

import secrets
import threading
import time
import uuid

_guard = threading.Lock()
_last = 0  # the 74 ordering bits of the newest id of this process


def new_id() -> str:
    """A lower-case UUIDv7 that sorts after every id this process made before, also when the clock steps back.

    Source  RFC 9562, 5.7 and 6.2 (method 2: the random part is counted up within a millisecond).
    """
    global _last
    with _guard:
        fresh = (time.time_ns() // 1_000_000) << 74 | secrets.randbits(74)
        # A millisecond older than the last id, or the same: go on from the last id by a random stride.
        _last = fresh if fresh >> 74 > _last >> 74 else _last + 1 + secrets.randbits(32)
        ordered = _last
    millis, counter, tail = ordered >> 74, ordered >> 62 & 0xFFF, ordered & ((1 << 62) - 1)
    return str(uuid.UUID(int=millis << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | tail))
