"""A server that is killed and started again, a client that asks until it is answered, and what must be true after."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import httpx
from test_restart import Served, below, eventually, nothing_runs_for

from rushes.jobs.store import JobStore

FINAL = ("succeeded", "failed", "cancelled")
LEASE_S = "3"
PATIENCE_S = 180.0  # a server is up in two seconds; on a machine that is busy with something else, in twenty


class Doors:
    """`rushes serve` with the tiny model on one data folder, again and again."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.now: Served | None = None

    def open(self, **environment: str) -> Served:
        """A server in place of the one before, which is killed where it still runs."""
        self.kill()
        self.now = Served(self.data, **{"RUSHES_LEASE_S": LEASE_S, **environment})
        return self.now

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.now is not None and not self.now.log.closed:
            self.now.end(number)  # also where it has ended by itself: its log and its connections are closed

    def leave(self) -> None:
        """Kill the server where it runs, and see that after all of them no process is left."""
        self.kill()
        nothing_runs_for(self.data)

    @contextmanager
    def kept_open(self, **environment: str) -> Iterator[None]:
        """A server, and another each time that it has ended by itself; what is armed in the first is armed in all."""
        over = threading.Event()
        self.open(**environment)

        def keep() -> None:
            while not over.wait(0.05):
                if self.now is not None and self.now.process.poll() is not None:
                    self.open(**environment)

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
            self.close()

    def close(self) -> None:
        """End the server in good order, and its workers with it."""
        self._end(signal.SIGTERM)

    def ready(self) -> Served:
        """The server that is there now, when it answers."""

        def answers() -> Served | None:
            served = self.now
            return served if served is not None and served.process.poll() is None and served.is_ready() else None

        found: Served = eventually(answers, PATIENCE_S)
        return found

    def insisted(self, body: dict[str, Any], key: str, within_s: float = PATIENCE_S) -> httpx.Response:
        """The reply to one request with an idempotency key, sent again until there is one."""

        def reply() -> httpx.Response | None:
            served = self.now
            assert served is not None
            try:
                given = served.client.post("/v2/videos", json=body, headers={"idempotency-key": key})
            except (httpx.HTTPError, RuntimeError):  # the client of a server that was replaced is closed
                return None
            return None if given.status_code == 503 else given

        given: httpx.Response = eventually(reply, within_s)
        assert given.status_code == 200, given.text
        return given

    def completed(self, id: str) -> dict[str, Any]:
        served = self.ready()
        done = eventually(lambda: (seen := served.video(id))["status"] != "in_progress" and seen, PATIENCE_S)
        assert done["status"] == "completed", done
        return dict(done)

    @contextmanager
    def rows(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(f"file:{self.data / 'jobs.db'}?mode=ro", uri=True, timeout=30)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()

    def ids(self) -> list[str]:
        with self.rows() as connection:
            return [row["id"] for row in connection.execute("SELECT id FROM jobs ORDER BY id")]

    def setbacks(self, id: str) -> list[str]:
        """The codes of what put this job off, which a later attempt may not meet."""
        with self.rows() as connection:
            said = connection.execute(
                "SELECT data ->> '$.code' FROM job_events WHERE job = ? AND type = 'released'", (id,)
            )
            return [code for (code,) in said if code is not None]

    def insist_on_promises(self) -> dict[str, int]:
        """Every job has ended, once; every success has one whole file; nothing else is left. How many ended how."""
        counts = dict.fromkeys(FINAL, 0)
        hashes: dict[str, set[str]] = {}
        with self.rows() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            for row in connection.execute("SELECT * FROM jobs"):
                types = connection.execute("SELECT type FROM job_events WHERE job = ? ORDER BY seq", (row["id"],))
                history = [event["type"] for event in types]
                assert row["state"] in FINAL, (row["id"], row["state"], history)
                assert [type for type in history if type in FINAL] == [row["state"]], (row["id"], history)
                assert history[-1] == row["state"], (row["id"], history)
                assert (row["token"], row["lease_until"], row["checkpoint"]) == (None, None, None)
                counts[row["state"]] += 1
            named = connection.execute(
                "SELECT request_hash, artifact ->> '$.key', artifact ->> '$.sha256', artifact ->> '$.num_frames' "
                "FROM jobs WHERE artifact IS NOT NULL"
            ).fetchall()
            tokens = connection.execute("SELECT count(*) FROM job_events WHERE type = 'running' GROUP BY job, attempt")
            assert all(times == 1 for (times,) in tokens), "an attempt was begun twice"
        for request, key, sha256, num_frames in named:
            path = self.data / "artifacts" / key
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
            with av.open(str(path)) as film:
                assert sum(1 for _ in film.decode(video=0)) == int(num_frames)
            hashes.setdefault(request, set()).add(sha256)
        assert all(len(same) == 1 for same in hashes.values()), "one request, two files"
        return counts

    def orphans(self) -> int:
        """How many finished files no row names; a sweep finds them when they are old."""
        store = JobStore(f"sqlite:///{self.data / 'jobs.db'}")
        try:
            files = {path.name for path in (self.data / "artifacts").iterdir() if not path.name.startswith(".")}
            return len(store.unknown_keys(files))
        finally:
            store.close()


def family(pid: int) -> list[int]:
    """The process and all below it, as the system lists them."""
    return [pid, *below(pid)]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What `work` gives, and the seconds it took."""
    began = time.monotonic()
    return work(), time.monotonic() - began
