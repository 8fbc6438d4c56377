"""How far off "time left" is: each video foretold from those before it, on made-up machines and on this one's history.

python -m benchmarks.time_left [--data FOLDER] [--write]

A made-up machine takes a known time for each shape, times a jitter of 10 %; one video in ten comes on a bad day and
takes three times as long. With --data, the finished videos of a data folder are foretold too, each from the fifty
before it. Of fewer than five videos none but their own shapes are foretold.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._record import Record, add_switches, table

from rushes.assemble import build_store
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.events.progress import Run, learned
from rushes.settings import Settings

HISTORIES = (5, 15, 50)
TRIALS = 20
ASKED_PER_TRIAL = 20
SIZES = ((640, 360), (1280, 720), (720, 1280), (1920, 1080))


@dataclass(frozen=True)
class Made:
    request: ResolvedRequest
    run_s: float


def own_size_s(request: ResolvedRequest) -> float:
    pixels = request.num_frames * request.width * request.height
    return 1.5 + 0.12 * request.seconds * request.steps + 2.5e-8 * pixels


def asked_size_s(request: ResolvedRequest) -> float:
    return 8 + 6e-8 * request.num_frames * request.width * request.height * request.steps


MACHINES: dict[str, Callable[[ResolvedRequest], float]] = {
    "a model that works at its own size": own_size_s,
    "a model that works at the asked size": asked_size_s,
}


def some(chance: random.Random) -> ResolvedRequest:
    width, height = chance.choice(SIZES)
    asked = VideoRequest(
        model=CARD.id,
        prompt="a fox runs",
        width=width,
        height=height,
        seconds=float(chance.choice((1, 2, 4, 6, 10))),
        steps=chance.choice((10, 20, 30, 40, 50)),
    )
    return resolve(asked, Catalogue([CARD]).find(CARD.id), lambda: 1)


def errors_after(num_runs: int, truth: Callable[[ResolvedRequest], float]) -> list[float]:
    """Relative errors for random shapes, sorted."""
    errors = []
    for trial in range(TRIALS):
        chance = random.Random(trial)  # noqa: S311 - a fixed story
        runs = []
        for _ in range(num_runs):
            request = some(chance)
            bad_day = 3.0 if chance.random() < 0.1 else 1.0
            runs.append(Made(request, truth(request) * chance.lognormvariate(0, 0.1) * bad_day))
        known = learned(runs)
        for request in (some(chance) for _ in range(ASKED_PER_TRIAL)):
            foretold = None if known is None else known.run_s(request)
            if foretold is not None:
                errors.append(abs(foretold / truth(request) - 1))
    return sorted(errors)


def errors_of_history(runs: Sequence[Run]) -> list[float]:
    """Each of `runs`, the newest first, foretold from the fifty before it."""
    errors = []
    for index, run in enumerate(runs):
        known = learned(runs[index + 1 : index + 51])
        foretold = None if known is None else known.run_s(run.request)
        if foretold is not None:
            errors.append(abs(foretold / run.run_s - 1))
    return sorted(errors)


def row(name: str, num: object, errors: Sequence[float]) -> tuple[str, str, str, str]:
    return name, str(num), f"{median(errors):.0%}", f"{errors[round((len(errors) - 1) * 0.9)]:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data folder whose finished videos are foretold too")
    parser.set_defaults(only=None)
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    record = Record("time_left", asked)
    rows = [row(name, num, errors_after(num, truth)) for name, truth in MACHINES.items() for num in HISTORIES]
    if asked.data is not None:
        store = build_store(Settings.load({"data": asked.data}))
        try:
            runs = store.durations(CARD.id, limit=1000)
        finally:
            store.close()
        if errors := errors_of_history(runs):
            rows.append(row(f"{CARD.id}, this machine", f"{len(runs)} in all", errors))
    heading = "## How far off time left is\n\n" + " ".join((__doc__ or "").split("\n\n")[2].split())
    record.keep(f"{heading}\n\n" + table(("", "videos before", "median error", "nine in ten below"), rows))


if __name__ == "__main__":
    main()
