"""How many frames a model itself makes of a stretch of time: the door reckons by it, and the job is made by it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """When a model makes frames of its own.

    rates  of them a second, as stretches (slowest, fastest) in order. A film whose rate is in none of them is made at
           the slowest of the next one, and beyond all at the fastest there is.
    run    they come in `rest` + n × `run`: so many are in a latent frame, and so many make the first.
    """

    rates: tuple[tuple[int, int], ...]
    run: int = 1
    rest: int = 1

    def rate(self, fps: int) -> int:
        """Frames a second that it makes of a film of `fps`."""
        return next((max(fps, slowest) for slowest, fastest in self.rates if fps <= fastest), self.rates[-1][1])

    def num_frames(self, seconds: float, fps: int) -> int:
        """Frames that it makes for a film of `seconds` at `fps`; those past its end are cut off."""
        return num_made(seconds, self.rate(fps), self.run, self.rest)

    def whole(self, num_frames: int) -> int:
        """The most of so many frames, at least `rest`, that fill latent frames."""
        return self.rest + (num_frames - self.rest) // self.run * self.run


def num_shown(seconds: float, rate: float) -> int:
    """How many frames, `rate` a second, it takes to cover `seconds`: at least one."""
    # Rounded first: 0.1 s × 30 fps is 3 frames, which floating point makes 3.0000000000000004.
    return max(1, math.ceil(round(seconds * rate, 6)))


def num_made(seconds: float, rate: float, run: int = 1, rest: int = 1) -> int:
    """The fewest of `rest` + n × `run` frames that cover `seconds`."""
    return rest + run * max(0, math.ceil((num_shown(seconds, rate) - rest) / run))
