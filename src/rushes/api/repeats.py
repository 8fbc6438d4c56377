"""A client's own retry of a POST that already made a job gets that job, not a second one.

The clients send no idempotency key. Three of the four mark a retry with `x-stainless-retry-count` and repeat the body
byte for byte, which together with the key says enough for the short time in which they retry. The memory is this
process's own: a retry that meets a restarted server makes a new job.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from rushes.contract.job import Job
from rushes.errors import Unavailable

REMEMBER_S = 75.0  # the clients' read time-out of 60 s, and their longest back-off
MAX_REMEMBERED = 10_000
WAIT_S = 30.0  # for the first attempt, when it is still under way


@dataclass(slots=True)
class Repeats:
    """Recent creations by owner and body. Safe to use from several threads."""

    clock: Callable[[], float] = time.monotonic
    _made: dict[str, tuple[float, Future[str]]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def create(self, owner: str, raw: bytes, is_retry: bool, make: Callable[[], Job], get: Callable[[str], Job]) -> Job:
        """`make()`, or for a retry the job that the same owner and body made moments ago, by `get(id)`."""
        key = hashlib.sha256(owner.encode() + b"\0" + raw).hexdigest()
        with self._guard:
            self._forget_old()
            earlier = self._made.get(key) if is_retry else None
            if earlier is None:
                mine: Future[str] = Future()
                self._made.pop(key, None)  # so that the dict stays in the order of time
                self._made[key] = (self.clock(), mine)
        if earlier is not None:
            return get(_id_of(earlier[1]))
        try:
            job = make()
        except BaseException as error:
            with self._guard:
                if self._made.get(key, (0.0, None))[1] is mine:
                    del self._made[key]
            mine.set_exception(error)
            raise
        mine.set_result(job.id)
        return job

    def _forget_old(self) -> None:
        horizon = self.clock() - REMEMBER_S
        while self._made:
            key, (made_at, _) = next(iter(self._made.items()))
            if made_at >= horizon and len(self._made) < MAX_REMEMBERED:
                return
            del self._made[key]


def _id_of(first: Future[str]) -> str:
    try:
        return first.result(timeout=WAIT_S)
    except TimeoutError:
        raise Unavailable("the first attempt at this request is still under way") from None
