"""What it costs to keep a half-made clip, and what it costs to lose the process that makes one.

python -m benchmarks.checkpoints [--only saves|deaths] [--kills 3] [--write]

A checkpoint is the clip between two steps: packed, written and synced under its key, and named in the job's row. A
death is a SIGKILL to the worker in the middle of a clip; its host is left alone.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

from benchmarks._making import CATALOGUE, loaded_engine, settled
from benchmarks._record import Record, add_switches, table
from benchmarks._working import OWNER, Working, until, working

from rushes.catalogue.cards.mini import CARD
from rushes.contract.events import Keep
from rushes.contract.job import Job
from rushes.contract.request import ResolvedRequest
from rushes.engine.checkpoint import EVERY_S, Journal, format_of
from rushes.engine.engine import Engine
from rushes.jobs.kept import Kept
from rushes.jobs.store import JobEvent, JobStore
from rushes.models.adapter import NO_INPUTS
from rushes.perform import perform
from rushes.storage.local import LocalStorage

PROMPT = "a penguin walks in the snow, sunny day"
SAVES = 20
KILLED_AT_STEP = 10


class Stopwatch:
    """Seconds that went into calls of one function, one entry for each."""

    def __init__(self) -> None:
        self.took_s: list[float] = []

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*given, **named)
            finally:
                self.took_s.append(time.perf_counter() - began)

        return timed


class Keeping:
    """Jobs in a database of their own, whose checkpoints go where a worker's would."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.store = JobStore(f"sqlite:///{folder / 'jobs.db'}")
        self.storage = LocalStorage(folder / "checkpoints")

    def claimed(self, request: ResolvedRequest) -> tuple[Job, Keep]:
        self.store.add(OWNER, request)
        claim = self.store.claim("benchmark", [CARD.id], lease_s=3600.0)
        if claim is None:
            raise SystemExit("the job that was just added cannot be claimed")
        return claim.job, Kept(self.store, claim, self.storage.delete).keep

    def saves(self, name: str, request: ResolvedRequest) -> list[str]:
        """A row of the first table: bytes and milliseconds of one checkpoint, medians of `SAVES`."""
        adapter = self.engine.adapter(CARD)
        state = adapter.step(adapter.prepare(adapter.encode(request, NO_INPUTS), request.seed), 0)
        job, keep = self.claimed(request)
        packing, storing, naming, whole = (Stopwatch() for _ in range(4))
        format = format_of(adapter, CARD, request)
        with (
            patch.object(type(state), "to_bytes", packing.around(type(state).to_bytes)),
            patch.object(LocalStorage, "put_file", storing.around(LocalStorage.put_file)),
        ):
            for _ in range(SAVES):
                journal = Journal(
                    self.storage, self.folder, job=job.id, attempt=1, found=None, keep=naming.around(keep)
                )
                whole.around(journal.save)(state, format, now=True)
        times = (f"{median(watch.took_s) * 1000:.1f} ms" for watch in (packing, storing, naming, whole))
        return [name, f"{len(state.to_bytes()) / 1000:.0f} kB", *times]

    def share(self, request: ResolvedRequest) -> str:
        """How much of the time of a whole video went into its checkpoints, in a sentence."""
        job, keep = self.claimed(request)
        naming, saving, making = (Stopwatch() for _ in range(3))
        with patch.object(Journal, "save", saving.around(Journal.save)):
            making.around(perform)(
                job,
                lambda progress: None,
                naming.around(keep),
                catalogue=CATALOGUE,
                engine=self.engine,
                storage=LocalStorage(self.folder / "artifacts"),
                scratch=self.folder,
                checkpoints=self.storage,
            )
        saving_s, (making_s,) = sum(saving.took_s), making.took_s
        return (
            f"A default request ({request.seconds:g} s, {request.steps} steps) took {making_s:.0f} s and kept "
            f"{len(naming.took_s)} checkpoints, one in {EVERY_S:g} s at most: {saving_s * 1000:.0f} ms, "
            f"{saving_s / making_s:.2%} of its time."
        )


def death(at: Working, number: int) -> list[str]:
    """A row of the second table: seconds from a SIGKILL to what followed it."""
    job = at.store.add(OWNER, settled(prompt=PROMPT, seconds=2.0, seed=number))
    until(lambda: (now := at.store.get(job.id)).step >= KILLED_AT_STEP and now.checkpoint)
    (worker,) = at.host.pids()
    killed_at = time.time()
    os.kill(worker, signal.SIGKILL)

    def denoised_again() -> JobEvent | None:
        told = (event for event in at.store.events(job.id) if event.attempt == 2 and event.type == "progress")
        return next((event for event in told if event.data["stage"] == "denoising"), None)

    went_on = until(denoised_again)
    events = at.store.events(job.id)
    at.store.cancel(job.id)
    until(lambda: at.store.get(job.id).state.final)
    rescued = next(event for event in events if event.type == "rescued")
    claimed = next(event for event in events if event.type == "running" and event.attempt == 2)
    return [str(number), *(f"{event.at - killed_at:.1f} s" for event in (rescued, claimed, went_on))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("saves", "deaths"))
    parser.add_argument("--kills", type=int, default=3)
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    record = Record("checkpoints", asked)
    parts = ["## What a checkpoint costs, and a death", " ".join((__doc__ or "").split("\n\n")[2].split())]
    if asked.only != "deaths":
        with tempfile.TemporaryDirectory() as folder:
            keeping = Keeping(loaded_engine(None), Path(folder))
            usual = settled(prompt=PROMPT)
            rows = [
                keeping.saves("the default request", usual),
                keeping.saves("10 s of 1920×1080", settled(prompt=PROMPT, seconds=10.0, width=1920, height=1080)),
            ]
            parts.append(table(("", "size", "packed", "written, synced", "named in the row", "in all"), rows))
            parts.append(keeping.share(usual))
            keeping.store.close()
    if asked.only != "saves":
        with working() as at:
            rows = [death(at, number) for number in range(1, asked.kills + 1)]
        parts.append(table(("death", "in the queue again", "claimed again", "past its checkpoint"), rows))
    record.keep("\n\n".join(part.strip() for part in parts))


if __name__ == "__main__":
    main()
