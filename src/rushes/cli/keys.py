"""`rushes keys`: API keys of a data folder."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from rushes.cli.exits import explained
from rushes.cli.jobs import opened
from rushes.cli.options import AsJson, Data
from rushes.errors import InvalidValue

keys = typer.Typer(no_args_is_help=True, help="API keys of a data folder.")


@keys.callback()
def about() -> None:
    pass


@keys.command()
def create(
    data: Data = None,
    owner: Annotated[
        str | None, typer.Option(help="Whose videos the key opens; the same as the first key's unless given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, once: only its digest is stored. A running server takes it at once."""
    with explained(as_json), opened(data, may_be_new=True) as store:
        from rushes.api.auth import LOCAL_OWNER, key_digest, new_key

        key, whose = new_key(), owner or LOCAL_OWNER
        store.keys.add(key_digest(key), whose)
        print(json.dumps({"key": key, "owner": whose}) if as_json else key)


@keys.command()
def remove(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key, or - to read it from standard input.")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take a key back: a running server refuses it within a second. Its owner's videos stay.

    Without any key left, the next start of the server makes and shows a new one.
    """
    with explained(as_json), opened(data) as store:
        from rushes.api.auth import key_digest

        digest = key_digest(sys.stdin.readline().strip() if key == "-" else key)
        whose = store.keys.owner_of(digest)
        if whose is None:  # without a word of the key, which may be good elsewhere
            raise InvalidValue(field="key", given="one that is not known here", allowed="a key of this data folder")
        store.keys.remove(digest)
        print(json.dumps({"removed": True, "owner": whose}) if as_json else f"a key of {whose} is removed")


@keys.command("webhook-secret")
def webhook_secret(
    data: Data = None,
    owner: Annotated[
        str | None, typer.Option(help="Whose webhooks it signs; the first key's owner unless given.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Make a new one; the old one signs beside it for a day.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the secret that signs webhooks, made where there is none. Receivers check signatures with it."""
    with explained(as_json), opened(data, may_be_new=True) as store:
        from rushes.api.auth import LOCAL_OWNER

        whose = owner or LOCAL_OWNER
        owed = store.deliveries
        secret = owed.replace_secret(whose) if replace else owed.signing_secrets(whose)[0]
        print(json.dumps({"secret": secret, "owner": whose}) if as_json else secret)
