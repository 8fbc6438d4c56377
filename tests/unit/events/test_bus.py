"""Watchers see every event of their job once and in order, and one reader serves them all."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest

from rushes.errors import Busy, Unavailable
from rushes.events import bus as room
from rushes.events.bus import Bus

TICK_S = 0.005


@dataclass(frozen=True)
class Line:
    seq: int


@dataclass
class Histories:
    """A job table of event numbers; counts the reads, and who reads at the same time."""

    lines: dict[str, int] = field(default_factory=dict)
    num_reads: int = 0
    at_once: int = 0
    most_at_once: int = 0
    fail: list[Exception] = field(default_factory=list)

    def write(self, id: str, num: int = 1) -> None:
        self.lines[id] = self.lines.get(id, 0) + num

    def read(self, positions: Mapping[str, int]) -> list[tuple[str, Line]]:
        self.num_reads += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.fail:
                raise self.fail.pop()
            return [
                (id, Line(n)) for id, after in positions.items() for n in range(after + 1, self.lines.get(id, 0) + 1)
            ]
        finally:
            self.at_once -= 1


def run(story: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(120):
            await story

    asyncio.run(within())


async def taken(watch: AsyncIterator[Line | None], num: int) -> list[int]:
    """The numbers of the next `num` events; quiet moments do not count."""
    seen: list[int] = []
    while len(seen) < num:
        event = await anext(watch)
        if event is not None:
            seen.append(event.seq)
    return seen


def test_what_was_written_before_and_what_comes_after_arrive_once_and_in_order() -> None:
    async def story() -> None:
        table = Histories({"a": 3})
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        async with aclosing(bus.watch("a", 1, 9)) as watch:
            assert await taken(watch, 2) == [2, 3]
            table.write("a", 2)
            assert await taken(watch, 2) == [4, 5]

    run(story())


def test_many_watchers_of_many_jobs_share_one_reader() -> None:
    async def story() -> None:
        table = Histories({f"job-{n}": 2 for n in range(50)})
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        watches = [bus.watch(f"job-{n}", 0, 9) for n in range(50) for _ in range(3)]
        assert await asyncio.gather(*(taken(watch, 2) for watch in watches)) == [[1, 2]] * 150
        assert table.most_at_once == 1
        assert table.num_reads < 150
        for watch in watches:
            await watch.aclose()

    run(story())


def test_nobody_reads_when_nobody_watches_any_more() -> None:
    async def story() -> None:
        table = Histories({"a": 1})
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        watch = bus.watch("a", 0, 9)
        await taken(watch, 1)
        await watch.aclose()
        assert bus.num_watchers == 0
        while bus._tailer is not None:  # it may be in the middle of a last read
            await asyncio.sleep(TICK_S)
        before = table.num_reads
        await asyncio.sleep(TICK_S * 10)
        assert table.num_reads == before
        async with aclosing(bus.watch("a", 0, 9)) as again:
            assert await taken(again, 1) == [1]

    run(story())


def test_one_that_joins_while_others_are_ahead_misses_nothing() -> None:
    async def story() -> None:
        table = Histories({"a": 10})
        gate, reading = threading.Event(), threading.Event()

        def slow(positions: Mapping[str, int]) -> list[tuple[str, Line]]:
            found = table.read(positions)
            reading.set()
            assert gate.wait(60)
            return found

        bus: Bus[Line] = Bus(slow, tick_s=TICK_S)
        ahead, behind = bus.watch("a", 8, 9), bus.watch("a", 2, 9)
        first = asyncio.create_task(taken(ahead, 2))
        await asyncio.to_thread(reading.wait, 60)  # a read from number 8 on is under way
        second = asyncio.create_task(taken(behind, 8))
        await asyncio.sleep(0)
        gate.set()
        assert await first == [9, 10]
        assert await second == [3, 4, 5, 6, 7, 8, 9, 10]
        await ahead.aclose()
        await behind.aclose()

    run(story())


def test_a_watcher_that_does_not_read_holds_little_and_loses_nothing() -> None:
    async def story() -> None:
        table = Histories({"a": 1})
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        async with aclosing(bus.watch("a", 0, 9)) as watch:
            await taken(watch, 1)
            table.write("a", 1_000)
            (lagging,) = bus._watchers
            while not lagging.waiting.full():
                await asyncio.sleep(TICK_S)
            await asyncio.sleep(TICK_S * 10)
            assert lagging.waiting.qsize() == room.MAX_WAITING
            assert await taken(watch, 1_000) == list(range(2, 1_002))

    run(story())


def test_quiet_is_told_and_the_watch_goes_on() -> None:
    async def story() -> None:
        table = Histories({"a": 0})
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        async with aclosing(bus.watch("a", 0, 0.02)) as watch:
            assert await anext(watch) is None
            table.write("a")
            assert await taken(watch, 1) == [1]

    run(story())


def test_a_read_that_fails_is_tried_again() -> None:
    async def story() -> None:
        table = Histories({"a": 1}, fail=[Unavailable("busy"), RuntimeError("a mistake of ours")])
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        async with aclosing(bus.watch("a", 0, 9)) as watch:
            assert await taken(watch, 1) == [1]

    run(story())


def test_closing_ends_every_watch_and_the_next_one_at_once() -> None:
    async def story() -> None:
        table = Histories({"a": 1, "b": 1_000})
        bus: Bus[Line] = Bus(table.read, tick_s=TICK_S)
        quiet, full = bus.watch("a", 1, 9), bus.watch("b", 0, 9)
        waiting = asyncio.create_task(anext(quiet, None))
        await taken(full, 1)
        await asyncio.sleep(TICK_S * 4)
        bus.close()
        assert await waiting is None
        assert [event async for event in full] == []
        assert [event async for event in bus.watch("a", 0, 9)] == []

    run(story())


def test_jobs_beyond_one_querys_terms_are_read_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "JOBS_PER_READ", 4)

    async def story() -> None:
        table = Histories({f"job-{n}": 1 for n in range(10)})
        sizes: list[int] = []

        def read(positions: Mapping[str, int]) -> list[tuple[str, Line]]:
            sizes.append(len(positions))
            return table.read(positions)

        bus: Bus[Line] = Bus(read, tick_s=TICK_S)
        watches = [bus.watch(f"job-{n}", 0, 9) for n in range(10)]
        assert await asyncio.gather(*(taken(watch, 1) for watch in watches)) == [[1]] * 10
        assert max(sizes) == 4
        for watch in watches:
            await watch.aclose()

    run(story())


def test_too_many_watchers_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_WATCHERS", 1)
    bus: Bus[Line] = Bus(Histories({"a": 1}).read)
    for _ in range(2):
        with bus.place(), pytest.raises(Busy), bus.place():
            pytest.fail("there was a second place")
