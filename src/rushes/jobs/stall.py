"""How long a job may say nothing before the worker that makes it counts as hung."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from statistics import median

from rushes.contract.events import Progress

STEPS_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class StallLimits:
    """Seconds without a word, by stage. Generous: they are there for a hung kernel, which would stay for ever.

    `step_s` is the least for a denoising step; one may take ten times as long as the steps before it took. The first
    has nothing to be compared with, and may be the one that compiles kernels: it gets what loading gets.
    """

    loading_s: float = 600.0
    encoding_s: float = 120.0
    step_s: float = 60.0
    step_medians: float = 10.0
    decoding_s: float = 300.0
    storing_s: float = 300.0


class Movement:
    """Whether the work on one job moves. Told by the thread that works, asked by the heart's."""

    def __init__(self, limits: StallLimits) -> None:
        self._limits = limits
        self._took_s: deque[float] = deque(maxlen=STEPS_REMEMBERED)
        self._last = ("loading", 0, time.monotonic(), limits.loading_s)

    def moved(self, progress: Progress) -> None:
        now = time.monotonic()
        stage, step, since, _ = self._last
        if progress.stage == stage == "denoising" and progress.step > step:
            self._took_s.append((now - since) / (progress.step - step))
        self._last = (progress.stage, progress.step, now, self._limit_s(progress.stage))  # one store, seen whole

    def stalled(self) -> str | None:
        """Why the work counts as hung, for the log; None while it does not."""
        stage, step, since, limit_s = self._last
        silent_s = time.monotonic() - since
        if silent_s <= limit_s:
            return None
        return f"nothing heard for {silent_s:.0f} s of {stage} (step {step}), allowed are {limit_s:g} s"

    def _limit_s(self, stage: str) -> float:
        limits = self._limits
        if stage == "denoising":
            return max(limits.step_s, limits.step_medians * median(self._took_s)) if self._took_s else limits.loading_s
        # A stage that has no limit of its own gets that of decoding, rather than none.
        by_stage = {"loading": limits.loading_s, "encoding": limits.encoding_s, "storing": limits.storing_s}
        return by_stage.get(stage, limits.decoding_s)
