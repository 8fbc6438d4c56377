"""Following one job of a data folder on the terminal, from wherever it stands to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rushes.cli.progress import shown_progress
from rushes.contract.events import Progress
from rushes.contract.job import Job

LOOK_EVERY_S = 0.4

_never = threading.Event()


def follow(look: Callable[[], Job], quiet: bool) -> Job:
    """Draw the job that `look` finds until it has ended; returns it as it then stands.

    Errors  what `look` raises; JobNotFound where it was deleted meanwhile.
    """
    with shown_progress(quiet) as observe:
        while True:
            job = look()
            observe(Progress(job.stage, job.step, job.steps, job.progress))
            if job.state.final:
                return job
            _never.wait(LOOK_EVERY_S)
