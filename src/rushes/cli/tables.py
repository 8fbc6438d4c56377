"""Tables on the terminal, and for whatever else reads them."""

from __future__ import annotations

import os

from rich.console import Console
from rich.table import Table

WIDEST = 1000


def show(table: Table) -> None:
    """Print `table` within the terminal's width; a row a line where a program reads it and COLUMNS says nothing."""
    console = Console(soft_wrap=True)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDEST
    console.print(table)
