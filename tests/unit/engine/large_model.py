"""An adapter that is built from a card, and remembers which are alive."""

from __future__ import annotations

import weakref

from rushes.catalogue.card import Card

alive: weakref.WeakSet[LargeModel] = weakref.WeakSet()
built: list[str] = []


class LargeModel:
    def __init__(self, card: Card) -> None:
        self.card = card
        built.append(card.id)
        alive.add(self)
