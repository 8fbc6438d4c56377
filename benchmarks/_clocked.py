"""The `rushes` command with a stopwatch beside it: what `benchmarks.latency` starts, once for each figure.

CLOCK names the file that the times go to, WEIGHTS a folder to take the embedded model's networks from; both are
variables of the environment, since every argument is the command's own.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rushes.perform as story
from rushes import assemble
from rushes.catalogue.cards.mini import CARD
from rushes.cli.app import main
from rushes.contract.events import Observer, Progress
from rushes.contract.job import Job
from rushes.engine.engine import Engine
from rushes.models.mini.adapter import MiniAdapter
from rushes.settings import Settings


class Clock:
    """Times by name: `at` holds moments of the monotonic clock, `inside` seconds spent in a streaming stage."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self.inside: dict[str, float] = {}

    def first(self, name: str) -> None:
        self.at.setdefault(name, time.monotonic())

    def last(self, name: str) -> None:
        self.at[name] = time.monotonic()

    def around(self, name: str, values: Iterator[Any]) -> Iterator[Any]:
        """`values`, with the time that making them takes added up; what is done with them is not counted."""
        self.inside[name] = 0.0
        while True:
            began = time.monotonic()
            value = next(values, None)
            self.inside[name] += time.monotonic() - began
            if value is None:
                return
            yield value


def clocked(clock: Clock) -> None:
    """Put `clock` around the stages of `perform`."""
    stages = vars(story)
    perform, fit, encode = (stages[name] for name in ("perform", "fit", "encode"))

    def timed_perform(job: Job, observe: Observer, **rooms: Any) -> Any:
        def seen(progress: Progress) -> None:
            if progress.stage == "denoising":
                clock.first("denoising")
                clock.last("denoised")
            else:
                clock.first(progress.stage)
            observe(progress)

        clock.first("performing")
        artifact = perform(job, seen, **rooms)
        clock.last("performed")
        return artifact

    def timed_fit(chunks: Iterator[Any], *given: Any, **named: Any) -> Iterator[Any]:
        return clock.around("fit", fit(clock.around("decode", chunks), *given, **named))

    def timed_encode(*given: Any, **named: Any) -> Any:
        clock.first("writing")
        file = encode(*given, **named)
        clock.last("written")
        return file

    stages.update(perform=timed_perform, fit=timed_fit, encode=timed_encode)


def engine_of(weights: Path) -> Callable[[Settings], Engine]:
    """What builds the engine, with the model's networks read from `weights` at the moment a real one would load."""

    class OfFolder(Engine):
        def adapter(self, card: Any) -> Any:
            if card.adapter == CARD.adapter and card.adapter not in self._adapters:
                self._adapters[card.adapter] = MiniAdapter(weights)
            return super().adapter(card)

    return lambda settings: OfFolder()


if __name__ == "__main__":
    if weights := os.environ.get("WEIGHTS"):
        assemble.build_engine = engine_of(Path(weights))
    clock = Clock()
    if path := os.environ.get("CLOCK"):
        clocked(clock)
    try:
        main()
    finally:
        if path:
            Path(path).write_text(json.dumps({"at": clock.at, "inside": clock.inside}), "utf-8")
