"""What programs on several machines do at the same moment is done once, on either database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from job_cases import MODEL, asked, made

from rushes.jobs.history import Reuse
from rushes.jobs.store import JobStore

T = TypeVar("T")

PROGRAMS = 4
ROUNDS = 8
"""A race that is lost every second time is seen in one of so many."""


@pytest.fixture
def stores(url: str) -> Iterator[list[JobStore]]:
    """As many programs have, each its own, on one database."""
    opened = [JobStore(url, patience_s=30) for _ in range(PROGRAMS)]
    yield opened
    for store in opened:
        store.close()


def at_once(stores: list[JobStore], work: Callable[[JobStore, int], T]) -> list[T]:
    start = threading.Barrier(len(stores), timeout=60)

    def one(number: int) -> T:
        start.wait()
        return work(stores[number], number)

    with ThreadPoolExecutor(len(stores)) as pool:
        return list(pool.map(one, range(len(stores))))


def test_of_doors_that_start_together_one_shows_a_first_key(stores: list[JobStore], say: Callable[..., None]) -> None:
    for _ in range(ROUNDS):
        say("DELETE FROM api_keys")
        first = at_once(stores, lambda store, number: store.keys.add_first(f"digest {number}", "local"))
        assert sorted(first) == [False] * (PROGRAMS - 1) + [True]


def test_a_signing_secret_is_made_once(stores: list[JobStore]) -> None:
    for owner in map(str, range(ROUNDS)):

        def asked_for(store: JobStore, _: int, owner: str = owner) -> tuple[str, ...]:
            return store.deliveries.signing_secrets(owner)

        assert len(set(at_once(stores, asked_for))) == 1


def test_of_secrets_replaced_together_the_last_two_sign(stores: list[JobStore]) -> None:
    for owner in map(str, range(ROUNDS)):

        def replaced(store: JobStore, _: int, owner: str = owner) -> str:
            return store.deliveries.replace_secret(owner)

        made_now = at_once(stores, replaced)
        assert set(stores[0].deliveries.signing_secrets(owner)) <= set(made_now)


def test_of_one_owners_messages_to_one_host_one_is_under_way(stores: list[JobStore]) -> None:
    one, owed = stores[0], stores[0].deliveries
    first = one.add("ann", asked())
    claim = one.claim("worker", [MODEL])
    assert claim is not None
    one.finish(claim, made())
    for round in range(ROUNDS):
        for number in range(PROGRAMS):
            reuse = Reuse(first.id, made(f"{round}-{number}.mp4"))
            one.add("ann", asked(), webhook=f"https://host{round}.example.org/hook", reuse=reuse)
        under_way = [found for found in at_once(stores, lambda store, _: store.deliveries.claim()) if found]
        assert len(under_way) == 1
        owed.disabled(under_way[0], 410)  # and with it the others to that host
