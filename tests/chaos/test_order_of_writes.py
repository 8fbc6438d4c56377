"""What a power cut may take: nothing that was promised, since each thing is on the disk before it is spoken of.

No power is cut here. strace writes down what a real server and its worker ask of the system, and what is to be durable
has been synced, with its answer, before the next thing begins that relies on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from doors import Doors, family
from straced import traced
from test_restart import QUICK

SEEN = "trace=pwrite64,fdatasync,fsync,rename,write,sendto,sendmsg,writev"
LOG_OF_THE_DATABASE = "jobs.db-wal>"
UNFINISHED = "<unfinished ...>"


@dataclass
class Call:
    """One call as strace shows it, and the lines of the log in which it began and was answered."""

    text: str
    began: int
    answered: int

    def is_a(self, kind: str, *has: str) -> bool:
        return self.text.startswith(f"{kind}(") and all(part in self.text for part in has)


def calls_in(log: Path) -> list[Call]:
    calls: list[Call] = []
    under_way: dict[str, Call] = {}
    for number, line in enumerate(log.read_text("utf-8", errors="replace").splitlines()):
        thread, _, text = line.partition(" ")
        text = text.strip()
        if text.startswith("<..."):
            if thread in under_way:
                under_way.pop(thread).answered = number
            continue
        calls.append(Call(text.removesuffix(UNFINISHED).rstrip(), number, number))
        if text.endswith(UNFINISHED):
            under_way[thread] = calls[-1]
    return calls


def test_a_call_that_another_came_in_between_is_read_as_one(tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    log.write_text(
        '11 rename("/a/x", "/a/y" <unfinished ...>\n12 fsync(3</a>) = 0\n11 <... rename resumed>) = 0\n', "utf-8"
    )
    assert calls_in(log) == [Call('rename("/a/x", "/a/y"', 0, 2), Call("fsync(3</a>) = 0", 1, 1)]


@pytest.fixture
def doors(tracing: None, tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "data")
    yield made
    made.leave()


def test_what_is_spoken_of_is_durable(doors: Doors, tmp_path: Path, figure: Callable[[str, object], None]) -> None:
    doors.open(RUSHES_LEASE_S="30", RUSHES_CHECKPOINT_EVERY_S="0")
    served = doors.ready()
    doors.completed(served.ask(QUICK))
    log = tmp_path / "calls.log"
    with traced(family(served.process.pid), log, "-y", "-s", "5000", "-e", SEEN):
        id = served.ask(QUICK)
        doors.completed(id)
    calls = calls_in(log)

    def following(earlier: int, what: str, kind: str, *has: str) -> Call:
        """The first call of this kind that began when line `earlier` was written."""
        found = next((call for call in calls if call.began > earlier and call.is_a(kind, *has)), None)
        assert found is not None, f"never seen: {what}"
        return found

    def first(what: str, kinds: tuple[str, ...], *has: str) -> Call:
        found = next((call for call in calls if any(call.is_a(kind, *has) for kind in kinds)), None)
        assert found is not None, f"never seen: {what}"
        return found

    told = first("the id is told", ("write", "sendto", "sendmsg", "writev"), "socket:", f'\\"id\\":\\"{id}')
    row = first("the row of the job", ("pwrite64",), LOG_OF_THE_DATABASE, id)
    synced = following(row.answered, "the log of the database is synced", "fdatasync", LOG_OF_THE_DATABASE)
    assert synced.answered < told.began, "an id goes out when its row is durable"

    named = 0
    for room in ("checkpoints", "artifacts"):
        for rename in [call for call in calls if call.is_a("rename", f"/{room}/{id}.")]:
            beside, target = (part.strip('"') for part in rename.text.partition("(")[2].partition(")")[0].split(", "))
            whole = first(f"{beside} is synced", ("fsync",), f"<{beside}>")
            assert whole.answered < rename.began, "the bytes are durable before the name"
            folder = following(rename.answered, f"the folder of {target} is synced", "fsync", f"/{room}>")
            pointer = first(f"{target} is named", ("pwrite64",), LOG_OF_THE_DATABASE, Path(target).name)
            assert folder.answered < pointer.began, "the name is durable before the row says it"
            following(pointer.answered, "the row that names it is synced", "fdatasync", LOG_OF_THE_DATABASE)
            named += 1
    assert named >= 3, "checkpoints and the film"
    figure("order", f"{len(calls)} calls of one video: its row before its id, {named} files before their rows")
