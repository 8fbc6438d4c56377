"""What `rushes models add` asks of whoever adds a model with a licence that excludes something: to agree, or not to."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rushes.errors import WrongSetup

if TYPE_CHECKING:
    from rushes.weights.licence import Licence
    from rushes.weights.shelf import Accepted, Entry


def licence_of(folder: Path, card: str | None) -> Licence:
    """What the files say, or the model's card where they say nothing. Of a free one and another, the other."""
    from rushes.weights.licence import UNSTATED, Licence, free, stated

    said = stated(folder)
    if card is None:
        return said or Licence(UNSTATED, "")
    if said is None or (said.free and not free(card)):
        return Licence(card, card)
    return said


def check_askable(card: str, *, accept: bool, before: Entry | None, can_ask: bool) -> None:
    """Refuse before a download what would be refused after it. Errors  WrongSetup."""
    from rushes.weights.licence import free

    if not (free(card) or accept or can_ask or (before is not None and before.accepted is not None)):
        raise _unanswered(card, "it is shown where it is asked for")


def agreed(licence: Licence, folder: Path, *, accept: bool, before: Entry | None, can_ask: bool) -> Accepted | None:
    """The operator's agreement to `licence`; None where it asks for none. What was agreed to before is not asked again.

    Errors  WrongSetup where nobody agrees.
    """
    from rushes.weights.shelf import Accepted

    if licence.free:
        return None
    if before is not None and before.accepted is not None and before.accepted.sha256 == licence.sha256:
        return before.accepted
    _show(licence, folder)
    if not accept and not (can_ask and typer.confirm("Do you agree to this licence?", default=False, err=True)):
        raise _unanswered(licence.name, "read it first" if licence.origin is None else f"read {licence.origin} first")
    return Accepted(licence.name, licence.sha256, time.time())


def _unanswered(licence: str, hint: str) -> WrongSetup:
    return WrongSetup(
        field="licence", given=licence, allowed="with --accept-licence, or a yes on a terminal", hint=hint
    )


def _show(licence: Licence, folder: Path) -> None:
    print(f"This model comes with a licence that has to be agreed to: {licence.name}", file=sys.stderr)
    for subject, line in licence.marked():
        print(f"  {subject}: {line[:300]}", file=sys.stderr)
    if licence.origin is not None:
        print(f"  the whole of it: {folder / licence.origin}", file=sys.stderr)
