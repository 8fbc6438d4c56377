"""Offers and short ways to ask, shared by the catalogue's tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rushes.catalogue.card import MediaRule, MediaRules, Span, Text
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue, Offer
from rushes.catalogue.resolve import resolve
from rushes.contract.request import Note, ResolvedRequest, VideoRequest

MINI = "rushes/mini"
PROMPT = "a red fox runs along the beach, the camera tracks left"
SEED = 1234
HUGE = 10**5000
"""More digits than Python writes out: str() of it raises ValueError."""

EVERY_MEMBER = MediaRules(
    frame_images=MediaRule(5, ("first", "last", "any")),
    frame_videos=MediaRule(1),
    reference_images=MediaRule(3),
    reference_videos=MediaRule(2),
    source_video=MediaRule(1),
    audio_inputs=MediaRule(1),
)

OPEN_CARD = replace(
    CARD,
    id="test/open",
    rules=replace(CARD.rules, media=EVERY_MEMBER, generate_audio=True, prompt=Text("optional"), needs=()),
)
"""A model that takes everything, so that the hosted ids' own rules can be seen at work."""

SHORT_CARD = replace(CARD, id="test/short", rules=replace(CARD.rules, seconds=Span(1, 4, 2)))

PICTURES_CARD = replace(
    CARD,
    id="test/pictures",
    rules=replace(
        CARD.rules,
        media=MediaRules(MediaRule(10, ("first", "last", "any")), MediaRule(1), source_video=MediaRule(1)),
        generate_audio=False,
        needs=("prompt", "media.frame_images", "media.frame_videos", "media.source_video"),
    ),
)
"""A model that knows pictures only: no references, no sound."""

WORDS_ONLY_CARD = replace(CARD, id="test/words", rules=replace(CARD.rules, media=MediaRules(), needs=("prompt",)))

HERE = Catalogue([CARD, OPEN_CARD, PICTURES_CARD, SHORT_CARD, WORDS_ONLY_CARD])
BY_MINI = Catalogue([CARD], {"all": MINI})
BY_PICTURES = Catalogue([PICTURES_CARD], {"all": PICTURES_CARD.id})
BY_OPEN = Catalogue([OPEN_CARD], {"all": OPEN_CARD.id})


def draw() -> int:
    return SEED


def ask(offer: Offer | str = MINI, /, **fields: Any) -> ResolvedRequest:
    """Resolve a request of these fields, with a prompt unless one is given."""
    if isinstance(offer, str):
        offer = HERE.find(offer)
    return resolve(VideoRequest(model=offer.asked_id, **{"prompt": PROMPT, **fields}), offer, draw)


def notes(resolved: ResolvedRequest, kind: str) -> dict[str, Note]:
    return {note.field: note for note in resolved.notes if note.kind == kind}


def every_offer() -> list[Offer]:
    return [*HERE.offers(), *BY_MINI.offers(), *BY_OPEN.offers()]
