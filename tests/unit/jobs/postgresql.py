"""A PostgreSQL of our own for the tests: one server per run, on a socket in its own folder; one database per test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SUPERUSER = "rushes"
_numbers = itertools.count()


def programs() -> Path | None:
    """Where initdb and postgres are; None where they are not installed. Debian keeps them off PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda f: int(f.parent.name.partition(".")[0]))
    on_path = shutil.which("initdb")
    found = [*folders[::-1], *([Path(on_path).resolve().parent] if on_path else [])]
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def installed() -> Path:
    """Where they are; the test that asks is skipped, or fails, where they are not."""
    bin = programs()
    if bin is None:
        if os.environ.get("CLIENTS_REQUIRED"):
            pytest.fail("PostgreSQL is not installed; make test does it where there is apt-get")
        pytest.skip("PostgreSQL is not installed")
    return bin


class Server:
    """A running server. It listens on no port; `url` makes a new database and gives its address."""

    def __init__(self, folder: Path, bin: Path) -> None:
        self._folder = folder
        self._bin = bin
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, durable: bool = False) -> None:
        """`durable` syncs each commit, as a real server does; without it the tests are quicker."""
        sync = "on" if durable else "off"
        argv = [self._bin / "postgres", "-D", self._folder / "data", "-k", self._folder, "-c", "listen_addresses="]
        argv += ["-c", f"fsync={sync}", "-c", f"synchronous_commit={sync}", "-c", f"full_page_writes={sync}"]
        argv += ["-c", "max_connections=200", "-c", "shared_buffers=16MB", "-c", "log_destination=stderr"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, **_as_somebody_else())
        ready = [self._bin / "pg_isready", "-h", self._folder, "-U", SUPERUSER, "-d", "postgres", "-t", "30", "-q"]
        for _ in range(300):
            if subprocess.run(ready).returncode == 0:
                return
            if self._process.poll() is not None:
                break
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        raise RuntimeError((self._folder / "log").read_text())

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts off whoever is connected; SIGQUIT ends as if the power had gone."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to the server and to each process of its that serves somebody: nobody writes anything down."""
        if self._process is None:
            return
        pid = self._process.pid
        # Stopped first: one that it started after a look at its children would outlive it.
        os.kill(pid, signal.SIGSTOP)
        while _state(pid) not in "TZ":
            time.sleep(0.001)
        children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        for number in (pid, *children):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self._process.wait(60)
        self._process = None
        # The next server refuses to start beside one of them.
        while any(_state(child) != "Z" for child in children):
            time.sleep(0.01)

    def url(self) -> str:
        name = f"jobs{next(_numbers)}"
        self.say(f'CREATE DATABASE "{name}"', "postgres")
        return f"postgresql://{SUPERUSER}@/{name}?host={self._folder}"

    def say(self, statement: str, database: str) -> str:
        """Run one statement as the superuser; returns what came of it, unaligned."""
        argv = [self._bin / "psql", "-h", self._folder, "-U", SUPERUSER, "-d", database, "-XAtqc", statement]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@contextmanager
def serving(bin: Path, *, durable: bool = False) -> Iterator[Server]:
    # Not under pytest's folder: the path of a socket may have 107 letters and no more.
    folder = Path(tempfile.mkdtemp(prefix="rushes-pg-"))
    try:
        other = _as_somebody_else()
        if other:
            os.chown(folder, other["user"], other["group"])
        argv = [bin / "initdb", "-D", folder / "data", "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(argv, check=True, capture_output=True, cwd=folder, **other)
        server = Server(folder, bin)
        server.start(durable=durable)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _state(pid: int) -> str:
    """The letter that /proc has for what this process does; Z, as for a dead one not yet asked after, without any."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def _as_somebody_else() -> dict[str, int]:
    """PostgreSQL refuses to run as root; it is given to nobody then."""
    return {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
