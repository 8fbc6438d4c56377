"""The corpus, made once, and what became of every file of it: opened by the real decode child, in this process."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from foreign_cases import corners, film

from rushes.errors import MediaRefused
from rushes.media import decode

HERE = Path(__file__).parent
GOLDEN: dict[str, Any] = json.loads((HERE / "golden.json").read_text("utf-8"))

OPENERS: dict[str, Callable[[bytes], Any]] = {
    "images": decode.decode_image,
    "videos": decode.decode_video,
    "tricks": decode.decode_video,
    "sounds": decode.decode_audio,
}


@dataclass
class Outcome:
    """Of the whole corpus: what each file became, what it said, and what it did to this machine."""

    found: dict[str, Any] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    grown_bytes: int = 0
    descriptors: tuple[int, int] = (0, 0)
    left_on_disk: list[str] = field(default_factory=list)
    children: str = ""


@dataclass
class Canary:
    """Things that a file may name and nobody may touch: a server that counts, and a video beside the corpus."""

    url: str
    file: Path
    hits: list[str]


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    hits: list[str] = []

    class Counting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    file = tmp_path_factory.mktemp("canary") / "canary.mp4"
    file.write_bytes(film([corners(20, 10)] * 3))
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Canary(f"http://127.0.0.1:{server.server_port}", file, hits)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, canary: Canary) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    command = [sys.executable, str(HERE / "corpus.py"), str(folder)]
    command += ["--canary-url", canary.url, "--canary-file", str(canary.file)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="session")
def outcome(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    scratch = tmp_path_factory.mktemp("scratch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(scratch))
        patch.chdir(scratch)
        decode.close()  # the next warm process stands in `scratch`, and writes there if it writes anywhere
        decode.walls()
        gc.collect()  # what an earlier test has left open may be closed at any time, and its memory given back
        before = _descriptors()
        started_bytes = _peak_bytes(anew=True)
        result = Outcome()
        for path in sorted(path for path in corpus.rglob("*") if path.is_file()):
            name = str(path.relative_to(corpus))
            try:
                found = OPENERS[path.parent.name](path.read_bytes())
            except MediaRefused as refused:
                result.found[name], result.said[name] = refused.code, str(refused)
            else:
                result.found[name] = shape(found)
                del found
        result.grown_bytes = _peak_bytes() - started_bytes
        result.descriptors = (before, _descriptors())
        result.left_on_disk = sorted(str(path.relative_to(scratch)) for path in scratch.rglob("*"))
        result.children = children_of_the_warm_process()
        decode.close()
    return result


def shape(found: Any) -> dict[str, Any]:
    """What came out of a file, in a form that a table can hold."""
    if isinstance(found, decode.Picture):
        return {"image": list(found.rgb_HWC.shape)}
    if isinstance(found, decode.Clip):
        return {"video": list(found.frames_THWC.shape), "until_s": round(float(found.times_s[-1]), 3)}
    return {"samples": len(found.samples), "rate_hz": found.rate_hz}


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _peak_bytes(*, anew: bool = False) -> int:
    """The most memory this process ever held; `anew` counts from now."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def children_of_the_warm_process() -> str:
    zygote = decode._decoder._zygote
    assert zygote is not None
    return Path(f"/proc/{zygote.pid}/task/{zygote.pid}/children").read_text("ascii")
