"""At acceptance: the bytes of a request into the storage of inputs, and references to them into the row."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace

from rushes.catalogue.card import Card
from rushes.catalogue.inputs import own_places
from rushes.contract.request import ResolvedRequest
from rushes.egress.policy import EgressPolicy
from rushes.egress.target import check_url
from rushes.errors import MediaRefused
from rushes.intake.references import Fetched, Kept, reference
from rushes.intake.within import check_beginning, check_said, frames_at_least
from rushes.media.source import inline, is_url, require_kind
from rushes.media.stated import Stated
from rushes.storage.base import Puts


def copied_in(
    request: ResolvedRequest, card: Card, inputs: Puts, policy: EgressPolicy
) -> tuple[ResolvedRequest, tuple[str, ...]]:
    """`request` with references for sources, and the keys of the inputs that belong to it from now on.

    An address is refused here where it can be without asking the network, and a file where it can be by its own word.
    Errors  InvalidValue or MediaRefused with the item's path; StorageUnavailable.
    """
    if not request.media.given():
        return request, ()
    keys: list[str] = []
    pace = card.rules.media.pace
    own_fps = None if pace is None else pace.rate(request.fps)

    def kept(member: str, path: str, source: str) -> str:
        if is_url(source):
            check_url(source, policy, path)
            # Drawn now, so that the row names it before it is there; not the address's hash, since what lies there
            # may be another file tomorrow, and another owner's.
            keys.append(secrets.token_hex(16))
            return reference(Fetched(keys[-1], source))
        content, said = checked(member, path, source, card, own_fps)
        if member == "frame_videos" and pace is not None and own_fps is not None:
            places = own_places(request, own_fps, pace.num_frames(request.seconds, request.fps))
            check_beginning(frames_at_least(said, own_fps), places, request, own_fps)
        keys.append(hashlib.sha256(content).hexdigest())
        inputs.put(keys[-1], content)
        return reference(Kept(keys[-1]))

    return replace(request, media=request.media.with_sources(kept)), tuple(keys)


def checked(member: str, path: str, source: str, card: Card, own_fps: float | None) -> tuple[bytes, Stated]:
    """The bytes of a data URL or base64 `source`: of a kind that `member` takes, and by their own word within the card.

    Beside them that word; `own_fps` is the rate of the model's own frames, where its card says it.
    """
    rule = card.rules.media.of(member)
    content = inline(source, path)
    kind = require_kind(content, member, path)
    try:
        return content, check_said(content, kind, rule, card.id, own_fps)
    except MediaRefused as error:
        raise error.at(path) from None
