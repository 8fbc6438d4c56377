"""A host with one worker on a data folder of its own, for what only shows in jobs: what is told, and gone on with."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rushes.assemble import build_host, build_store, build_videos
from rushes.jobs.host import Host
from rushes.jobs.store import JobStore
from rushes.settings import Settings
from rushes.videos import Videos

T = TypeVar("T")

OWNER = "benchmark"
PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True)
class Working:
    data: Path
    store: JobStore
    host: Host
    videos: Videos


@contextmanager
def working() -> Iterator[Working]:
    """What `rushes serve` runs but the door, with the usual settings; all of it is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load({"data": Path(folder)})
        store = build_store(settings)
        host = build_host(settings, store)
        host.start()
        try:
            yield Working(Path(folder), store, host, build_videos(settings, store))
        finally:
            host.stop()
            store.close()


def until(holds: Callable[[], T | None], every_s: float = 0.02) -> T:
    """Wait until `holds` gives something true, and return it. Errors  SystemExit when the patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(every_s)
    raise SystemExit(f"what was waited for did not happen within {PATIENCE_S:g} s")
