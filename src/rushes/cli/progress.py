"""A job's progress on the terminal: stage, step, share, time left."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rushes.contract.events import Observer, Progress

WORDS = {
    "queued": "waiting",
    "loading": "loading the model",
    "encoding": "reading the prompt",
    "denoising": "denoising",
    "decoding": "drawing and encoding",
    "storing": "storing",
    "done": "done",
}


@contextmanager
def shown_progress(quiet: bool = False) -> Iterator[Observer]:
    """An observer that draws on stderr: a bar on a terminal, a line per stage elsewhere, nothing when `quiet`."""
    console = Console(stderr=True)
    if quiet:
        yield lambda progress: None
    elif console.is_terminal:
        with _bar(console) as observe:
            yield observe
    else:
        yield _lines()


@contextmanager
def _bar(console: Console) -> Iterator[Observer]:
    columns = (
        TextColumn("[bold]{task.description:<20}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[count]:>12}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    with Bar(*columns, console=console, expand=True) as bar:
        task = bar.add_task(WORDS["loading"], total=1.0, count="")

        def observe(progress: Progress) -> None:
            bar.update(
                task,
                description=WORDS.get(progress.stage, progress.stage),
                completed=progress.fraction,
                count=_count(progress),
            )

        yield observe


def _lines() -> Observer:
    last = ""

    def observe(progress: Progress) -> None:
        nonlocal last
        if progress.stage != last:
            last = progress.stage
            print(f"{progress.fraction:4.0%}  {WORDS.get(last, last)}", file=sys.stderr)

    return observe


def _count(progress: Progress) -> str:
    if not progress.steps:
        return ""
    unit = {"denoising": "step", "decoding": "frame"}.get(progress.stage, "")
    return f"{unit} {progress.step}/{progress.steps}".strip()
