"""A look at a clip while it is made: its first frames, drawn from the state between two steps.

A model that predicts the finished clip shows its prediction: the state itself is mostly noise for half of the steps.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from rushes.errors import RushesError
from rushes.models.adapter import AnyAdapter, Foresees, Frames

log = logging.getLogger(__name__)

MOST_OF_TIME = 0.05  # a clip may take a twentieth longer for being watched


class Preview:
    """Draws the decoder's first chunk now and then and hands it to `show`.

    `show`     takes uint8 RGB frames, (T, H, W, 3). What it or the decoder raises ends the looks, never the clip.
    `every_s`  the least time between two looks; longer where a look costs more than a twentieth of that.
    """

    def __init__(self, show: Callable[[Frames], None], every_s: float) -> None:
        self._show = show
        self._every_s = every_s
        self._due = 0.0
        self._over = False

    def look(self, adapter: AnyAdapter, state: Any) -> None:
        """Show `state`, if it is time. The state stays as it was."""
        began = time.monotonic()
        if self._over or began < self._due:
            return
        try:
            # Some decode as they are read, others all at once, here.
            chunks = adapter.decode(adapter.foreseen(state) if isinstance(adapter, Foresees) else state)
            self._show(next(chunks).frames_THWC)
        except (RushesError, OSError, ValueError, RuntimeError, MemoryError, StopIteration) as error:
            log.warning("no more previews of this clip: %s", type(error).__name__)
            self._over = True
        now = time.monotonic()
        self._due = now + max(self._every_s, (now - began) / MOST_OF_TIME)
