"""The modules of the engine, standing on a world instead of on the machine: its time, its threads, its chance.

A module of ours reaches them by the names `time`, `threading`, `random` and `secrets`, so these names are what is
swapped. Whatever a stand-in does not have is an AttributeError: a new way to wait cannot slip past the simulator.
"""

from __future__ import annotations

import importlib
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from simulator.world import Actor, Event, World

MODULES = (
    "rushes.engine.checkpoint",
    "rushes.engine.engine",
    "rushes.jobs.heart",
    "rushes.jobs.ids",
    "rushes.jobs.kept",
    "rushes.jobs.prune",
    "rushes.jobs.stall",
    "rushes.jobs.store",
    "rushes.jobs.worker",
    "rushes.perform",
)
"""Not `jobs.database`: its transactions are real, and run one at a time."""


class Time:
    def __init__(self, world: World) -> None:
        self._world = world

    def monotonic(self) -> float:
        return self._world.now

    def time(self) -> float:
        return self._world.clock_s

    def time_ns(self) -> int:
        return int(self._world.clock_s * 1e9)


class Secrets:
    def __init__(self, world: World) -> None:
        self._rng = world.rng

    def token_hex(self, nbytes: int = 32) -> str:
        return self._rng.randbytes(nbytes).hex()

    def token_urlsafe(self, nbytes: int = 32) -> str:
        return self.token_hex(nbytes)

    def randbits(self, bits: int) -> int:
        return self._rng.getrandbits(bits)


class Thread:
    """What of `threading.Thread` the engine uses; it belongs to the process of whoever starts it."""

    def __init__(self, world: World, target: Callable[[], None], name: str, daemon: bool) -> None:
        self._world, self._target, self._name = world, target, name
        self._actor: Actor | None = None

    def start(self) -> None:
        self._actor = self._world.start(self._world.current.process, self._target, self._name)

    def join(self, timeout: float | None = None) -> None:
        if self._actor is not None:
            self._world.join(self._actor, timeout)


class Threading:
    Lock = staticmethod(threading.Lock)  # only one thread runs at a time, so that none is ever waited for

    def __init__(self, world: World) -> None:
        self._world = world

    def Event(self) -> Event:
        return Event(self._world)

    def Thread(self, *, target: Callable[[], None], name: str = "", daemon: bool = False) -> Thread:
        return Thread(self._world, target, name, daemon)


@contextmanager
def swapped(world: World) -> Iterator[None]:
    stand_ins: dict[str, tuple[Any, Any]] = {
        "time": (time, Time(world)),
        "threading": (threading, Threading(world)),
        "random": (random, world.rng),
        "secrets": (secrets, Secrets(world)),
    }
    with ExitStack() as stack:
        for name in MODULES:
            module = importlib.import_module(name)
            for attribute, (real, stand_in) in stand_ins.items():
                if getattr(module, attribute, None) is real:
                    stack.enter_context(patch.object(module, attribute, stand_in))
        yield
