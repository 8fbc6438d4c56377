"""`rushes models`: what can be asked for on this machine, and what could be added to it."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rushes.cli.exits import explained, refuse_unheard
from rushes.cli.info import info
from rushes.cli.lora import add_lora
from rushes.cli.options import AsJson, Data
from rushes.cli.shelf import add, remove, verify

if TYPE_CHECKING:
    from rushes.catalogue.lookup import Offer

models = typer.Typer(invoke_without_command=True, no_args_is_help=False)

ServeAs = Annotated[
    list[str] | None,
    typer.Option(metavar="HOSTED=MODEL", help="Show what `rushes serve` would offer with it."),
]
All = Annotated[bool, typer.Option("--all", help="Also those that could be added.")]


@models.callback()
def shown(
    context: typer.Context,
    serve_as: ServeAs = None,
    addable: All = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List the models that are here, with what they take; or add, verify and remove some."""
    if context.invoked_subcommand is not None:
        refuse_unheard(context)
        return
    listed(serve_as, addable, data, as_json)


@models.command("list")
def listed(serve_as: ServeAs = None, addable: All = False, data: Data = None, as_json: AsJson = False) -> None:
    """List the models that are here, with what they take."""
    with explained(as_json):
        from rushes.assemble import build_catalogue
        from rushes.catalogue.cards import OPEN
        from rushes.cli.serve import pairs
        from rushes.settings import Settings

        offers = build_catalogue(Settings.load({"serve_as": pairs(serve_as), "data": data})).offers()
        here = {offer.asked_id for offer in offers}
        others = [card for card in OPEN if card.id not in here] if addable else []
        if as_json:
            said: dict[str, Any] = {"models": [row(offer) for offer in offers]}
            if addable:
                said["to_add"] = [card.id for card in others]
            print(json.dumps(said, ensure_ascii=False))
            return

        from rich.table import Column, Table

        from rushes.cli.tables import show

        # Folded rather than cut where the terminal is narrow: an id cut short asks for no model.
        names = ("model", "made by", "licence", "seconds", "fps", "steps", "also takes")
        table = Table(*(Column(name, overflow="fold") for name in names), box=None)
        for offer in offers:
            rules = offer.rules
            table.add_row(
                offer.asked_id,
                offer.card.id,
                offer.card.licence,
                rules.seconds.allowed,
                rules.fps.allowed,
                rules.steps.allowed,
                ", ".join((*rules.media.taken(), *(f"LoRA {lora.name}" for lora in rules.loras))) or "–",
            )
        show(table)
        for card in others:
            size = f", about {card.weights.size_bytes / 1e9:.0f} GB" if card.weights is not None else ""
            print(f"to add: {card.id} ({card.licence}{size}): {card.description}")
        for offer in offers:
            if offer.unmakeable is not None:
                print(f"cannot be made here: {offer.unmakeable}", file=sys.stderr)


models.command()(add)
models.command()(add_lora)
models.command()(info)
models.command()(verify)
models.command()(remove)


def row(offer: Offer) -> dict[str, Any]:
    from rushes.catalogue.limits import limits
    from rushes.catalogue.loras import worn_always

    card = offer.card
    return {
        "id": offer.asked_id,
        "made_by": card.id,
        "revision": card.revision,
        "licence": card.licence,
        "description": card.description,
        "limits": limits(offer.rules, worn_always(card)),
        "unmakeable": offer.unmakeable,
    }
