"""`rushes models info`: what is known of one model, be it here or only known of."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rushes.cli.exits import explained
from rushes.cli.options import AsJson, Data
from rushes.cli.shelf import Id, entry_said, known_by, known_of, lora_line, lora_said, shelf_of, sized

if TYPE_CHECKING:
    from rushes.catalogue.card import Card, Weights


def info(id: Id, data: Data = None, as_json: AsJson = False) -> None:
    """Say what is known of a model: where its files are, what it takes, what it was trained on."""
    with explained(as_json):
        packaged = _packaged(id)
        if packaged is not None:
            said = {
                "id": packaged.id,
                "here": True,
                "description": packaged.description,
                "licence": packaged.licence,
                "revision": packaged.revision,
            }
            _show(said, packaged, as_json)
            return
        shelf = shelf_of(data)
        entry = shelf.find(id)
        loras = shelf.loras(entry.id) if entry else ()
        known = known_of(entry) if entry else known_by(id)
        card, weights = known.card, known.weights
        said = {
            "id": entry.id if entry else card.id,
            "like": entry.like if entry else card.id,
            "here": entry is not None,
            "description": card.description,
            "licence": (entry.licence if entry else None) or card.licence,
            "hub": weights.hub or None,
            "starts_from": weights.layout,
            "native_fps": weights.fps,
            "native_max_pixels": weights.max_area,
            "download": download_of(weights),
            **({"seen_at": weights.commit} if weights.commit else {}),
        }
        if entry is not None:
            from rushes.assemble import added_loras

            said |= {**entry_said(entry), "loras": [lora_said(lora) for lora in loras]}
            # What it takes by them is among its limits.
            card = replace(card, rules=card.rules.with_loras(tuple(added_loras(shelf, entry.id))))
        _show(said, card, as_json)
        if not as_json:
            for lora in loras:
                print(f"{'lora':<18} {lora_line(lora)}")
            if entry is None:
                print(f"to add it: rushes models add {card.id}")


def download_of(weights: Weights) -> str:
    """How large the download is, and how far that is known."""
    return f"about {sized(weights.size_bytes)}, {weights.counted or 'size estimated'}"


def _packaged(id: str) -> Card | None:
    """The card of a model that comes with the package; None where `id` is another's."""
    from rushes.catalogue.cards import CARDS

    return next((card for card in CARDS if card.id == id.casefold()), None)


def _show(said: dict[str, Any], card: Card, as_json: bool) -> None:
    """All of it with every limit, or a line for each; LoRAs have lines of their own."""
    from rushes.catalogue.limits import limits
    from rushes.catalogue.loras import worn_always

    if as_json:
        print(json.dumps({**said, "limits": limits(card.rules, worn_always(card))}, ensure_ascii=False))
        return
    for name, value in said.items():
        if name != "loras":
            print(f"{name.replace('_', ' '):<18} {sized(value) if name == 'size_bytes' else value}")
