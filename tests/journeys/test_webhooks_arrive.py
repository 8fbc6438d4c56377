"""From `webhook_url` in a request to the receiver of the guide, through a server that was started as anybody would."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from served import FAILING, PATIENCE_S, QUICK, TINY, read_banner
from test_restart import eventually, free_port

HERE = Path(__file__).parent
GUIDE = HERE.parents[1] / "docs" / "guides" / "webhooks.md"


class Rushes:
    """The `rushes` command on one data folder."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        others = {name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")}
        self.environment = {**others, "PYTHONPATH": str(HERE.parent / "unit"), "RUSHES_DATA": str(data), **settings}

    def says(self, *argv: str) -> str:
        done = subprocess.run([*TINY, *argv], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    @contextmanager
    def serving(self) -> Iterator[httpx.Client]:
        argv = [*TINY, "serve", "--port", "0", "--no-auth"]
        with self.data.with_suffix(".log").open("a") as log:
            process = subprocess.Popen(
                argv, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
            assert process.stdout is not None
            try:
                ready = re.search(r"ready on (\S+)", read_banner(process.stdout))
                assert ready, self.data.with_suffix(".log").read_text()
                with httpx.Client(base_url=ready[1], timeout=60) as client:
                    yield client
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_S)
                process.stdout.close()


def created(client: httpx.Client, **body: Any) -> str:
    reply = client.post("/v2/videos", json=body)
    assert reply.status_code == 200, reply.text
    id: str = reply.json()["id"]
    return id


def completed(client: httpx.Client, id: str) -> None:
    pause = threading.Event()
    for _ in range(PATIENCE_S * 20):
        if client.get(f"/v2/videos/{id}").json()["status"] == "completed":
            return
        pause.wait(0.05)
    raise AssertionError(f"not within {PATIENCE_S} s")


@contextmanager
def receiver_of_the_guide(port: int, secret: str) -> Iterator[subprocess.Popen[str]]:
    (program,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert "HTTPServer" in program
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        eventually(lambda: listens(port))  # a message that finds nobody is sent again after minutes
        yield process
    finally:
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def listens(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def told(receiver: subprocess.Popen[str]) -> list[str]:
    assert receiver.stdout is not None
    return receiver.stdout.readline().split()


def test_the_end_of_a_video_reaches_the_receiver_of_the_guide_even_after_a_restart(tmp_path: Path) -> None:
    port = free_port()
    rushes = Rushes(tmp_path / "data", RUSHES_EGRESS_NETWORKS="127.0.0.1/32", RUSHES_EGRESS_PORTS=str(port))
    hook = {"webhook_url": f"http://127.0.0.1:{port}/rushes"}
    with rushes.serving() as client:
        refused = client.post("/v2/videos", json={**QUICK, "webhook_url": f"http://127.0.0.2:{port}/"})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "webhook_url"
        early = created(client, **QUICK, **hook)
        completed(client, early)  # and nobody listens yet
    due_now(rushes.data)
    secret = rushes.says("keys", "webhook-secret")
    with receiver_of_the_guide(port, secret) as receiver, rushes.serving() as client:
        assert told(receiver) == ["video.completed", early]
        done = created(client, **QUICK, **hook)
        assert told(receiver) == ["video.completed", done]
        failed = created(client, **FAILING, **hook)
        assert told(receiver) == ["video.failed", failed]
        given_up = created(client, **{**QUICK, "prompt": "slow 0.3"}, **hook)
        client.post(f"/v2/videos/{given_up}/cancel")
        assert told(receiver) == ["video.cancelled", given_up]


def due_now(data: Path) -> None:
    """As if the minutes until the next try had gone by."""
    connection = sqlite3.connect(data / "jobs.db", timeout=60)
    with connection:
        changed = connection.execute("UPDATE deliveries SET next_at = 1, lease_until = NULL WHERE state = 'pending'")
        assert changed.rowcount == 1
    connection.close()
