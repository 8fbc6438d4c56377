"""The four generations of Together's client, each in its own interpreter, and how a test speaks to one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE_S = 180

PYTHONS = ("1.5.35", "2.42.0", "3.1.1")
TYPESCRIPT = "ts"
GENERATIONS = (*PYTHONS, TYPESCRIPT)

HOME = {"1.5.35": "", "2.42.0": "/v2", "3.1.1": "", TYPESCRIPT: "/v2"}
"""What each generation's base URL ends in, as the banner of `rushes serve` says it."""


@dataclass(frozen=True)
class Raised:
    """An exception as it met the program that uses the client. `body` is the envelope, or what is left of it."""

    kind: str
    status: int | None
    body: Any
    headers: Mapping[str, str]
    text: str

    @property
    def error(self) -> dict[str, Any]:
        assert isinstance(self.body, dict), self
        error: dict[str, Any] = self.body["error"]
        return error


@dataclass(frozen=True)
class Answer:
    took_s: float
    value: Any = None
    raised: Raised | None = None


@dataclass
class Client:
    """One generation's client. `ask` raises nothing of the server's: the answer holds what was returned or raised."""

    name: str
    process: subprocess.Popen[str]
    said: IO[str]
    root: str
    key: str
    more_options: dict[str, Any] = field(default_factory=dict)

    def ask(
        self,
        call: str,
        *,
        base_url: str | None = "",
        key: str | None = None,
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
        **arguments: Any,
    ) -> Answer:
        """`call` with `arguments`. `base_url` "" is this generation's own, None leaves it to the environment."""
        made_with: dict[str, Any] = {**self.more_options, **(options or {})}
        if base_url is not None:
            made_with[self._spelt("base_url")] = base_url or self.root + HOME[self.name]
        if environment is None:
            made_with[self._spelt("api_key")] = key or self.key
        asked = {"call": call, "arguments": arguments, "options": made_with, "environment": dict(environment or {})}
        assert self.process.stdin is not None and self.process.stdout is not None
        late = threading.Timer(PATIENCE_S, self.process.kill)
        late.start()
        try:
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        finally:
            late.cancel()
        if not line:
            self.said.seek(0)
            raise AssertionError(f"client {self.name} ended at {call} {arguments}:\n{self.said.read()}")
        answer = json.loads(line)
        raised = Raised(**answer["raised"]) if "raised" in answer else None
        return Answer(answer["took_s"], answer.get("value"), raised)

    def returned(self, call: str, **arguments: Any) -> Any:
        answer = self.ask(call, **arguments)
        assert answer.raised is None, f"{self.name} {call}: {answer.raised}"
        return answer.value

    def refused(self, call: str, **arguments: Any) -> Raised:
        answer = self.ask(call, **arguments)
        assert answer.raised is not None, f"{self.name} {call} returned {answer.value}"
        return answer.raised

    def _spelt(self, option: str) -> str:
        return {"base_url": "baseURL", "api_key": "apiKey"}[option] if self.name == TYPESCRIPT else option

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.said.close()


def started(name: str, root: str, key: str) -> Client:
    """The client `name` at work on the server at `root`; skips the test where it is not installed."""
    command = command_of(name)
    said = TemporaryFile("w+")  # noqa: SIM115 - lives as long as the client
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith(("TOGETHER_", "RUSHES_", "PYTHON"))},
    )
    return Client(name, process, said, root, key)


def command_of(name: str) -> list[str]:
    if name == TYPESCRIPT:
        folder = ROOT / ".clients" / "ts"
        node = shutil.which("node")
        if node is None or not (folder / "node_modules" / "together-ai").is_dir():
            missing("the Together client for TypeScript, or Node.js")
        return [str(node), str(HERE / "together_typescript_at_work.mjs"), str(folder)]
    return [str(python_of(name)), str(HERE / "together_python_at_work.py")]


def python_of(name: str) -> Path:
    """The interpreter that has the Together client `name`."""
    python = ROOT / ".venv-clients" / name / "bin" / "python"
    if not python.exists():
        missing(f"the Together client {name} for Python")
    return python


def missing(what: str) -> None:
    """`make test` installs the clients and lets none be missed; by hand a test may go without."""
    reason = f"not installed: {what}. Hint: make clients"
    if os.environ.get("CLIENTS_REQUIRED"):
        pytest.fail(reason)
    pytest.skip(reason)
