"""The system refuses to write, in the middle of SQLite or of a file's way into storage: EIO and ENOSPC from below.

strace answers the chosen calls of a running server, its host and its workers in the system's place. What was not
written is then not there, as with a failing disk; what could be written before is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from doors import PATIENCE_S, Doors, family
from long_forms import LONG
from straced import traced
from test_restart import QUICK, Served, eventually

OF_THE_DATABASE = {"fdatasync": "EIO", "pwrite64": "ENOSPC"}
OF_FILES = {"fsync": "EIO", "rename": "ENOSPC"}
CALLS = OF_THE_DATABASE | OF_FILES
"""Who makes which: SQLite writes and syncs by the first two; the storage of artifacts and checkpoints by the others."""

NTH = range(1, 21) if LONG else (2,)
RUNNING = {**QUICK, "prompt": "slow 0.2", "steps": 20}


@contextmanager
def refused(pids: list[int], call: str, error: str, when: str, log: Path) -> Iterator[None]:
    """While this runs, `call` fails with `error` in these processes and in those that they start.

    `when`  which calls of each thread: "3" the third alone, "1+" all of them.
    """
    with traced(pids, log, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"):
        yield


@pytest.fixture
def doors(tracing: None, tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "data")
    yield made
    made.leave()


def insist_on_envelope(reply: httpx.Response) -> None:
    if reply.status_code == 503:
        assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert reply.json()["error"]["message"]


def open_door(doors: Doors) -> tuple[Served, list[int]]:
    """A server that has made a video, with its host's workers."""
    doors.open(RUSHES_LEASE_S="30", RUSHES_CHECKPOINT_EVERY_S="0")
    served = doors.ready()
    doors.completed(served.ask(QUICK))
    return served, family(served.process.pid)


def close_and_insist(doors: Doors, promised: set[str]) -> dict[str, int]:
    """Killed, so that nothing is put right in good order; then what was promised is there and all of it has ended."""
    doors.kill()
    doors.open()
    doors.ready()
    assert promised <= set(doors.ids())
    for id in doors.ids():
        doors.completed(id)
    doors.close()
    return doors.insist_on_promises()


def test_while_nothing_can_be_written_nothing_is_promised(
    doors: Doors, tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    served, pids = open_door(doors)
    promised: set[str] = set()
    for call, error in CALLS.items():
        log = tmp_path / f"{call}.log"
        running = served.ask(RUNNING)
        eventually(lambda one=running: served.video(one)["step"] >= 1, PATIENCE_S)
        codes: Counter[int] = Counter()
        with refused(pids, call, error, "1+", log):
            for number in range(2):
                key = f"{call}-{number}"
                reply = served.client.post("/v2/videos", json=QUICK, headers={"idempotency-key": key})
                codes[reply.status_code] += 1
                insist_on_envelope(reply)
                if reply.status_code == 200:
                    promised.add(reply.json()["id"])
            assert served.client.get("/v2/videos").status_code == 200, "what is there can be looked at"
            if call in OF_FILES:  # there is no video without its file; it is put off, and not lost
                codes_of = eventually(lambda one=running: doors.setbacks(one), PATIENCE_S)
                assert set(codes_of) == {"storage_unavailable"}
            assert served.video(running)["status"] == "in_progress"
        assert "(INJECTED)" in log.read_text()
        assert set(codes) == ({503} if call in OF_THE_DATABASE else {200}), (call, codes)
        times = log.read_text().count("(INJECTED)")
        # With the same key, because whether a write that was reported as failed got through, nobody knows.
        again = [doors.insisted(QUICK, f"{call}-{number}").json()["id"] for number in range(2)]
        assert len(set(again)) == 2
        promised |= {running, *again}
        for id in (running, *again):
            doors.completed(id)
        doors.completed(doors.insisted(QUICK, f"{call}-well again").json()["id"])
        figure(f"every {call}: {error}", f"{times} refused; answers {dict(codes)}; then 3 of 3 made")
    close_and_insist(doors, promised)


def test_one_refused_call_in_each_thread_loses_no_video(
    doors: Doors, tmp_path: Path, figure: Callable[[str, object], None]
) -> None:
    _, pids = open_door(doors)
    promised: set[str] = set()
    times = 0
    for call, error in CALLS.items():
        for nth in NTH:
            log = tmp_path / f"{call}-{nth}.log"
            with refused(pids, call, error, str(nth), log):
                ids = [doors.insisted(QUICK, f"{call}-{nth}-{number}").json()["id"] for number in range(2)]
                for id in ids:
                    doors.completed(id)
            promised.update(ids)
            times += log.read_text().count("(INJECTED)")
    assert len(promised) == 2 * len(CALLS) * len(NTH)
    assert times >= len(CALLS)
    counts = close_and_insist(doors, promised)
    figure(f"call {NTH[0]} to {NTH[-1]} of each thread, each alone", f"{times} refused; {counts}")
