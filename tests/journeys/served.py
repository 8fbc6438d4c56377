"""A real `rushes serve` in a process of its own, and how a test looks at it from outside, without any client."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx
from generations import PATIENCE_S

HERE = Path(__file__).parent

TINY = [sys.executable, str(HERE / "small_rushes.py")]
REAL = [sys.executable, "-m", "rushes"]

QUICK = {
    "model": "test/tiny",
    "prompt": "a fox runs",
    "width": 96,
    "height": 64,
    "seconds": "1",
    "fps": 15,
    "steps": 10,
}
FAILING = {**QUICK, "prompt": "slow down"}  # the tiny model takes the second word for seconds


@dataclass(frozen=True)
class Server:
    """A `rushes serve` that is ready, with two keys of different owners."""

    url: str
    key: str
    other_key: str

    def ask(self, verb: str, path: str, key: str | None = None, **more: Any) -> httpx.Response:
        return self.bare(verb, path, {"Authorization": f"Bearer {key or self.key}"}, **more)

    def bare(self, verb: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
        return httpx.request(verb, self.url + path, headers=headers, timeout=60, **more)

    def create(self, **body: Any) -> str:
        reply = self.ask("POST", "/v2/videos", json=body)
        assert reply.status_code == 200, reply.text
        id: str = reply.json()["id"]
        return id

    def video(self, id: str) -> dict[str, Any]:
        seen: dict[str, Any] = self.ask("GET", f"/v2/videos/{id}").json()
        return seen

    def ended(self, id: str) -> dict[str, Any]:
        return self.until(id, lambda seen: seen["status"] != "in_progress")

    def completed(self, id: str) -> dict[str, Any]:
        seen = self.ended(id)
        assert seen["status"] == "completed", seen
        return seen

    def until(self, id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        pause = threading.Event()
        for _ in range(PATIENCE_S * 20):
            if holds(seen := self.video(id)):
                return seen
            pause.wait(0.05)
        raise AssertionError(f"not within {PATIENCE_S} s: {seen}")

    def cancel(self, *ids: str) -> None:
        for id in ids:
            assert self.ask("POST", f"/v2/videos/{id}/cancel").status_code == 200


def read_banner(stdout: IO[str]) -> str:
    lines = []
    for line in stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    return "".join(lines)


@contextmanager
def serving(program: list[str], folder: Path, *flags: str, **settings: str) -> Iterator[Server]:
    """`program serve` on a free port, its data in `folder`; its log is shown where it does not come up."""
    data = folder / "data"
    others = {name: value for name, value in os.environ.items() if not name.startswith(("RUSHES_", "PYTEST_"))}
    environment = {**others, "PYTHONPATH": str(HERE.parent / "unit"), "RUSHES_DATA": str(data), **settings}
    with (folder / "serve.log").open("w+") as log:
        process = subprocess.Popen(
            [*program, "serve", "--port", "0", *flags],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            banner = read_banner(process.stdout)
            url, key = re.search(r"ready on (\S+)", banner), re.search(r"API key {2}(rushes_\S+)", banner)
            assert url and key, banner + (folder / "serve.log").read_text()
            made = subprocess.run(
                [*program, "keys", "create", "--owner", "other", "--json"],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            yield Server(url[1], key[1], json.loads(made.stdout)["key"])
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
            process.stdout.close()
