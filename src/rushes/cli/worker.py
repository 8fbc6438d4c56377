"""`rushes worker`: makes the videos of a data folder, with a process around the one that does the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rushes.cli.exits import explained

if TYPE_CHECKING:
    import threading

    from rushes.settings import Settings


def worker(
    data: Annotated[Path | None, typer.Option(help="The data folder whose jobs to work on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Videos made at a time.")] = 1,
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
            keep_working(settings, stop)


def work(settings: Settings, stop: threading.Event) -> None:
    """Claim and perform in this process, which a model's code may take with it at any moment."""
    from rushes.assemble import build_worker
    from rushes.jobs.worker import stop_with_parent

    stop_with_parent(stop, settings.jobs.lease_s)
    build_worker(settings).run(stop)


def keep_working(settings: Settings, stop: threading.Event) -> None:
    """Have it done in processes of their own, which are given back what they held and started again when they die."""
    from rushes.assemble import build_host, build_store

    store = build_store(settings)
    host = build_host(settings, store)
    host.start()
    try:
        stop.wait()
    finally:
        host.stop()
        store.close()
