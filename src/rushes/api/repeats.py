"""Which request is another one sent again: by the key its sender gave it, or by the mark of the clients' own retries.

The clients send no idempotency key by themselves. Three of the four mark a retry with `x-stainless-retry-count` and
repeat the body byte for byte, which together with the owner says enough for the short time in which they retry. The
memory of both is the job table's: it survives a restart of this server, and is every door's.
"""

from __future__ import annotations

import hashlib

from rushes.jobs.limits import Idempotency

KEY_WINDOW_S = 24 * 3600.0
RETRY_WINDOW_S = 75.0  # the clients' read time-out of 60 s, and their longest back-off
UNKEYED = "\n"  # no key of a sender's can begin with it


def sameness(raw: bytes, key: str | None, is_retry: bool) -> Idempotency:
    """What makes this request, of these body bytes, the same as another of its owner's.

    Without a key only a marked retry looks for an earlier request, and every request may be found by one.
    """
    body_hash = hashlib.sha256(raw).hexdigest()
    if key is not None:
        return Idempotency(key, body_hash, KEY_WINDOW_S)
    return Idempotency(UNKEYED + body_hash, body_hash, RETRY_WINDOW_S if is_retry else 0.0)
