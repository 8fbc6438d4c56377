"""Any number of watchers, one reader: follows the histories of all watched jobs while somebody watches, else sleeps."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rushes.errors import Busy, Unavailable

log = logging.getLogger(__name__)

TICK_S = 0.4  # a worker writes progress twice a second; people do not see a delay of half of that
MAX_WATCHERS = 500  # each is an open connection; a page that forgets to close its own must not take them all
MAX_WAITING = 64  # events of one watcher; behind these it lags, and is served from the table when it has caught up
JOBS_PER_READ = 200  # each is a term of one query, and databases limit their number


class Event(Protocol):
    @property
    def seq(self) -> int:
        """Counts 1, 2, 3 … within one job."""


E = TypeVar("E", bound=Event)


@dataclass(slots=True, eq=False)
class _Watcher(Generic[E]):
    id: str
    position: int  # number of the newest event it was given
    waiting: asyncio.Queue[E | None] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))
    gone: bool = False


_ByJob = dict[str, list[_Watcher[E]]]


class Bus(Generic[E]):
    """The events of jobs, as they are written.

    `read` gives the events of each job behind a number, in order; it may block and is called in a thread.
    One bus belongs to one event loop.
    """

    def __init__(self, read: Callable[[Mapping[str, int]], Iterable[tuple[str, E]]], *, tick_s: float = TICK_S) -> None:
        self._read = read
        self._tick_s = tick_s
        self._places = 0  # taken
        self._watchers: set[_Watcher[E]] = set()
        self._tailer: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def num_watchers(self) -> int:
        return len(self._watchers)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among the watchers for as long as the block runs, also before it watches and where it never does.

        Raises `Busy` where one more would be too many.
        """
        if self._places >= MAX_WATCHERS:
            raise Busy(given=f"{MAX_WATCHERS} event streams are open", hint="poll GET /v2/videos/{id} instead")
        self._places += 1
        try:
            yield
        finally:
            self._places -= 1

    async def watch(self, id: str, after: int, quiet_s: float) -> AsyncGenerator[E | None, None]:
        """Events of the job behind number `after`, for ever, without gaps; None whenever none came for `quiet_s`.

        Ends when the bus is closed. A watcher that reads slowly loses nothing: what does not fit into its queue is
        read again from the history.
        """
        if self._closed:
            return
        me = _Watcher[E](id, after)
        self._watchers.add(me)
        if self._tailer is None:
            self._tailer = asyncio.create_task(self._tail())
        try:
            while True:
                try:
                    async with asyncio.timeout(quiet_s):
                        event = await me.waiting.get()
                except TimeoutError:
                    yield None
                    continue
                if event is None:
                    return
                yield event
        finally:
            self._watchers.discard(me)
            me.gone = True

    def close(self) -> None:
        """End every watch; the watchers know how far they have come."""
        self._closed = True
        for watcher in self._watchers:
            watcher.gone = True
            with suppress(asyncio.QueueEmpty):
                while True:  # no event behind a gap may be seen: a watcher that returns goes on behind its last one
                    watcher.waiting.get_nowait()
            watcher.waiting.put_nowait(None)

    async def _tail(self) -> None:
        try:
            while self._watchers and not self._closed:
                try:
                    for watchers in self._asking():
                        positions = {id: min(one.position for one in ones) for id, ones in watchers.items()}
                        _hand_out(await asyncio.to_thread(self._news, positions), watchers)
                except Unavailable as error:
                    log.warning("no events for a moment: %s", error.message)
                except Exception:  # a background loop's edge: without it, every watcher would wait for ever
                    log.exception("no events for a moment")
                await asyncio.sleep(self._tick_s)
        finally:
            self._tailer = None

    def _news(self, positions: Mapping[str, int]) -> tuple[tuple[str, E], ...]:
        return tuple(self._read(positions))

    def _asking(self) -> list[_ByJob[E]]:
        """The watchers with room for more, by job, in portions that fit one read."""
        by_job: _ByJob[E] = {}
        for watcher in self._watchers:
            if not watcher.waiting.full():
                by_job.setdefault(watcher.id, []).append(watcher)
        jobs = iter(by_job.items())
        return list(iter(lambda: dict(itertools.islice(jobs, JOBS_PER_READ)), {}))


def _hand_out(news: Iterable[tuple[str, E]], watchers: _ByJob[E]) -> None:
    """Only to those the read was made for: one that joined meanwhile may stand further back, and would miss some."""
    for id, event in news:
        for watcher in watchers.get(id, ()):
            if event.seq > watcher.position and not watcher.waiting.full() and not watcher.gone:
                watcher.waiting.put_nowait(event)
                watcher.position = event.seq
