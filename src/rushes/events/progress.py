"""How long a video will take, learned from what this machine has made before.

The time of one video is taken as a sum of four costs, none of them negative: one per video (loading, opening files),
one per second of clip and step (a model that works at a size of its own), one per pixel of every frame (decoding,
resizing, encoding), and one per pixel of every frame and step (a model that works at the asked size). What each costs
here is fitted to the recent videos of one model. A bad day among them counts little, because errors are weighed by
their size and not by its square. Where the same shape was made before, its own times have the last word.

A job's progress in percent is no clock: a long clip of few steps spends most of its time behind the last of them. So it
is learned, too, when the last step is taken.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Protocol

from rushes.contract.events import DENOISED
from rushes.contract.request import ResolvedRequest
from rushes.errors import RushesError

RENEW_EMPTY_S = 2.0  # the first video of a model is worth knowing of, and a look at no rows costs little
RENEW_S = 30.0  # a fit reads fifty rows; jobs take longer than this to change the picture
ROUNDS = 12  # of reweighting; after eight the fit of fifty runs moves by less than a thousandth
SWEEPS = 60  # of four coefficients each
TIE = 0.02  # how firmly the fit holds to "each cost has an equal share" where the runs do not say otherwise
LEAST_ERROR = 0.05  # closer than a twentieth is luck: below it, a run gets no more weight
LEAST_RUNS = 5  # before other shapes are foretold: from one run alone, one in ten was off by a factor of four
FADE = 0.98  # per run further back
OWN_PACE = 0.5  # a job's own pace counts as much as half of the history's at its end, and nothing at its start


class Run(Protocol):
    """One finished video: what was asked, and how long the making took."""

    @property
    def request(self) -> ResolvedRequest: ...

    @property
    def run_s(self) -> float: ...

    @property
    def denoised_s(self) -> float | None:
        """When its last step was taken; None where nobody knows."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What `learned` found: seconds per unit of each cost, and how the very shapes that were made differ from that."""

    costs_s: tuple[float, ...]
    by_shape: dict[tuple[float, ...], float]
    typical_s: float
    """The median of the runs."""
    num_runs: int
    denoised: dict[tuple[float, ...], float] = field(default_factory=dict)
    """By shape: the part of the time that is over when the last step is taken."""

    def run_s(self, request: ResolvedRequest) -> float | None:
        """How long `request` will take from its start to its file, in seconds; None where that would be a guess."""
        work = work_of(request)
        if self.num_runs < LEAST_RUNS and work not in self.by_shape:
            return None
        return _sum(self.costs_s, work) * self.by_shape.get(work, 1.0)

    def behind(self, request: ResolvedRequest, progress: float) -> float:
        """The part of its time that `request` has behind it at that `progress`, both from 0 to 1."""
        if not self.denoised:
            return progress
        share = self.denoised.get(work_of(request), median(self.denoised.values()))
        if progress <= DENOISED:
            return share * progress / DENOISED
        return share + (1 - share) * (progress - DENOISED) / (1 - DENOISED)


def work_of(request: ResolvedRequest) -> tuple[float, ...]:
    """How much of each of the four costs `request` has. Equal shapes have equal work."""
    pixels = float(request.num_frames * request.width * request.height)
    return (1.0, request.seconds * request.steps, pixels, pixels * request.steps)


def learned(runs: Sequence[Run]) -> Estimate | None:
    """Fit the costs to `runs`, the newest first; None where there are none."""
    points = [(work_of(run.request), run.run_s) for run in runs if run.run_s > 0]
    if not points:
        return None
    # Each run is divided by its time, so that errors are relative, and each cost by its typical share.
    typical = [median(work[j] / took_s for work, took_s in points) for j in range(4)]
    rows = [tuple(work[j] / took_s / typical[j] for j in range(4)) for work, took_s in points]
    parts = [0.25] * 4
    for _ in range(ROUNDS):
        weights = [FADE**i / max(abs(_sum(parts, row) - 1), LEAST_ERROR) for i, row in enumerate(rows)]
        parts = _fitted(rows, weights, parts)
    costs_s = tuple(part / one for part, one in zip(parts, typical, strict=True))
    times: dict[tuple[float, ...], list[float]] = {}
    for work, took_s in points:
        times.setdefault(work, []).append(took_s / _sum(costs_s, work))
    by_shape = {work: median(ratios) for work, ratios in times.items()}
    shares: dict[tuple[float, ...], list[float]] = {}
    for run in runs:
        if run.run_s > 0 and run.denoised_s is not None:
            shares.setdefault(work_of(run.request), []).append(min(max(run.denoised_s / run.run_s, 0.0), 1.0))
    denoised = {work: median(found) for work, found in shares.items()}
    return Estimate(costs_s, by_shape, median(took_s for _, took_s in points), len(points), denoised)


def _fitted(rows: Sequence[Sequence[float]], weights: Sequence[float], shares: list[float]) -> list[float]:
    """The four shares, none negative, with the least weighted squares of `row · shares - 1`: one after the other."""
    scale = sum(weights)
    gram = [
        [sum(w * row[j] * row[k] for w, row in zip(weights, rows, strict=True)) / scale for k in range(4)]
        for j in range(4)
    ]
    goal = [sum(w * row[j] for w, row in zip(weights, rows, strict=True)) / scale for j in range(4)]
    shares = list(shares)
    for _ in range(SWEEPS):
        for j in range(4):
            rest = sum(gram[j][k] * shares[k] for k in range(4) if k != j)
            shares[j] = max(0.0, (goal[j] - rest + TIE * 0.25) / (gram[j][j] + TIE))
    return shares


def _sum(costs: Sequence[float], work: Sequence[float]) -> float:
    return sum(cost * one for cost, one in zip(costs, work, strict=True))


def left_s(expected_s: float, fraction: float, elapsed_s: float | None) -> float:
    """Seconds until a job is done that is expected to take `expected_s` and has `fraction` of that time behind it.

    `elapsed_s` is how long it has been at it, None where that says nothing (it was interrupted): the further it
    is, the more its own pace counts. Below 0, the clock was set back meanwhile.
    """
    fraction = min(max(fraction, 0.0), 1.0)
    if elapsed_s is not None and elapsed_s > 0 and fraction > 0:
        trust = OWN_PACE * fraction
        expected_s = (1 - trust) * expected_s + trust * elapsed_s / fraction
    return expected_s * (1 - fraction)


@dataclass(slots=True)
class History:
    """What was learned of each model, renewed now and then. Safe to use from several threads.

    `read` gives the recent runs of a model, the newest first.
    """

    read: Callable[[str], Sequence[Run]]
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, Estimate | None]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def of(self, model: str) -> Estimate | None:
        """What is known of the model's times; None where it has made nothing yet, or nobody can say now."""
        with self._guard:
            known = self._known.get(model)
            if known is not None and self.clock() < known[0]:
                return known[1]
            # Set before the read: others go on with what is known while one looks.
            self._known[model] = (self.clock() + RENEW_S, known[1] if known else None)
        try:
            found = learned(self.read(model))
        except RushesError:  # a courtesy must not fail the answer that it is part of
            return known[1] if known else None
        with self._guard:
            self._known[model] = (self.clock() + (RENEW_EMPTY_S if found is None else RENEW_S), found)
        return found
