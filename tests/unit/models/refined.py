"""Cards whose larger sizes take a LoRA of their makers', as they are once the operator registered it."""

from __future__ import annotations

from dataclasses import replace

from rushes.catalogue.card import AddedLora, Card


def refined(card: Card) -> Card:
    """`card` with that LoRA; as it is where it needs none."""
    if card.weights is None or card.weights.refiner is None:
        return card
    return replace(card, rules=replace(card.rules, loras=(AddedLora(card.weights.refiner, "abc"),)))
