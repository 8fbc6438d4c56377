"""`rushes models`: what can be asked for on this machine."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.cli.exits import explained

if TYPE_CHECKING:
    from rushes.catalogue.lookup import Offer


def models(
    serve_as: Annotated[
        list[str] | None,
        typer.Option(metavar="HOSTED=MODEL", help="Show what `rushes serve` would offer with it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """List the models that are here, with what they take."""
    with explained(as_json):
        from rushes.assemble import build_catalogue
        from rushes.cli.serve import pairs
        from rushes.settings import Settings

        offers = build_catalogue(Settings.load({"serve_as": pairs(serve_as)})).offers()
        if as_json:
            print(json.dumps({"models": [row(offer) for offer in offers]}, ensure_ascii=False))
            return

        from rich.console import Console
        from rich.table import Table

        table = Table("model", "made by", "licence", "seconds", "fps", "steps", "also takes", box=None)
        for offer in offers:
            rules = offer.rules
            table.add_row(
                offer.asked_id,
                offer.card.id,
                offer.card.licence,
                rules.seconds.allowed,
                rules.fps.allowed,
                rules.steps.allowed,
                ", ".join(rules.media.taken()) or "–",
            )
        Console(soft_wrap=True).print(table)
        for offer in offers:
            if offer.unmakeable is not None:
                print(f"cannot be made here: {offer.unmakeable}", file=sys.stderr)


def row(offer: Offer) -> dict[str, Any]:
    from rushes.catalogue.limits import limits

    card = offer.card
    return {
        "id": offer.asked_id,
        "made_by": card.id,
        "revision": card.revision,
        "licence": card.licence,
        "description": card.description,
        "limits": limits(offer.rules),
        "unmakeable": offer.unmakeable,
    }
