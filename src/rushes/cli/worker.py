"""`rushes worker`: one process that makes videos; started by the host of `rushes serve`, or by hand elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rushes.cli.exits import explained


def worker(
    data: Annotated[Path | None, typer.Option(help="The data folder whose jobs to work on.")] = None,
) -> None:
    """Make the videos of a data folder, one at a time, until told to stop.

    `rushes serve` starts its own; this is for one more beside it.
    """
    with explained():
        import logging
        import threading

        from rushes.assemble import build_worker
        from rushes.jobs.worker import stop_on_signals, stop_with_parent
        from rushes.settings import Settings

        logging.basicConfig(level=logging.INFO, format="%(asctime)s worker: %(message)s", datefmt="%H:%M:%S")
        settings = Settings.load({"data": data})
        stop = threading.Event()
        stop_on_signals(stop)
        if settings.jobs.with_parent:
            stop_with_parent(stop, settings.jobs.lease_s)
        build_worker(settings).run(stop)
