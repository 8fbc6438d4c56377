"""At acceptance: the bytes of a request into the storage of inputs, and references to them into the row."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from rushes.catalogue.card import Card
from rushes.contract.request import ResolvedRequest
from rushes.egress.policy import EgressPolicy
from rushes.egress.target import check_url
from rushes.errors import MediaTooLarge
from rushes.intake.references import Fetched, Kept, reference
from rushes.media.source import inline, is_url, require_kind
from rushes.storage.base import Storage


def copied_in(
    request: ResolvedRequest, card: Card, inputs: Storage, policy: EgressPolicy
) -> tuple[ResolvedRequest, tuple[str, ...]]:
    """`request` with references for sources, and the keys of the inputs that belong to it from now on.

    An address is refused here where it can be without asking the network.
    Errors  InvalidValue, MediaTooLarge or UnsupportedMediaType with the item's path; StorageUnavailable.
    """
    if not request.media.given():
        return request, ()
    keys: list[str] = []

    def kept(member: str, path: str, source: str) -> str:
        if is_url(source):
            check_url(source, policy, path)
            # Drawn now, so that the row names it before it is there; not the address's hash, since what lies there
            # may be another file tomorrow, and another owner's.
            keys.append(secrets.token_hex(16))
            return reference(Fetched(keys[-1], source))
        content = checked(member, path, source, card)
        keys.append(hashlib.sha256(content).hexdigest())
        inputs.put(keys[-1], content)
        return reference(Kept(keys[-1]))

    return replace(request, media=request.media.with_sources(kept)), tuple(keys)


def checked(member: str, path: str, source: str, card: Card) -> bytes:
    """The bytes of a data URL or base64 `source`, no more than the card takes and of a kind that `member` takes."""
    most = card.rules.media.of(member).max_bytes
    content = inline(source, path)
    if most is not None and len(content) > most:
        raise MediaTooLarge(field=path, given=f"{len(content)} bytes", allowed=f"up to {most} bytes", model=card.id)
    require_kind(content, member, path)
    return content
