"""A server that dies at every place where it can while it is asked for a video: the same id, one job, one file."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from doors import PATIENCE_S, Doors
from test_restart import QUICK, eventually

SCHEMA_1 = Path(__file__).parents[1] / "unit" / "jobs" / "schema_1.sql"
LARGE = {**QUICK, "width": 640, "height": 480, "seconds": "4", "fps": 30, "output_quality": 1}


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "data")
    yield made
    made.leave()


@pytest.mark.parametrize("place", ["accepting", "accepted"])
def test_killed_around_the_commit_a_repeated_request_is_one_job(doors: Doors, tmp_path: Path, place: str) -> None:
    mark = tmp_path / "mark"
    with doors.kept_open(RUSHES_FAILPOINT=f"{place}:1:kill:{mark}"):
        reply = doors.insisted(QUICK, "the one")
        assert mark.exists(), "the server was killed on the way"
        # What was not committed is gone; what was is found again.
        assert ("idempotent-replayed" in reply.headers) == (place == "accepted")
        id = reply.json()["id"]
        assert doors.insisted(QUICK, "the one").json()["id"] == id
        doors.completed(id)
    assert doors.ids() == [id]
    assert doors.insist_on_promises()["succeeded"] == 1
    assert doors.orphans() == 0


def test_killed_while_a_body_arrives_nothing_is_accepted(doors: Doors) -> None:
    doors.open()
    served = doors.ready()
    body = json.dumps({**QUICK, "metadata": {"note": "x" * 4000}}).encode()
    url = served.client.base_url
    with socket.create_connection((url.host, url.port)) as connection:
        head = f"POST /v2/videos HTTP/1.1\r\nhost: {url.host}\r\ncontent-type: application/json\r\n"
        head += f"idempotency-key: half\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: len(body) // 2])
        assert served.is_ready(), "it waits for the other half"
        doors.kill()
        with suppress(ConnectionResetError):  # what it had not read when it died; an end without an answer too
            assert connection.recv(1000) == b""
    doors.open()
    doors.ready()
    assert doors.ids() == []
    id = doors.insisted(json.loads(body), "half").json()["id"]
    doors.completed(id)
    doors.close()
    assert doors.ids() == [id]
    assert doors.insist_on_promises()["succeeded"] == 1


def test_killed_while_a_file_goes_out_the_rest_is_got_from_the_next(doors: Doors) -> None:
    doors.open()
    served = doors.ready()
    id = served.ask(LARGE)
    done = doors.completed(id)
    with httpx.stream("GET", done["outputs"]["video_url"]) as reply:
        pieces = reply.iter_raw(1024)
        got = next(pieces)
        doors.kill()
    doors.open()
    served = doors.ready()
    rest = served.client.get(served.video(id)["outputs"]["video_url"], headers={"range": f"bytes={len(got)}-"})
    assert rest.status_code == 206
    assert hashlib.sha256(got + rest.content).hexdigest() == done["made"]["sha256"]
    doors.close()
    assert doors.insist_on_promises()["succeeded"] == 1
    assert doors.orphans() == 0


def test_killed_while_it_changes_an_older_database_the_next_start_changes_it(doors: Doors, tmp_path: Path) -> None:
    doors.data.mkdir()
    with sqlite3.connect(doors.data / "jobs.db") as old:
        old.executescript(SCHEMA_1.read_text(encoding="utf-8").replace("test/model", "test/tiny"))
    old.close()
    before = doors.ids()
    mark = tmp_path / "mark"
    first = doors.open(RUSHES_FAILPOINT=f"migrating:1:kill:{mark}")
    assert first.process.wait(PATIENCE_S) == -signal.SIGKILL
    with doors.rows() as rows:
        assert rows.execute("SELECT version FROM schema_version").fetchone()[0] == 1, "all of it or nothing"
    doors.open()
    served = doors.ready()
    assert doors.ids() == before
    with doors.rows() as rows:
        assert rows.execute("SELECT version FROM schema_version").fetchone()[0] > 1
        states = "SELECT count(*) FROM jobs WHERE state = 'succeeded'"
        # Also the one that a worker of the older program holds until the year 2100, as a clock once told it.
        eventually(lambda: rows.execute(states).fetchone()[0] == len(before), PATIENCE_S)
    assert served.ask(QUICK)
