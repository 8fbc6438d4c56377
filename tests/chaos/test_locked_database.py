"""A job database that somebody else holds for themselves: whoever asks waits, or is told when to ask again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from doors import Doors, timed
from long_forms import LONG
from test_restart import QUICK, eventually

from rushes.jobs.database import PATIENCE_S as WAITS_S

HELD_S = (3.0, 10.0, 40.0) if LONG else (3.0,)
RUNNING = {**QUICK, "prompt": "slow 0.3", "steps": 20}


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "data")
    yield made
    made.leave()


@pytest.mark.parametrize("held_s", HELD_S)
def test_held_exclusively(doors: Doors, figure: Callable[[str, object], None], held_s: float) -> None:
    doors.open(RUSHES_LEASE_S="30")
    served = doors.ready()
    running = served.ask(RUNNING)
    eventually(lambda: served.video(running)["step"] >= 1)

    def post() -> httpx.Response:
        with httpx.Client(base_url=served.client.base_url, timeout=60) as client:
            return client.post("/v2/videos", json=QUICK, headers={"idempotency-key": "patient"})

    with ThreadPoolExecutor() as pool, closing(sqlite3.connect(doors.data / "jobs.db", isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 30000")
        db.execute("BEGIN EXCLUSIVE")
        asking = pool.submit(timed, post)
        assert served.video(running)["status"] == "in_progress", "reading does not wait for a writer"
        with pytest.raises(TimeoutError):
            asking.result(timeout=min(held_s, WAITS_S) - 1.0)
        if held_s > WAITS_S:
            reply, _ = asking.result(timeout=30)
            assert reply.status_code == 503
            assert 1 <= int(reply.headers["retry-after"]) <= 60
            assert doors.ids() == [running], "what was refused was not accepted"
        db.execute("ROLLBACK")
        reply, took_s = asking.result(timeout=60)
    assert reply.status_code in ((200,) if held_s < WAITS_S else (503,)), reply.text
    id = doors.insisted(QUICK, "patient").json()["id"]
    for one in (id, running):
        doors.completed(one)
    doors.close()
    assert doors.ids() == [running, id]
    assert doors.insist_on_promises()["succeeded"] == 2
    figure(f"held for {held_s:g} s", f"POST answered {reply.status_code} after {took_s:.1f} s; 2 of 2 videos made")
