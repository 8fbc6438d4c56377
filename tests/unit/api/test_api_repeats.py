"""A client's own retry gets the job its first attempt made."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import httpx
import pytest

from rushes.api.repeats import REMEMBER_S, Repeats
from rushes.contract.job import Job
from rushes.errors import Busy

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow"}


@pytest.fixture(scope="module")
def client(open_door: Callable[..., str]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_door()) as client:
        yield client


def post(client: httpx.Client, retries: str | None, **fields: object) -> str:
    headers = {} if retries is None else {"x-stainless-retry-count": retries}
    id: str = client.post("/v2/videos", json={**BODY, **fields}, headers=headers).json()["id"]
    return id


def test_a_retry_gets_the_first_attempts_job(client: httpx.Client) -> None:
    first = post(client, "0", seed=1)
    assert post(client, "1", seed=1) == first
    assert post(client, "2", seed=1) == first


def test_asking_twice_makes_two(client: httpx.Client) -> None:
    assert len({post(client, "0", seed=2), post(client, "0", seed=2), post(client, None, seed=2)}) == 3


def test_a_retry_of_another_body_makes_its_own(client: httpx.Client) -> None:
    assert post(client, "1", seed=3) != post(client, "1", seed=4)


def test_a_retry_whose_first_attempt_never_arrived_makes_the_job(client: httpx.Client) -> None:
    assert post(client, "1", seed=5) == post(client, "2", seed=5)


@pytest.fixture(scope="module")
def job(client: httpx.Client, store: object) -> Job:
    from rushes.jobs.store import JobStore

    assert isinstance(store, JobStore)
    return store.get(post(client, None))


class Maker:
    """Makes jobs with ids 1, 2, 3 …"""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.ids = count(1)

    def make(self) -> Job:
        return self.get(str(next(self.ids)))

    def get(self, id: str) -> Job:
        return replace(self.job, id=id)


def test_owners_do_not_meet(job: Job) -> None:
    maker, repeats = Maker(job), Repeats()
    assert repeats.create("ann", b"x", False, maker.make, maker.get).id == "1"
    assert repeats.create("bob", b"x", True, maker.make, maker.get).id == "2"
    assert repeats.create("ann", b"x", True, maker.make, maker.get).id == "1"


def test_memory_is_short(job: Job) -> None:
    now = [0.0]
    maker, repeats = Maker(job), Repeats(clock=lambda: now[0])
    repeats.create("ann", b"x", False, maker.make, maker.get)
    now[0] = REMEMBER_S - 1
    assert repeats.create("ann", b"x", True, maker.make, maker.get).id == "1"
    now[0] = REMEMBER_S + 1
    assert repeats.create("ann", b"x", True, maker.make, maker.get).id == "2"


def test_a_refused_first_attempt_is_not_remembered(job: Job) -> None:
    maker, repeats = Maker(job), Repeats()

    def full() -> Job:
        raise Busy()

    with pytest.raises(Busy):
        repeats.create("ann", b"x", False, full, maker.get)
    assert repeats.create("ann", b"x", True, maker.make, maker.get).id == "1"


def test_a_retry_waits_for_a_first_attempt_still_under_way(job: Job) -> None:
    maker, repeats = Maker(job), Repeats()
    begun, go_on = threading.Event(), threading.Event()
    ids: list[str] = []

    def slow() -> Job:
        begun.set()
        assert go_on.wait(10)
        return maker.make()

    def run(is_retry: bool, make: Callable[[], Job]) -> None:
        ids.append(repeats.create("ann", b"x", is_retry, make, maker.get).id)

    first = threading.Thread(target=run, args=(False, slow))
    first.start()
    assert begun.wait(10)
    retry = threading.Thread(target=run, args=(True, maker.make))
    retry.start()
    go_on.set()
    first.join()
    retry.join()
    assert ids == ["1", "1"]


def test_twenty_at_once_are_twenty_jobs_in_order(client: httpx.Client) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(post(client, "0", seed=6))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 20
    made = [client.get(f"/v2/videos/{id}").json() for id in sorted(ids)]
    assert [job["created_at"] for job in made] == sorted(job["created_at"] for job in made)
    assert json.dumps(made)
