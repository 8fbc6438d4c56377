"""Call a webhook: one POST, no redirect, and of the answer only what decides about the next try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rushes.egress.dial import Deadline
from rushes.egress.exchange import exchange
from rushes.egress.policy import EgressPolicy
from rushes.egress.target import parse_target

MAX_RETRY_AFTER_CHARS = 64


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver's answer: `status`, and its Retry-After header as it was sent. The body is never read."""

    status: int
    retry_after: str | None = None


def post(url: str, body: bytes, headers: Mapping[str, str], *, deadline_s: float, policy: EgressPolicy) -> Answered:
    """POST `body` to `url` under all the rules of egress, within `deadline_s` altogether. A redirect is an answer.

    Raises `NotReached`, whose reason is for the log alone.
    """
    deadline = Deadline(deadline_s)
    target = parse_target(url, policy)
    with exchange("POST", target, headers, body, policy=policy, deadline=deadline) as response:
        named = [value for key, value in response.headers if key.lower() == b"retry-after"]
        retry_after = named[0].decode("latin-1")[:MAX_RETRY_AFTER_CHARS].strip() if named else None
        return Answered(response.status, retry_after or None)
