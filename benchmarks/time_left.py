"""How far off "time left" is: on made-up machines, on videos that are really made, and on a history.

python -m benchmarks.time_left [--only foretold|told] [--repeats 4] [--data FOLDER] [--write]

A made-up machine takes a known time for each shape, times a jitter of 10 %; one video in ten comes on a bad day and
takes three times as long. With --data, the finished videos of a data folder are foretold too, each from the fifty
before it. Of fewer than five videos none but their own shapes are foretold.

Two small requests are then really made in turn, with the embedded model, several times each. From the second time on,
what is said of the time left when a quarter, a half and three quarters are done is held against what was left.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks._making import settled
from benchmarks._record import Record, add_switches, table
from benchmarks._working import OWNER, Working, until, working

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
    denoised_s: float | None = None


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


REALLY_MADE = (
    {"prompt": "a fox runs through deep snow", "width": 640, "height": 360, "seconds": 1.0, "steps": 20},
    {"prompt": "a red ball bounces on the beach", "width": 1280, "height": 720, "seconds": 2.0, "steps": 10},
)
ASKED_AT = (0.25, 0.5, 0.75)


def told(at: Working, request: ResolvedRequest) -> dict[float, float]:
    """Make the video; the relative error of what was said of the time left, by how much of it was done."""
    id = at.store.add(OWNER, request).id
    said: dict[float, tuple[float, float]] = {}

    def watched() -> bool:
        job = at.store.get(id)
        left_s = at.videos.time_left_s(job)
        for done in ASKED_AT:
            if done not in said and job.progress >= done and left_s is not None:
                said[done] = (time.time(), left_s)
        return job.state.final

    until(watched)
    ended_at = at.store.get(id).finished_at or 0.0
    return {done: abs(left_s / (ended_at - when) - 1) for done, (when, left_s) in said.items()}


def errors_of_told(repeats: int) -> list[tuple[str, str, str, str]]:
    """Rows of the second table."""
    errors: dict[float, list[float]] = {done: [] for done in ASKED_AT}
    with working() as at:
        for number in range(repeats):
            for fields in REALLY_MADE:
                for done, error in told(at, settled(**fields, seed=number)).items():
                    errors[done].append(error)
    return [
        (f"{done:.0%}", str(len(found)), f"{median(found):.0%}", f"{max(found):.0%}") for done, found in errors.items()
    ]


def row(name: str, num: object, errors: Sequence[float]) -> tuple[str, str, str, str]:
    return name, str(num), f"{median(errors):.0%}", f"{errors[round((len(errors) - 1) * 0.9)]:.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data folder whose finished videos are foretold too")
    parser.add_argument("--only", choices=("foretold", "told"))
    parser.add_argument("--repeats", type=int, default=4, help="how often each small request is really made")
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    record = Record("time_left", asked)
    _, _, made_up, really_made = (" ".join(part.split()) for part in (__doc__ or "").split("\n\n"))
    parts = ["## How far off time left is"]
    if asked.only != "told":
        rows = [row(name, num, errors_after(num, truth)) for name, truth in MACHINES.items() for num in HISTORIES]
        rows += history(asked.data)
        parts += [made_up, table(("", "videos before", "median error", "nine in ten below"), rows)]
    if asked.only != "foretold":
        head = ("done", "videos", "median error", "largest error")
        parts += [really_made, table(head, errors_of_told(asked.repeats))]
    record.keep("\n\n".join(part.strip() for part in parts))


def history(data: Path | None) -> list[tuple[str, str, str, str]]:
    """A row of what a data folder says; none without one, or where nothing in it could be foretold."""
    if data is None:
        return []
    store = build_store(Settings.load({"data": data}))
    try:
        runs = store.durations(CARD.id, limit=1000)
    finally:
        store.close()
    errors = errors_of_history(runs)
    return [row(f"{CARD.id}, this machine", f"{len(runs)} in all", errors)] if errors else []


if __name__ == "__main__":
    main()
