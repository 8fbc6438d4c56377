"""A server that is stopped, or killed, and started again on the same data: nothing that was promised is lost."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from rushes.storage.scratch import BOOT_ID

HERE = Path(__file__).parent
QUICK = {"model": "test/tiny", "prompt": "a fox runs", "width": 96, "height": 64, "seconds": "1", "steps": 10}
SLOW = {**QUICK, "prompt": "slow 0.3", "steps": 20}
MARK = "STARTED_FOR"
"""A variable that every process below a server inherits: the data that it works on."""


class Served:
    """`rushes serve` on a data folder, as a process of its own."""

    def __init__(self, data: Path, **environment: str) -> None:
        port = free_port()
        argv = [sys.executable, str(HERE / "small_rushes.py"), "serve", "--port", str(port), "--data", str(data)]
        paths = os.pathsep.join([str(HERE.parent / "unit"), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.log = data.with_suffix(".log").open("a")
        self.process = subprocess.Popen(
            [*argv, "--no-auth"],
            env={**os.environ, "PYTHONPATH": paths, MARK: str(data), **environment},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def ready(self) -> Served:
        eventually(self.is_ready)
        return self

    def is_ready(self) -> bool:
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def ask(self, body: dict[str, Any]) -> str:
        reply = self.client.post("/v2/videos", json=body)
        assert reply.status_code == 200, reply.text
        id: str = reply.json()["id"]
        return id

    def video(self, id: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.client.get(f"/v2/videos/{id}").json()
        return seen

    def completed(self, id: str) -> dict[str, Any]:
        done = eventually(lambda: (seen := self.video(id))["status"] != "in_progress" and seen)
        assert done["status"] == "completed", done
        return dict(done)

    def file_of(self, id: str) -> bytes:
        return httpx.get(self.video(id)["outputs"]["video_url"]).content

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(120)
        self.client.close()
        self.log.close()
        return code


def free_port() -> int:
    """One that nobody has. The system gives it to nobody who asks for any: so it stays free until it is used."""
    first = 32768
    with suppress(OSError):
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(1024, first - 12_000), first)  # noqa: S311 - any one
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def eventually(holds: Callable[[], Any], within_s: float = 120.0) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.05)
    raise AssertionError(f"did not happen within {within_s} s")


def running_for(data: Path) -> list[int]:
    """Every process that was started, by whomever of them, for these data and has not ended."""
    mark, found = f"{MARK}={data}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # another's, or gone meanwhile; of a zombie nothing is left to read
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def nothing_runs_for(data: Path) -> None:
    """Whatever ended the server, and be it SIGKILL: its workers, and what they started, see it and go."""
    eventually(lambda: not running_for(data))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def serve(data: Path) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(**environment: str) -> Served:
        started.append(Served(data, **environment))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)
    nothing_runs_for(data)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_and_started_again_finished_videos_are_there_and_waiting_ones_are_made(
    serve: Callable[..., Served], number: signal.Signals
) -> None:
    first = serve().ready()
    finished = first.ask(QUICK)
    sha256 = first.completed(finished)["made"]["sha256"]
    running, waiting = first.ask(SLOW), first.ask(QUICK)
    eventually(lambda: first.video(running)["step"] >= 1)
    began = time.monotonic()
    assert first.end(number) == 0
    assert time.monotonic() - began < 60

    second = serve().ready()
    assert second.video(finished)["status"] == "completed"
    assert hashlib.sha256(second.file_of(finished)).hexdigest() == sha256
    for id in (running, waiting):
        done = second.completed(id)
        assert hashlib.sha256(second.file_of(id)).hexdigest() == done["made"]["sha256"]
    second.end(number)


def test_killed_alone_it_leaves_no_process_behind(serve: Callable[..., Served], data: Path) -> None:
    served = serve(RUSHES_WORKERS="2").ready()
    running = served.ask(SLOW)
    eventually(lambda: served.video(running)["step"] >= 1)

    def all_of_them() -> bool:  # seen by two looks: none may have started or ended in between
        below_it = below(served.process.pid)
        return len(below_it) >= 2 and {served.process.pid, *below_it} == set(running_for(data))

    eventually(all_of_them)
    served.end(signal.SIGKILL)
    nothing_runs_for(data)


def test_killed_with_its_worker_a_running_video_is_made_after_the_restart(
    serve: Callable[..., Served], data: Path
) -> None:
    first = serve(RUSHES_LEASE_S="3").ready()
    running, waiting = first.ask(SLOW), first.ask(QUICK)
    eventually(lambda: first.video(running)["step"] >= 1)
    first.end(signal.SIGKILL)

    second = serve(RUSHES_LEASE_S="3").ready()
    for id in (running, waiting):
        second.completed(id)
    second.end(signal.SIGTERM)
    connection = sqlite3.connect(data / "jobs.db")
    ended = connection.execute("SELECT count(*) FROM job_events WHERE type = 'succeeded'").fetchone()
    connection.close()
    assert ended == (2,), "each published once"


@pytest.mark.skipif(not BOOT_ID.exists(), reason="this system has no name for its start")
def test_killed_with_all_its_processes_a_running_video_goes_on_from_its_last_step_and_no_lease_is_waited_for(
    serve: Callable[..., Served], data: Path
) -> None:
    never = {"RUSHES_LEASE_S": "3600", "RUSHES_CHECKPOINT_EVERY_S": "0"}
    first = serve(**never).ready()
    running = first.ask(SLOW)
    eventually(lambda: first.video(running)["step"] >= 3)
    first.process.send_signal(signal.SIGSTOP)  # else it may start another worker before it is killed itself
    for pid in below(first.process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    first.end(signal.SIGKILL)

    second = serve(**never).ready()
    second.completed(running)
    second.end(signal.SIGTERM)
    connection = sqlite3.connect(data / "jobs.db")
    told = connection.execute("SELECT attempt, type, data ->> '$.step' FROM job_events ORDER BY seq").fetchall()
    connection.close()
    assert [(attempt, type) for attempt, type, _ in told if type not in ("progress", "queued")] == [
        (1, "running"),
        (1, "rescued"),
        (2, "running"),
        (2, "succeeded"),
    ]
    assert min(step for attempt, type, step in told if (attempt, type) == (2, "progress") and step) >= 3


def below(pid: int) -> list[int]:
    """The processes that this one has started, and those that they have; children that a thread started are its."""
    found: list[int] = []
    with suppress(OSError):  # a process or a thread that ends while it is looked at
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *below(child)]
    return found


def test_a_cancelled_video_stays_cancelled_and_the_next_is_made(serve: Callable[..., Served]) -> None:
    served = serve().ready()
    running, waiting, kept = served.ask(SLOW), served.ask(QUICK), served.ask(QUICK)
    eventually(lambda: served.video(running)["step"] >= 1)
    for id in (waiting, running):
        assert served.client.post(f"/v2/videos/{id}/cancel").status_code == 200
    served.completed(kept)
    for id in (running, waiting):
        assert served.video(id)["error"]["code"] == "cancelled"
    served.end(signal.SIGTERM)


def test_two_servers_may_start_at_once_on_fresh_data_and_share_the_work(serve: Callable[..., Served]) -> None:
    both = [serve(), serve()]
    ids = [served.ready().ask(QUICK) for served in both for _ in range(2)]
    for id in ids:
        for served in both:
            served.completed(id)
    assert [served.end(signal.SIGTERM) for served in both] == [0, 0]


def test_a_stream_of_events_goes_on_after_a_restart_without_a_gap(serve: Callable[..., Served]) -> None:
    first = serve().ready()
    id = first.ask(SLOW)
    seen: list[tuple[int, str]] = []
    with first.client.stream("GET", f"/v2/videos/{id}/events") as reply:
        for event in told(reply.iter_lines()):
            seen.append(event)
            if event[1] == "progress" and len(seen) > 4:
                break
    first.end(signal.SIGKILL)

    second = serve(RUSHES_LEASE_S="3").ready()
    with second.client.stream("GET", f"/v2/videos/{id}/events", headers={"Last-Event-ID": str(seen[-1][0])}) as reply:
        seen += told(reply.iter_lines())
    assert [number for number, _ in seen] == list(range(1, len(seen) + 1))
    assert [kind for _, kind in seen if kind != "progress"][-2:] == ["started", "completed"]
    with second.client.stream("GET", f"/v2/videos/{id}/events") as reply:
        assert list(told(reply.iter_lines())) == seen
    second.end(signal.SIGTERM)


def test_a_watcher_does_not_keep_the_server_from_stopping(serve: Callable[..., Served]) -> None:
    served = serve(RUSHES_WORKERS="0").ready()
    id = served.ask(QUICK)
    with served.client.stream("GET", f"/v2/videos/{id}/events") as reply:
        lines = reply.iter_lines()
        assert next(told(lines)) == (1, "queued")
        served.process.send_signal(signal.SIGTERM)
        assert list(told(lines)) == [], "ended in good order: after the grace, the connection would be cut"
    assert served.end(signal.SIGTERM) == 0


def told(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Number and type of each event of a stream."""
    number = 0
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "event":
            yield number, value
