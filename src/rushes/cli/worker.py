"""`rushes worker`: makes the videos of a data folder, with a process around the one that does the work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.exits import explained

if TYPE_CHECKING:
    import threading

    from rushes.settings import Settings


def worker(
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder whose jobs to work on.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Videos made at a time.", show_default="RUSHES_WORKERS, else 1")
    ] = None,
) -> None:
    """Make the videos of a data folder until told to stop.

    `rushes serve` starts its own; this is for more beside it, or on another machine.
    """
    with explained():
        import logging
        import threading

        from rushes.jobs.worker import stop_on_signals
        from rushes.settings import Settings

        logging.basicConfig(level=logging.INFO, format="%(asctime)s worker: %(message)s", datefmt="%H:%M:%S")
        settings = Settings.load({"data": data, "workers": workers})
        stop = threading.Event()
        stop_on_signals(stop)
        if settings.jobs.with_parent:
            work(settings, stop)
        else:
            # Where a door beside it was told to start none (0), this one was started for them.
            keep_working(settings, stop, max(1, settings.jobs.workers))


def work(settings: Settings, stop: threading.Event) -> None:
    """Claim and perform in this process, which a model's code may take with it at any moment."""
    from rushes.assemble import build_worker
    from rushes.jobs.worker import stop_with_parent

    stop_with_parent(stop, settings.jobs.lease_s)
    build_worker(settings).run(stop)


def keep_working(settings: Settings, stop: threading.Event, count: int) -> None:
    """Have it done in `count` processes, which are given back what they held and started again when they die."""
    from rushes.assemble import build_host, build_store

    settings = replace(settings, jobs=replace(settings.jobs, workers=count))
    store = build_store(settings)
    host = build_host(settings, store)
    host.start()
    try:
        stop.wait()
    finally:
        host.stop()
        store.close()
