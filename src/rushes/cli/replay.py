"""`rushes replay`: renders a video again, here, and says whether the file comes out the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.exits import FAILED, explained
from rushes.cli.options import AsJson, Data


def replay(
    what: Annotated[str, typer.Argument(metavar="ID|FILE", help="A finished job's id, or a file that Rushes made.")],
    prompt: Annotated[
        str | None, typer.Option(metavar="TEXT", help="For a file, which does not hold its prompt.")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="For a file that had one.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to put the new file; else it is thrown away.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Render a video again and compare the two files, byte for byte.

    Exit codes: 0 the same, 1 different, 2 it cannot be rendered again, 130 stopped with Ctrl-C.
    """
    with explained(as_json):
        from rushes.cli import again

        earlier = (
            again.of_file(Path(what), prompt, negative_prompt) if Path(what).is_file() else again.of_job(what, data)
        )
        if not again.compare(earlier, data, output, as_json):
            raise typer.Exit(FAILED)
