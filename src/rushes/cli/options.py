"""Options that several commands have, said in the same words by each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder of the server.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
