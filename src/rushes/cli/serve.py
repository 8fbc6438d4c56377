"""`rushes serve`: the HTTP door in this process, the workers in processes of their own, all ended together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.exits import explained
from rushes.errors import WrongSetup

DOOR = "The door"
WORK = "The work"


def serve(
    host: Annotated[
        str | None, typer.Option(help="The address to listen on.", show_default="127.0.0.1", rich_help_panel=DOOR)
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="0 takes a free one.", show_default="8000", rich_help_panel=DOOR)
    ] = None,
    no_auth: Annotated[
        bool,
        typer.Option("--no-auth", help="Let everybody in; on this machine only.", rich_help_panel=DOOR),
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse unknown keys in a body instead of warning.", rich_help_panel=DOOR)
    ] = False,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where clients reach this server, behind a proxy.", rich_help_panel=DOOR),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where jobs and videos are kept.", rich_help_panel=WORK)
    ] = None,
    serve_as: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOSTED=MODEL",
            help="Answer a hosted id with a model that is here, or all=MODEL. May be repeated.",
            rich_help_panel=WORK,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Videos made at a time.", show_default="1", rich_help_panel=WORK)
    ] = None,
) -> None:
    """Serve Together's videos API. Ready when GET /health answers 200; Ctrl-C ends it.

    Exit codes: 0 stopped, 1 failed, 2 it cannot run as asked.
    """
    with explained():
        from rushes.cli.doorkeeper import keep_open
        from rushes.settings import Settings

        keep_open(
            Settings.load(
                {
                    "host": host,
                    "port": port,
                    "auth": False if no_auth else None,
                    "strict": True if strict else None,
                    "public_url": public_url,
                    "data": data,
                    "serve_as": pairs(serve_as),
                    "workers": workers,
                }
            )
        )


def pairs(given: list[str] | None) -> dict[str, str] | None:
    """`["A=B", "C=D"]` as a mapping; None stays None, so that the environment may say."""
    if given is None:
        return None
    mapped: dict[str, str] = {}
    for pair in given:
        asked_id, equals, card_id = (part.strip() for part in pair.partition("="))
        if not (asked_id and equals and card_id) or "," in pair:
            raise WrongSetup(field="serve_as", given=pair, allowed="HOSTED=MODEL, or all=MODEL")
        if asked_id in mapped:
            raise WrongSetup(field="serve_as", given=pair, allowed=f"{asked_id} once")
        mapped[asked_id] = card_id
    return mapped
