"""Tables on the terminal, and for whatever else reads them."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.table import Table

WIDEST = 1000


def show(table: Table) -> None:
    """Print `table` within the terminal's width; a line a row where a program reads it, unless COLUMNS says how wide."""
    read_by_a_person = sys.stdout.isatty() or "COLUMNS" in os.environ
    Console(soft_wrap=True, width=None if read_by_a_person else WIDEST).print(table)
