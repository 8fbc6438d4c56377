"""Fills the disk under a job database: `full_disk_program.py FOLDER`, an empty folder on a small disk of its own."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from job_cases import asked

from rushes.errors import JobNotFound, RushesError, Unavailable
from rushes.jobs.store import JobStore

FOLDER = Path(sys.argv[1])
BALLAST = FOLDER / "ballast"
filler = (FOLDER / "filler").open("wb", buffering=0)


class Reserve:
    def require_room(self) -> None:
        if not BALLAST.exists():
            raise Unavailable("no room for another video")

    def release_reserve(self) -> bool:
        there = BALLAST.exists()
        BALLAST.unlink(missing_ok=True)
        return there


def fill() -> None:
    for size in (65536, 4096, 1):
        with suppress(OSError):
            while True:
                filler.write(b"x" * size)


def outcome(store: JobStore, prompt: str) -> str:
    try:
        return store.add("ann", asked(prompt=prompt)).state
    except RushesError as error:
        return error.message


BALLAST.write_bytes(bytes(2 * 2**20))
url = f"sqlite:///{FOLDER / 'jobs.db'}"
bare = JobStore(url, patience_s=2)
jobs = [bare.add("ann", asked(prompt="p" * 20_000)) for _ in range(5)]
fill()
print("bare:", outcome(bare, "q" * 200_000))
bare.close()

store = JobStore(url, patience_s=2, disk=Reserve())
print("cancelled:", store.cancel(jobs[0].id).state)
fill()
print("refused:", outcome(store, "q"))
filler.close()
(FOLDER / "filler").unlink()
store.delete(jobs[1].id)
with suppress(JobNotFound):
    store.get(jobs[1].id)
    print("not deleted")
print("left:", len(store.list("ann")), store.get(jobs[2].id).state)
with store._database._engine.connect() as connection:
    print("integrity:", connection.exec_driver_sql("PRAGMA integrity_check").scalar_one())
store.close()
