"""A job's place in a line that is long: true near its head, and as it was a moment ago behind that."""

from __future__ import annotations

import pytest
from job_cases import asked

from rushes.contract.job import Job
from rushes.jobs import line
from rushes.jobs.line import NEAR
from rushes.jobs.store import JobStore


def places(store: JobStore, jobs: list[Job]) -> list[int | None]:
    return [store.get(job.id).waiting_ahead for job in jobs]


def test_a_job_far_back_knows_its_place_and_a_list_says_the_same(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "RENEW_S", 0.0)
    monkeypatch.setattr(line, "SHARE", float("inf"))  # look along the line each time
    waiting = [store.add("ann", asked()) for _ in range(NEAR + 4)]
    assert [job.waiting_ahead for job in waiting] == list(range(NEAR + 4))
    urgent = store.add("bob", asked(), priority=-1)
    store.pause(waiting[1].id)
    store.cancel(waiting[-2].id)
    assert places(store, [urgent, waiting[0], waiting[1], *waiting[-3:]]) == [0, 1, None, NEAR + 1, None, NEAR + 2]
    assert [job.waiting_ahead for job in store.list("ann", limit=3)] == [NEAR + 2, None, NEAR + 1]


def test_the_whole_line_is_not_walked_along_for_each_who_asks(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "RENEW_S", 3600.0)
    waiting = [store.add("ann", asked()) for _ in range(NEAR + 3)]
    another = [waiting[NEAR - 1], waiting[NEAR + 2]]
    before = places(store, another)
    for job in waiting[:3]:
        store.cancel(job.id)
    assert places(store, another) == [NEAR - 4, NEAR - 1], "counted anew, as so few are before them"
    for _ in range(3):
        store.add("eve", asked(), priority=-1)
    assert places(store, another)[0] == NEAR - 1
    assert places(store, another)[1] == before[1], "as it stood when the line was last looked along"
