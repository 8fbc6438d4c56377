"""Time left on the job: learned from finished jobs of the model, for one in the making and for one that waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_moves import claimed, finished

from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.contract.events import Progress
from rushes.contract.request import VideoRequest
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

BODY = {"model": "rushes/mini", "prompt": "a fox runs through deep snow", "steps": 20}
RUN_S = 40.0


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield opened
    opened.close()


@pytest.fixture
def ask(jobs: JobStore, storage: LocalStorage, open_door: Callable[..., str]) -> Iterator[Ask]:
    """Ask for a video, or look at one, at a door that knows nothing yet."""
    with httpx.Client(base_url=open_door(videos=Videos(Catalogue([CARD]), jobs, storage))) as client:

        def asked(id: str | None = None) -> dict[str, Any]:
            reply = client.post("/v2/videos", json=BODY) if id is None else client.get(f"/v2/videos/{id}")
            video: dict[str, Any] = reply.json()
            return video

        yield asked


@pytest.fixture
def history(jobs: JobStore, storage: LocalStorage, tmp_path: Path) -> None:
    """Three finished videos that took `RUN_S` each."""
    videos = Videos(Catalogue([CARD]), jobs, storage)
    for _ in range(3):
        asked = VideoRequest(model=CARD.id, prompt="a fox runs through deep snow", steps=20)
        finished(jobs, storage, claimed(jobs, videos.create("local", asked).id), tmp_path)
    connection = sqlite3.connect(tmp_path / "jobs.db", timeout=60)
    with connection:
        connection.execute("UPDATE jobs SET claimed_at = finished_at - ?", (RUN_S,))
    connection.close()


def test_without_a_history_there_is_no_number(ask: Ask, jobs: JobStore) -> None:
    id = ask()["id"]
    assert ask(id)["time_left_s"] is None
    jobs.renew(claimed(jobs, id), Progress("denoising", 10, 20, 0.5))
    assert ask(id)["time_left_s"] is None


def test_one_in_the_making_has_less_and_less_left(
    history: None, ask: Ask, jobs: JobStore, storage: LocalStorage, tmp_path: Path
) -> None:
    id = ask()["id"]
    claim = claimed(jobs, id)
    left = [ask(id)["time_left_s"]]
    for fraction in (0.25, 0.5, 0.9):
        jobs.renew(claim, Progress("denoising", 1, 20, fraction))
        left.append(ask(id)["time_left_s"])
    assert left[0] == RUN_S
    assert left == sorted(left, reverse=True)
    assert RUN_S * 0.35 < left[2] <= RUN_S * 0.5  # half is left, and it is quicker than those before it
    finished(jobs, storage, claim, tmp_path)
    assert ask(id)["time_left_s"] is None


def test_one_that_waits_counts_those_before_it_and_who_works(history: None, ask: Ask, jobs: JobStore) -> None:
    at_work, first, second = (ask()["id"] for _ in range(3))
    assert ask(first)["time_left_s"] is None  # nobody works: nobody knows when it begins
    claimed(jobs, at_work)
    assert ask(first)["time_left_s"] == pytest.approx(RUN_S * 1.5, abs=1)
    assert ask(second)["time_left_s"] == pytest.approx(RUN_S * 2.5, abs=1)
    jobs.pause(second)
    assert ask(second)["time_left_s"] is None
