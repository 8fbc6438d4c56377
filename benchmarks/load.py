"""Many at once: how quickly the door answers under load, how big it gets, and what a long queue costs.

python -m benchmarks.load [--requests N] [--minutes M] [--posts N] [--gets N] [--burst N] [--write]

A real server on an SQLite file, without workers; one process beside it takes each job and publishes a made-up file, so
that what is measured is the door and the store. Requests are sent when they are due, whether earlier ones are answered
or not, and their time counts from then. One GET in twenty lists, the others ask for one video. Then as many requests
as `--burst` at once, with nobody taking; then claims from that queue and from one of 100,000. What one request costs is
the door's processor time over many of one kind, which says the same on a busy machine. What stays of a request is
the memory held after so many `--requests`, one POST in ten, over all connections and each as soon as the one before is
answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._record import Record, add_switches, table

from rushes.catalogue.cards.mini import CARD
from rushes.contract.artifact import Artifact, Native
from rushes.jobs.store import JobStore

BODY = json.dumps({"model": CARD.id, "prompt": "a fox runs over a frozen lake", "seconds": "2", "steps": 20}).encode()
CONNECTIONS = 64
LONG_QUEUE = 100_000
OWNERS = 50
CLAIMS = 50
LOOKS_AT_MEMORY = 6
COSTED = 1000  # requests of each kind whose processor time is taken
MAKING_S = 0.003
SERVE = "from rushes.cli.app import main; main()"


@dataclass
class Answers:
    """What came back: how long each took, in seconds from when it was due, and its status."""

    took_s: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)

    def row(self, name: str, lasted_s: float) -> tuple[str, ...]:
        codes = ", ".join(f"{count} × {code}" for code, count in sorted(self.codes.items()))
        return (name, codes, f"{len(self.took_s) / lasted_s:.0f}/s", *percentiles(self.took_s))


def percentiles(took_s: Sequence[float]) -> tuple[str, str, str]:
    ordered = sorted(took_s)
    return tuple(f"{ordered[round((len(ordered) - 1) * part)] * 1000:.0f} ms" for part in (0.5, 0.99, 1.0))  # type: ignore[return-value]


class Connection:
    """One connection that stays open; as little of HTTP as the door's replies need."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body; status 0 where there was no answer. A connection that the door has closed is replaced."""
        was_open = self._streams is not None
        code, reply = await self._ask(method, path, body)
        return await self._ask(method, path, body) if was_open and code == 0 else (code, reply)

    async def _ask(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n"
            writer.write(head.encode() + b"content-type: application/json\r\n\r\n" + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
            length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
            return int(lines[0].split()[1]), await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            self.close()
            return 0, b""

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Crowd:
    """Those who ask, over `CONNECTIONS` connections, and the ids that they were given."""

    def __init__(self, port: int) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self._free.put_nowait(Connection(port))
        self.ids: list[str] = []

    async def post(self, answers: Answers, due: float) -> None:
        code, body = await self._asked(answers, due, "POST", "/v2/videos", BODY)
        if code == 200:
            self.ids.append(json.loads(body)["id"])

    async def get(self, answers: Answers, due: float) -> None:
        one = random.choice(self.ids[-1000:])  # noqa: S311 - any
        lists = random.random() < 0.05  # noqa: S311 - one in twenty
        await self._asked(answers, due, "GET", "/v2/videos" if lists else f"/v2/videos/{one}")

    async def _asked(
        self, answers: Answers, due: float, method: str, path: str, body: bytes = b""
    ) -> tuple[int, bytes]:
        connection = await self._free.get()
        try:
            reply = await connection.ask(method, path, body)
        finally:
            self._free.put_nowait(connection)
        answers.took_s.append(time.monotonic() - due)
        answers.codes[reply[0]] += 1
        return reply

    def close(self) -> None:
        while not self._free.empty():
            self._free.get_nowait().close()


async def at_rate(ask: Callable[[Answers, float], Awaitable[None]], rate: float, lasts_s: float) -> Answers:
    """`ask` as often as `rate` says, for `lasts_s`, and until the last is answered."""
    answers = Answers()
    began = time.monotonic()
    asking = set()
    for number in range(int(rate * lasts_s)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.ensure_future(ask(answers, due))
        asking.add(task)
        task.add_done_callback(asking.discard)
    await asyncio.gather(*asking)
    return answers


async def steady(port: int, posts: float, gets: float, lasts_s: float) -> tuple[Answers, Answers, float]:
    crowd = Crowd(port)
    await crowd.post(Answers(), time.monotonic())
    began = time.monotonic()
    both = await asyncio.gather(at_rate(crowd.post, posts, lasts_s), at_rate(crowd.get, gets, lasts_s))
    crowd.close()
    return (*both, time.monotonic() - began)


async def burst(port: int, count: int) -> tuple[Answers, float, Answers]:
    """`count` requests at once; then what a look costs at that depth."""
    crowd, answers = Crowd(port), Answers()
    began = time.monotonic()
    await asyncio.gather(*(crowd.post(answers, began) for _ in range(count)))
    lasted_s = time.monotonic() - began
    looks = await at_rate(crowd.get, 20, 10)
    crowd.close()
    return answers, lasted_s, looks


@contextmanager
def serving(data: Path) -> Iterator[tuple[int, int]]:
    """A server without workers and without a limit to its queue: its port and its process id."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    argv = [sys.executable, "-c", SERVE, "serve", "--port", str(port), "--data", str(data), "--no-auth"]
    environment = os.environ | {"RUSHES_WORKERS": "0", "RUSHES_MAX_QUEUED": "0"}
    with (
        data.with_suffix(".log").open("w") as log,
        subprocess.Popen(argv, env=environment, stdout=log, stderr=log) as door,  # noqa: S603 - our own argv
    ):
        try:
            while door.poll() is None:
                with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
                time.sleep(0.1)
            yield port, door.pid
        finally:
            door.terminate()


def take(url: str) -> None:
    """Publish each job as soon as it waits, until this is ended: a worker whose model takes `MAKING_S`.

    Without a pause one tight writer keeps the others of an SQLite file waiting, as no worker does.
    """
    store = JobStore(url)
    artifact = Artifact("none.mp4", "video/mp4", 1, "00" * 32, 64, 64, 24, 48, False, Native(64, 64, 24.0, 48))
    while True:
        claim = store.claim("taker", [CARD.id])
        if claim is None:
            time.sleep(0.05)
        else:
            time.sleep(MAKING_S)
            store.finish(claim, artifact)
            time.sleep(MAKING_S)


@contextmanager
def taking(url: str) -> Iterator[None]:
    argv = [sys.executable, "-c", "import sys; from benchmarks.load import take; take(sys.argv[1])", url]
    with subprocess.Popen(argv) as taker:  # noqa: S603 - our own argv
        try:
            yield
        finally:
            taker.kill()


async def costs_ms(port: int, pid: int) -> tuple[float, float]:
    """Processor time of the door for one POST and for one GET, in milliseconds; a few are asked at a time."""
    crowd = Crowd(port)

    async def each(ask: Callable[[Answers, float], Awaitable[None]]) -> float:
        before_s = processor_s(pid)
        for _ in range(COSTED // 10):
            await asyncio.gather(*(ask(Answers(), 0.0) for _ in range(10)))
        return (processor_s(pid) - before_s) / COSTED * 1000

    post_ms = await each(crowd.post)
    get_ms = await each(crowd.get)
    crowd.close()
    return post_ms, get_ms


async def memory_over(port: int, pid: int, requests: int) -> list[tuple[str, str]]:
    """What the door holds after more and more requests, of which it has had some before."""
    crowd = Crowd(port)
    await crowd.post(Answers(), 0.0)
    found = [("0", f"{memory_mb(pid)} MB")]
    asked = 0
    for part in range(1, LOOKS_AT_MEMORY + 1):
        while asked < requests * part // LOOKS_AT_MEMORY:
            kinds = [crowd.post if (asked + number) % 10 == 0 else crowd.get for number in range(CONNECTIONS)]
            await asyncio.gather(*(ask(Answers(), 0.0) for ask in kinds))
            asked += CONNECTIONS
        found.append((f"{asked:,}", f"{memory_mb(pid)} MB"))
    crowd.close()
    return found


def processor_s(pid: int) -> float:
    """The processor time that the process has had so far, in its own code and in the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> int:
    """What the process holds in memory now."""
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def waiting(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM jobs WHERE state = 'queued'").fetchone()[0])


def fill(file: Path, count: int) -> None:
    """Let `count` jobs of `OWNERS` owners wait: copies of one that waits already."""
    with closing(sqlite3.connect(file, timeout=30)) as database, database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(jobs)")]
        new = {"id": "printf('copy-%09d', number)", "owner": f"printf('owner-%d', number % {OWNERS})"}
        new["queued_at"] = "queued_at + number * 0.001"
        values = ", ".join(new.get(name, name) for name in columns)
        database.execute(
            f"WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?) "  # noqa: S608 - our own names
            f"INSERT INTO jobs ({', '.join(columns)}) SELECT {values} FROM numbers, "
            "(SELECT * FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1)",
            (count - waiting(file),),
        )


def claims(url: str) -> list[float]:
    """Seconds that each of `CLAIMS` claims took, its commit among them."""
    store = JobStore(url)
    took_s = []
    for number in range(CLAIMS):
        began = time.monotonic()
        claim = store.claim(f"w{number}", [CARD.id])
        took_s.append(time.monotonic() - began)
        if claim is None:
            raise RuntimeError("nothing waits")
        store.release(claim)
    store.close()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=30_000, help="after which the door's memory is looked at")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long the steady load lasts")
    parser.add_argument("--posts", type=float, default=50.0, help="videos asked for in a second")
    parser.add_argument("--gets", type=float, default=500.0, help="looks in a second")
    parser.add_argument("--burst", type=int, default=10_000, help="requests at once")
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    record = Record("load", asked)
    with tempfile.TemporaryDirectory(prefix="rushes-load-") as folder:
        data = Path(folder, "data")
        data.mkdir()
        file = data / "jobs.db"
        url = f"sqlite:///{file}"
        with serving(data) as (port, pid):
            asyncio.run(steady(port, 10, 50, 3))  # what is made once, is made before memory is looked at
            with taking(url):
                post_ms, get_ms = asyncio.run(costs_ms(port, pid))
                held = asyncio.run(memory_over(port, pid, asked.requests))
                before_mb = memory_mb(pid)
                ours_s, doors_s = time.process_time(), processor_s(pid)
                posts, gets, lasted_s = asyncio.run(steady(port, asked.posts, asked.gets, asked.minutes * 60))
                ours_s, doors_s = time.process_time() - ours_s, processor_s(pid) - doors_s
                after_mb = memory_mb(pid)
            left = waiting(file)
            flood, flood_s, looks = asyncio.run(burst(port, asked.burst))
            depth, burst_mb = waiting(file), memory_mb(pid)
        rows = [
            posts.row(f"POST, {asked.posts:g}/s asked", lasted_s),
            gets.row(f"GET, {asked.gets:g}/s asked", lasted_s),
            flood.row(f"{asked.burst:,} POSTs at once", flood_s),
            looks.row(f"GET while {depth:,} wait", 10),
        ]
        first = claims(url)
        fill(file, LONG_QUEUE)
        costs = [
            (f"{depth:,} jobs of one owner", *percentiles(first)),
            (f"{waiting(file):,} jobs of {OWNERS + 1} owners", *percentiles(claims(url))),
        ]
    text = "## Under load\n\n" + " ".join((__doc__ or "").split("\n\n")[2].split()) + "\n\n"
    text += f"Steady for {asked.minutes:g} min. Those who ask are on the same cores.\n\n"
    text += table(("", "answers", "rate", "median", "99 in 100 below", "slowest"), rows)
    text += f"\nThe door's processor time for one POST: {post_ms:.1f} ms, for one GET: {get_ms:.1f} ms. "
    text += "Under the steady load it "
    text += f"took {doors_s / lasted_s:.0%} of a core, those who ask {ours_s / lasted_s:.0%}.\n"
    text += f"\nMemory of the door: {before_mb} MB before the steady load, {after_mb} MB after it ({left} then still "
    text += f"waited), {burst_mb} MB after the burst.\n\n"
    text += table(("requests", "memory of the door"), held) + "\n"
    text += table(("a claim from", "median", "99 in 100 below", "slowest"), costs)
    record.keep(text)


if __name__ == "__main__":
    main()
