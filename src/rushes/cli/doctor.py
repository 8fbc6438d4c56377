"""`rushes doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.exits import FAILED, explained
from rushes.cli.options import AsJson

MARKS = {"ok": "[green]✓[/green]", "note": "[yellow]![/yellow]", "missing": "[red]✗[/red]"}


def doctor(
    data: Annotated[Path | None, typer.Option(help="The data folder to look at.")] = None,
    port: Annotated[int | None, typer.Option(help="The port that the server would take.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at this machine and say what is missing.

    Exit codes: 0 everything needed is here, 1 something is missing.
    """
    with explained(as_json):
        import dataclasses

        from rushes.cli.examine import examine
        from rushes.settings import Settings

        findings = examine(Settings.load({"data": data, "port": port}))
        if as_json:
            print(json.dumps({"findings": [dataclasses.asdict(finding) for finding in findings]}, ensure_ascii=False))
        else:
            from rich.console import Console
            from rich.markup import escape

            console = Console(highlight=False)
            for finding in findings:
                console.print(f"{MARKS[finding.state]} {finding.name:<14} {escape(finding.found)}")
                if finding.remedy:
                    console.print(f"  {'':<14} {escape(finding.remedy)}", style="dim")
        if any(finding.state == "missing" for finding in findings):
            raise typer.Exit(FAILED)
