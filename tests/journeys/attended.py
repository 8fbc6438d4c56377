"""Workers of the embedded model on tiny weights under a real host, on a data folder that a test looks into."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
from mini_cases import asked
from PIL import Image
from test_restart import eventually

from rushes.catalogue.cards.mini import CARD
from rushes.contract.job import Job, JobState
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest
from rushes.egress.policy import EgressPolicy
from rushes.failpoints import VARIABLE
from rushes.intake.copy import copied_in
from rushes.jobs.host import NAME_VARIABLE, PARENT_VARIABLE, Host
from rushes.jobs.prune import Pruner
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage

HERE = Path(__file__).parent
WORKER = (sys.executable, str(HERE / "mini_on_tiny_weights.py"), "worker")
FINAL = {"succeeded", "failed", "cancelled"}

REQUEST = replace(
    asked(seconds=4.0, fps=12, num_frames=48, width=64, height=36, steps=3),  # two windows of the tiny weights
    revision=CARD.revision,
)
STEPS = 6


class Attended:
    """One data folder, its job database, and hosts with workers on it."""

    def __init__(self, data: Path, weights: Path) -> None:
        self.data = data
        self.data.mkdir(parents=True, exist_ok=True)
        self.store = JobStore(f"sqlite:///{data / 'jobs.db'}")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RUSHES_")},
            "PYTHONPATH": os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "TINY_WEIGHTS": str(weights),
            "RUSHES_DATA": str(data),
            "RUSHES_LEASE_S": "30",
            "RUSHES_CHECKPOINT_EVERY_S": "0",
            "RUSHES_PREVIEW_EVERY_S": "0",  # by the clock, and a put of its own: places could not be counted
        }

    @contextmanager
    def hosted(self, failpoint: str = "", count: int = 1, **environment: str) -> Iterator[Host]:
        """A host whose workers have `failpoint` armed."""
        armed = {VARIABLE: failpoint} if failpoint else {}
        host = Host(
            self.store,
            WORKER,
            count=count,
            environment={**self.environment, **armed, **environment},
            grace_s=30.0,
            tick_s=0.3,
        )
        host.start()
        try:
            yield host
        finally:
            host.stop()

    @contextmanager
    def alone(self, name: str, failpoint: str = "", **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """One worker whose host is frozen with its machine: nobody but others takes back its job, by its lease."""
        by_a_host = {NAME_VARIABLE: name, PARENT_VARIABLE: "1"}
        with self._program(failpoint, {**by_a_host, **environment}) as program:
            yield program

    @contextmanager
    def by_hand(self, failpoint: str = "", **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """`rushes worker`, as a person starts it."""
        with self._program(failpoint, environment) as program:
            yield program

    @contextmanager
    def _program(self, failpoint: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        armed = {VARIABLE: failpoint} if failpoint else {}
        program = subprocess.Popen(WORKER, env={**self.environment, **armed, **environment}, stdin=subprocess.PIPE)
        assert program.stdin is not None
        try:
            yield program
        finally:
            program.send_signal(signal.SIGCONT)
            program.terminate()
            try:
                program.wait(60)
            finally:
                program.kill()
                program.stdin.close()

    def stands(self, mark: Path) -> bool:
        """Whether the process that left `mark` at a failpoint is stopped there: it leaves it a moment before."""
        pid = mark.read_text() if mark.exists() else ""
        return bool(pid) and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def ask(self, request: ResolvedRequest = REQUEST, **more: int) -> Job:
        return self.store.add("ann", request, **more)

    def with_picture(self) -> ResolvedRequest:
        """A request whose film begins with a picture, which lies in the storage of inputs."""
        data = io.BytesIO()
        Image.linear_gradient("L").convert("RGB").save(data, "PNG")
        picture = FrameImage(f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}", 0)
        asked = replace(REQUEST, media=Media(frame_images=(picture,)))
        return copied_in(asked, CARD, LocalStorage(self.data / "inputs"), EgressPolicy())[0]

    def let_leases_run_out(self) -> None:
        """As if the time had gone by. A short lease would not do for workers that are stopped: their hearts beat often,
        and one stopped in the middle of a beat holds the only write lock of SQLite.
        """
        connection = sqlite3.connect(self.data / "jobs.db", timeout=60)
        with connection:
            connection.execute("UPDATE jobs SET lease_until = 1 WHERE state = 'running'")
        connection.close()

    def ended(self, job: Job, within_s: float = 120.0) -> Job:
        return eventually(lambda: (now := self.store.get(job.id)).state.final and now, within_s)

    def types(self, job: Job) -> list[str]:
        return [event.type for event in self.store.events(job.id) if event.type != "progress"]

    def first_steps(self, job: Job) -> dict[int, int]:
        """Attempt → the first denoising step that it told of; attempts that told of none are not there."""
        first: dict[int, int] = {}
        for event in self.store.events(job.id):
            if event.type == "progress" and event.data["stage"] == "denoising":
                first.setdefault(event.attempt, event.data["step"])
        return first

    def files(self, room: str) -> list[str]:
        folder = self.data / room
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def insist_on_one_outcome(self, job: Job, sha256: str) -> Job:
        """The job has succeeded, once; its one file is whole, decodes, and has these bytes."""
        now = self.store.get(job.id)
        assert now.state is JobState.SUCCEEDED, now.error
        assert now.artifact is not None
        assert [type for type in self.types(job) if type in FINAL] == ["succeeded"]
        assert self.types(job)[-1] == "succeeded", "nothing is written behind the end"
        path = self.data / "artifacts" / now.artifact.key
        content = path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == now.artifact.sha256 == sha256
        assert len(content) == now.artifact.size_bytes
        with av.open(str(path)) as film:
            assert sum(1 for _ in film.decode(video=0)) == now.artifact.num_frames
        assert now.checkpoint is None
        return now

    def insist_on_no_leftovers(self, orphans: int = 0) -> None:
        """Every file has a row that names it, but for so many `orphans`; half-written ones, nobody has."""
        files = {name for room in ("artifacts", "checkpoints") for name in self.files(room)}
        halves = {name for name in files if name.endswith(".part")}
        unknown = self.store.unknown_keys(files - halves)
        assert len(halves | unknown) <= orphans, (halves, unknown)
        assert self.unfinished() == []

    def sweep_two_hours_later(self) -> None:
        """What the server's pruner does, once every file is two hours old."""
        rooms = {room: LocalStorage(self.data / room) for room in ("artifacts", "checkpoints")}
        long_ago = time.time() - 7200
        for room in rooms:
            for name in self.files(room):
                os.utime(self.data / room / name, (long_ago, long_ago))
        Pruner(self.store, artifacts=rooms["artifacts"], checkpoints=rooms["checkpoints"]).sweep()

    def unfinished(self) -> list[str]:
        """Files that a worker was at."""
        scratch = [path.name for path in (self.data / "scratch").rglob("*") if path.is_file()]
        return [name for name in scratch if not name.endswith(".lock")]

    def close(self) -> None:
        self.store.close()
