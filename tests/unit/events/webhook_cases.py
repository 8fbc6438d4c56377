"""A receiver on loopback that answers as it is told, and a database that owes it something."""

from __future__ import annotations

import queue
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from rushes.contract.artifact import Artifact, Native
from rushes.contract.job import Job
from rushes.contract.request import ResolvedRequest
from rushes.egress.policy import EgressPolicy
from rushes.events.webhooks import Webhooks
from rushes.jobs.store import JobStore

MODEL = "test/model"
REQUEST = ResolvedRequest(
    model=MODEL,
    made_by=MODEL,
    revision="1",
    prompt="a canary sings",
    negative_prompt="",
    width=64,
    height=64,
    seconds=1.0,
    fps=15,
    num_frames=15,
    steps=10,
    guidance_scale=4.0,
    seed=7,
    output_format="MP4",
    output_quality=20,
    generate_audio=False,
    metadata={"order": "π"},
)
MADE = Artifact("clip.mp4", "video/mp4", 1234, "ab" * 32, 64, 64, 15, 15, False, Native(32, 32, 8.0, 8))


@dataclass(frozen=True)
class Heard:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers with `answers` in turn, the last one again and again: a status, or a status with headers, or a fault."""

    answers: list[Any] = field(default_factory=lambda: [204])
    heard: queue.SimpleQueue[Heard] = field(default_factory=queue.SimpleQueue)
    held: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    port: int = 0

    def next(self, within_s: float = 120) -> Heard:
        return self.heard.get(timeout=within_s)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.heard.put(Heard(handler.path, dict(handler.headers.items()), body))
        if answer == "hold":
            self.held.wait(120)
        if answer == "reset":
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if isinstance(answer, str):
            handler.close_connection = True
            return
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


@contextmanager
def receiving(*answers: Any) -> Iterator[Receiver]:
    receiver = Receiver(list(answers) or [204])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(OSError):
                receiver.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        receiver.port = server.server_address[1]
        receiver.url = f"http://127.0.0.1:{receiver.port}/hook?key=canary"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.held.set()
            server.shutdown()
            thread.join(60)


class Owing:
    """A database in `folder`, and jobs that end in it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "jobs.db"
        self.url = f"sqlite:///{self.file}"
        self.store = JobStore(self.url)

    def ended(self, webhook: str, owner: str = "me") -> Job:
        self.store.add(owner, REQUEST, webhook=webhook)
        claim = self.store.claim("worker", [MODEL])
        assert claim is not None
        return self.store.finish(claim, MADE)

    def rows(self) -> list[dict[str, Any]]:
        """The table, with `in_s`: seconds until the next try."""
        connection = sqlite3.connect(self.file, timeout=60)
        connection.row_factory = sqlite3.Row
        asked = (
            "SELECT *, next_at - (julianday('now') - 2440587.5) * 86400.0 AS in_s FROM deliveries ORDER BY created_at"
        )
        rows = [dict(row) for row in connection.execute(asked)]
        connection.close()
        return rows

    def say(self, statement: str) -> None:
        connection = sqlite3.connect(self.file, timeout=60)
        with connection:
            connection.execute(statement)
        connection.close()

    def let_time_pass(self) -> None:
        """Every next try is due, and every lease is over."""
        self.say("UPDATE deliveries SET next_at = 1, lease_until = CASE WHEN lease_until IS NULL THEN NULL ELSE 1 END")


def policy(*receivers: Receiver, **changes: Any) -> EgressPolicy:
    ports = frozenset(one.port for one in receivers)
    return EgressPolicy(**{"ports": ports, "networks": (ip_network("127.0.0.1/32"),), **changes})


def described(job: Job) -> dict[str, Any]:
    """The job object as the API shows it."""
    from rushes.api.together import video_reply

    return video_reply(job, f"https://videos.example.org/files/{job.id}/{job.secret}.mp4").model_dump()


def calling(
    owing: Owing,
    *receivers: Receiver,
    try_s: float = 15,
    describe: Callable[[Job], dict[str, Any]] = described,
    **changes: Any,
) -> Webhooks:
    return Webhooks(
        owing.store.deliveries, describe, policy(*receivers, **changes), try_s=try_s, poll_s=(0.02, 0.05), threads=3
    )


def eventually(holds: Callable[[], Any], within_s: float = 120.0) -> Any:
    deadline = threading.Event()
    timer = threading.Timer(within_s, deadline.set)
    timer.daemon = True
    timer.start()
    try:
        while not deadline.wait(0.02):
            if found := holds():
                return found
    finally:
        timer.cancel()
    raise AssertionError(f"did not happen within {within_s} s")
