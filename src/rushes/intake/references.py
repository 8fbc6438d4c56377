"""How a row names an input: `sha256:<digest>` is in storage, `url:<key>:<address>` is fetched at first need.

Neither can come from a client: the door takes web addresses, data URLs and base64, and neither form is one of these.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTENT = "sha256:"
ADDRESS = "url:"


@dataclass(frozen=True, slots=True)
class Kept:
    """In the storage of inputs under `key`, the SHA-256 of its bytes."""

    key: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """In the storage of inputs under `key`, or not there yet and behind `url`."""

    key: str
    url: str


def reference(input: Kept | Fetched) -> str:
    return f"{CONTENT}{input.key}" if isinstance(input, Kept) else f"{ADDRESS}{input.key}:{input.url}"


def referred(source: str) -> Kept | Fetched | None:
    """What `source` names; None where it is no reference, but the source itself."""
    if source.startswith(CONTENT):
        return Kept(source.removeprefix(CONTENT))
    if source.startswith(ADDRESS):
        key, _, url = source.removeprefix(ADDRESS).partition(":")
        return Fetched(key, url)
    return None
