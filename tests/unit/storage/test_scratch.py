"""A process's folder for unfinished files stays as long as the process, and no longer than the next one's start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushes.errors import Unavailable, WrongSetup
from rushes.storage.local import LONGEST_PUT_S, LocalStorage
from rushes.storage.scratch import BOOT_ID, own_scratch

WORK = """
import sys, time
from pathlib import Path
from rushes.storage.scratch import own_scratch
folder = own_scratch(Path(sys.argv[1]), sys.argv[2])
(folder / "clip.partial").write_bytes(b"half a film")
print(folder, flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_left_goes_at_the_next_start_and_what_a_living_one_has_stays(tmp_path: Path) -> None:
    root = tmp_path / "scratch"
    workers = [
        subprocess.Popen([sys.executable, "-c", WORK, str(root), name], stdout=subprocess.PIPE, text=True)
        for name in ("first", "second")
    ]
    ended: list[str] = []
    try:
        folders = [Path(worker.stdout.readline().strip()) for worker in workers if worker.stdout]
        mine = own_scratch(root, "mine", ended.append)
        assert ended == []
        assert all((folder / "clip.partial").exists() for folder in folders)
        assert len({mine, *folders}) == 3

        os.kill(workers[0].pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        workers[0].wait(timeout=120)
        assert folders[0].exists()
        own_scratch(root, "another", ended.append)
        assert ended == (["first"] if BOOT_ID.exists() else [])
        assert not folders[0].exists()
        assert not folders[0].with_suffix(".lock").exists()
        assert (folders[1] / "clip.partial").exists()
        assert mine.exists()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(timeout=120)
            if worker.stdout:
                worker.stdout.close()


@pytest.mark.parametrize(
    "said", ['{"owner": "far", "boot": "of another kernel"}', '{"owner": "old", "boot": ""}', "{}", "[]", "", "\xff"]
)
def test_of_whom_another_kernel_or_nobody_knew_nothing_is_told(tmp_path: Path, said: str) -> None:
    left = tmp_path / "aa.lock"
    left.write_text(said, "latin-1")
    ended: list[str] = []
    own_scratch(tmp_path, "mine", ended.append)
    assert ended == []
    assert not left.exists()


@pytest.mark.skipif(not BOOT_ID.exists(), reason="this system has no name for its start")
def test_an_end_that_could_not_be_told_is_told_to_the_next(tmp_path: Path) -> None:
    left = tmp_path / "aa.lock"
    left.write_text(json.dumps({"owner": "dead", "boot": BOOT_ID.read_text("ascii").strip()}))

    def away(_owner: str) -> None:
        raise Unavailable("the job database cannot be reached")

    with pytest.raises(Unavailable):
        own_scratch(tmp_path, "first", away)
    ended: list[str] = []
    own_scratch(tmp_path, "second", ended.append)
    assert ended == ["dead"]
    assert not left.exists()


def test_what_nobody_ever_held_goes_too(tmp_path: Path) -> None:
    (tmp_path / "tmp1234").mkdir()
    (tmp_path / "tmp1234" / "clip").write_bytes(b"film")
    (tmp_path / "stray").write_bytes(b"film")
    mine = own_scratch(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [mine.name, f"{mine.name}.lock"]


def test_many_that_start_at_once_all_get_a_folder_of_their_own(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from rushes.storage.scratch import own_scratch\n"
    program += "for _ in range(30): folder = own_scratch(Path(sys.argv[1])); assert folder.is_dir()\n"
    program += "print(folder.is_dir())"
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [worker.communicate(timeout=180)[0] for worker in started] == ["True\n"] * 4


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WrongSetup, match="for unfinished files cannot be made"):
        own_scratch(tmp_path / "file")


def test_a_half_put_file_goes_once_it_is_old(tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path)
    old, fresh, finished = (tmp_path / name for name in (".aa.part", ".bb.part", "clip.mp4"))
    long_ago = time.time() - LONGEST_PUT_S - 60
    for path in (old, fresh, finished):
        path.write_bytes(b"film")
    for path in (old, finished):
        os.utime(path, (long_ago, long_ago))
    storage.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".bb.part", "clip.mp4"]
