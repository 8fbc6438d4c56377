"""A server with a full disk: it says so, goes on answering, and goes on working when there is room again.

Each disk is a small one of its own, in a mount namespace that nobody else sees.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from doors import PATIENCE_S, Doors
from test_restart import HERE, QUICK, Served, eventually, free_port

MIB = 1 << 20
DISK_BYTES = 192 * MIB  # room for the ballast, too
LOW_WATER_BYTES = 8 * MIB
SLOW = {**QUICK, "prompt": "slow 0.3", "steps": 50}
PRIVATE = ("unshare", "--mount")


def may_mount() -> bool:
    return (
        shutil.which("unshare") is not None and subprocess.run([*PRIVATE, "true"], capture_output=True).returncode == 0
    )


class OnSmallDisk(Served):
    """`rushes serve` that alone sees the small disk which is mounted on `disk`."""

    def __init__(self, data: Path, disk: Path, **environment: str) -> None:
        port = free_port()
        disk.mkdir(parents=True, exist_ok=True)
        script = f'mount -t tmpfs -o size={DISK_BYTES} small "$0" && exec "$@"'
        serve = [sys.executable, str(HERE / "small_rushes.py"), "serve", "--port", str(port), "--data", str(data)]
        paths = os.pathsep.join([str(HERE.parent / "unit"), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.log = data.with_suffix(".log").open("a")
        self.process = subprocess.Popen(
            [*PRIVATE, "sh", "-c", script, str(disk), *serve, "--no-auth"],
            env={**os.environ, "PYTHONPATH": paths, "RUSHES_LOW_WATER_BYTES": str(LOW_WATER_BYTES), **environment},
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)

    def seen(self, path: Path) -> Path:
        """`path` as the server sees it, from here."""
        return Path(f"/proc/{self.process.pid}/root{path}")


class SeenThroughProc(Doors):
    """SQLite would follow the link in /proc out of the server's namespace, so it is given a copy to read."""

    @contextmanager
    def rows(self) -> Iterator[sqlite3.Connection]:
        with TemporaryDirectory() as folder:
            for name in ("jobs.db", "jobs.db-wal"):
                if (self.data / name).exists():
                    Path(folder, name).write_bytes((self.data / name).read_bytes())
            connection = sqlite3.connect(Path(folder, "jobs.db"))
            connection.row_factory = sqlite3.Row
            try:
                yield connection
            finally:
                connection.close()


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    if not may_mount():
        pytest.skip("no mount of one's own is allowed here, or there is no unshare")
    made = SeenThroughProc(tmp_path / "data")
    yield made
    made.leave()


def fill(path: Path) -> None:
    """Take all that is free at this moment, in one piece: what is given up for others later is left to them."""
    with path.open("wb") as file:
        left = os.statvfs(path.parent)
        free_bytes = left.f_bavail * left.f_frsize
        while free_bytes > 0:
            try:
                return os.posix_fallocate(file.fileno(), 0, free_bytes)
            except OSError:  # somebody else has taken some of it
                free_bytes -= 4096


@pytest.mark.parametrize("room", ["", "artifacts", "scratch", "checkpoints"])
def test_full(doors: Doors, tmp_path: Path, figure: Callable[[str, object], None], room: str) -> None:
    disk = tmp_path / "data" / room
    served = doors.now = OnSmallDisk(tmp_path / "data", disk, RUSHES_CHECKPOINT_EVERY_S="0")
    doors.ready()
    doors.data = served.seen(tmp_path / "data")
    before = served.ask(QUICK)
    doors.completed(before)
    running = served.ask(SLOW)
    eventually(lambda: served.video(running)["step"] >= 1, PATIENCE_S)
    filler = served.seen(disk) / "filler"
    fill(filler)

    codes = set()
    for number in range(5):
        reply = served.client.post("/v2/videos", json=QUICK, headers={"idempotency-key": f"full-{number}"})
        codes.add(reply.status_code)
        if reply.status_code == 503:
            assert 1 <= int(reply.headers["retry-after"]) <= 60
            assert reply.json()["error"]["message"]
    assert codes <= {200, 503}
    assert served.client.get("/v2/videos").status_code == 200, "what is there can be looked at"
    assert served.client.get(served.video(before)["outputs"]["video_url"]).status_code == 200
    assert served.client.post(f"/v2/videos/{running}/cancel").status_code == 200, "and given up"
    ended = eventually(lambda: (seen := served.video(running))["status"] != "in_progress" and seen, PATIENCE_S)
    assert ended["status"] == "failed"

    filler.unlink()
    id = doors.insisted(QUICK, "full-0").json()["id"]
    doors.completed(id)  # also where it was taken before anybody noticed, and there was no room for its file at first
    doors.completed(doors.insisted(QUICK, "room again").json()["id"])
    eventually(lambda: all(served.video(one)["status"] != "in_progress" for one in doors.ids()), PATIENCE_S)
    counts = doors.insist_on_promises()
    figure(f"{room or 'everything'} on a full disk", f"answers {sorted(codes)}; {counts}")


def test_a_video_that_found_no_room_for_its_file_is_finished_when_there_is(
    doors: Doors, tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    disk = tmp_path / "data" / "artifacts"
    served = doors.now = OnSmallDisk(tmp_path / "data", disk, RUSHES_LOW_WATER_BYTES="0")
    doors.ready()
    doors.data = served.seen(tmp_path / "data")
    filler = served.seen(disk) / "filler"
    fill(filler)
    id = doors.insisted(QUICK, "no room").json()["id"]
    assert set(eventually(lambda: doors.setbacks(id), PATIENCE_S)) == {"storage_unavailable"}
    filler.unlink()
    doors.completed(id)
    assert doors.insist_on_promises()["succeeded"] == 1
    figure("a video that found no room", f"finished after {len(doors.setbacks(id))} attempts without")
