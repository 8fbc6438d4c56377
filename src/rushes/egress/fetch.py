"""Fetch what a URL names: bytes within limits, or one error that tells the caller nothing about our network."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import urljoin

import httpcore

from rushes.egress.dial import Deadline
from rushes.egress.exchange import exchange
from rushes.egress.policy import EgressPolicy, NotReached
from rushes.egress.target import Target, parse_target
from rushes.errors import MediaFetchFailed

log = logging.getLogger(__name__)

MAX_REDIRECTS = 3
REDIRECTS = frozenset((301, 302, 303, 307, 308))
MAX_TYPE_CHARS = 100


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came. `content_type` is the sender's word in lower case, without parameters; empty where it said nothing."""

    data: bytes
    content_type: str


def fetch(url: str, *, max_bytes: int, deadline_s: float, policy: EgressPolicy, field: str | None = None) -> Fetched:
    """GET `url`, following at most three redirects, each under all the rules.

    `deadline_s` is for everything together: names, connections, redirects, slow headers and slow bodies.
    Raises `MediaFetchFailed` naming `field`, always in the same words; the reason is in this process's log alone.
    """
    deadline = Deadline(deadline_s)
    where = "an address"
    try:
        target = parse_target(url, policy)
        for _ in range(MAX_REDIRECTS + 1):
            where = target.origin
            came = _get(target, max_bytes, policy, deadline)
            if isinstance(came, Fetched):
                return came
            target = came
        raise NotReached(f"more than {MAX_REDIRECTS} redirects")
    except NotReached as refusal:
        log.warning("nothing fetched from %s: %s", where, refusal.reason)
        raise MediaFetchFailed(field=field) from None


def _get(target: Target, max_bytes: int, policy: EgressPolicy, deadline: Deadline) -> Fetched | Target:
    """The body, or where a redirect leads."""
    with exchange("GET", target, {"Accept": "*/*"}, None, policy=policy, deadline=deadline) as response:
        if response.status in REDIRECTS:
            return _redirected(target, _header(response, b"location"), policy)
        if response.status != 200:
            raise NotReached(f"status {response.status}")
        if _header(response, b"content-encoding").lower() not in ("", "identity"):
            raise NotReached("an encoded body, which was not asked for")
        declared = _header(response, b"content-length")
        if declared.isdecimal() and int(declared) > max_bytes:
            raise NotReached(f"more than {max_bytes} bytes announced")
        content_type = _header(response, b"content-type").partition(";")[0].strip().lower()
        return Fetched(_read(response, max_bytes), content_type[:MAX_TYPE_CHARS])


def _read(response: httpcore.Response, max_bytes: int) -> bytes:
    """The whole body, counted as it comes: what a length announces is a claim."""
    chunks, size = [], 0
    for chunk in response.iter_stream():
        size += len(chunk)
        if size > max_bytes:
            raise NotReached(f"more than {max_bytes} bytes sent")
        chunks.append(chunk)
    return b"".join(chunks)


def _redirected(come_from: Target, location: str, policy: EgressPolicy) -> Target:
    if not location:
        raise NotReached("a redirect to nowhere")
    try:
        url = urljoin(come_from.origin + come_from.path, location)
    except ValueError:  # half a bracket is enough
        raise NotReached("a redirect to no address") from None
    target = parse_target(url, policy)
    if come_from.scheme == "https" and target.scheme == "http":
        raise NotReached("a redirect from https to http")
    return target


def _header(response: httpcore.Response, name: bytes) -> str:
    """The header's value, or an empty string. Two different ones are one too many."""
    values = {value for key, value in response.headers if key.lower() == name}
    if len(values) > 1:
        raise NotReached("a header twice")
    return values.pop().decode("utf-8", "replace").strip() if values else ""
