"""The `rushes` command: its sub-commands, each in a file of its own."""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from rushes import __version__
from rushes.cli.bench import bench
from rushes.cli.doctor import doctor
from rushes.cli.generate import generate
from rushes.cli.jobs import jobs
from rushes.cli.keys import keys
from rushes.cli.models import models
from rushes.cli.replay import replay
from rushes.cli.serve import serve
from rushes.cli.worker import worker

app = typer.Typer(
    name="rushes",
    help="Together AI's videos API on your own hardware.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback as Python writes it is shorter, and hides no frame
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(generate)
app.command()(serve)
app.command(hidden=True)(worker)
app.add_typer(models, name="models")
app.add_typer(jobs, name="jobs")
app.command()(replay)
app.add_typer(keys, name="keys")
app.command()(doctor)
app.command()(bench)


def _version(asked: bool) -> None:
    if asked:
        print(f"rushes {__version__}")
        raise typer.Exit


@app.callback()
def rushes(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the `rushes` command and of `python -m rushes`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A file's name may be any bytes, and comes out as it is; a terminal without our signs shows question marks.
            stream.reconfigure(errors="surrogateescape" if stream.encoding.lower() == "utf-8" else "replace")
    app()
