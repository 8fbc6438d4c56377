"""Places where a test may make this process die, stop or fail, to see what is left of the promise.

Armed only by the variable RUSHES_FAILPOINT, read once when the process starts; otherwise a place costs one look at an
empty tuple. The variable holds one or more of

    name:count:action[:mark]      separated by commas

    name    one of `POINTS`
    count   fires when the place is passed for the count-th time in this process
    action  kill   SIGKILL to itself: nothing is flushed, nothing is cleaned up
            abort  SIGABRT to itself, as a driver's failed assertion does
            exit   leave at once with status 70, as a worker past its stall limit does
            raise  `Failed`, as a surprise inside the code
            stop   SIGSTOP to itself; whoever armed it sends SIGCONT, or SIGKILL. A beat of a worker's heart may be
                   stopped inside its transaction with it, and keep every other writer of an SQLite file out
    mark    a file that is made when it fires, with the process id in it; while it exists, no process fires here again.
            Without one, each new process of a host fires anew.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "RUSHES_FAILPOINT"

WORKER_POINTS = {
    "claiming": "the row is changed to be this worker's, and not committed",
    "claimed": "the row is this worker's, no work is done",
    "opening": "before what the request brought along is fetched and decoded",
    "loading": "before the model is loaded, or found to be there",
    "encoding": "before the prompt is encoded",
    "beating": "in a transaction that renews the claim, and may name a checkpoint, before its commit",
    "step": "after a denoising step, before a checkpoint of it",
    "checkpoint half": "half of a checkpoint is in a scratch file",
    "checkpoint stored": "a checkpoint is under its key, and no row names it",
    "checkpoint named": "the row names a checkpoint, and the one before it still lies there",
    "restored": "an earlier attempt's checkpoint is read and no step is taken",
    "decoding": "a chunk of frames is decoded, and has not gone on to the encoder",
    "writing": "in the middle of the file: a frame has gone into the encoder",
    "written": "the file is whole in scratch, and not flushed",
    "flushed": "the file is whole in scratch, flushed and hashed",
    "put half": "a file, which may be a checkpoint, is beside its place in storage and under no key",
    "stored": "the file is under its key, and no row names it",
    "before commit": "nothing is left to do but the transaction that publishes",
    "after commit": "published; this worker has not looked at what it leaves behind",
    "released": "the row is given back to the queue; this worker has not gone on",
}
"""Every place of a worker, in the order in which a job passes them, and what is so at that moment."""

SERVER_POINTS = {
    "migrating": "the tables of an older version are changed, and not committed",
    "accepting": "a new job's rows are written, and not committed",
    "accepted": "a new job is durable, and nobody knows its id",
    "told": "a webhook has answered, and its message is not marked",
}
"""The places of the process behind the door."""

POINTS = WORKER_POINTS | SERVER_POINTS

ACTIONS = ("kill", "abort", "exit", "raise", "stop")

_SIGNALS = {"kill": signal.SIGKILL, "abort": signal.SIGABRT, "stop": signal.SIGSTOP}


class Failed(Exception):
    """What the action `raise` raises."""


@dataclass(slots=True)
class Armed:
    """One entry of the variable, and how often this process has passed its place."""

    name: str
    count: int
    action: str
    mark: Path | None
    passed: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def fire(self) -> None:
        with self.guard:
            self.passed += 1
            if self.passed != self.count or not self._first():
                return
        if self.action == "raise":
            raise Failed(self.name)
        if self.action == "exit":
            os._exit(70)
        os.kill(os.getpid(), _SIGNALS[self.action])

    def _first(self) -> bool:
        """Leave the mark; False where it lies there already."""
        if self.mark is None:
            return True
        try:
            with self.mark.open("x") as mark:
                mark.write(str(os.getpid()))
        except FileExistsError:
            return False
        return True


def parse(text: str) -> tuple[Armed, ...]:
    """The entries of the variable.

    Errors  ValueError for a name or an action that does not exist: a test that arms nothing would prove nothing.
    """
    armed = []
    for entry in filter(None, text.split(",")):
        name, count, action, mark = (*entry.split(":", 3), "", "", "")[:4]
        if name not in POINTS or action not in ACTIONS or not count.isdigit() or int(count) < 1:
            raise ValueError(f"{VARIABLE}: no such failpoint: {entry!r}; see rushes/failpoints.py")
        armed.append(Armed(name, int(count), action, Path(mark) if mark else None))
    return tuple(armed)


_armed = parse(os.environ.get(VARIABLE, ""))


def failpoint(name: str) -> None:
    """Say that the place `name` of `POINTS` is passed."""
    for armed in _armed:
        if armed.name == name:
            armed.fire()
