"""Downloads, against a hub of our own on the loopback that speaks what the hub's client asks for."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from served import REAL
from tiny_wan import TEXT

from rushes.weights.shelf import Shelf

MODEL = "studio/penguins"
OLD, NEW = "0" * 39 + "1", "0" * 39 + "2"
MIB = 1 << 20
BIG = bytes(range(256)) * (25 * MIB // 256)
"""More than two of the pieces in which the client writes (10 MiB): it goes on behind the last one that was whole."""


class Hub(ThreadingHTTPServer):
    """Two commits of a model. `asked` is what came in.

    `cut` ends the next body of the weights after so many bytes; while `shut`, there are none of them, and while
    `reset`, the connection of each is reset in its middle.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, str, str | None]] = []
        self.cut: int | None = None
        self.shut = self.reset = False
        shared = {
            "transformer/model.safetensors": BIG,
            "transformer_full/model.safetensors": BIG[1:],
            "transformer/pytorch_model.bin": b"pickle",
            "README.md": b"---\nlicense: mit\n---\n",
            "malice.py": b"x = 1",
        }
        part = {"transformer": ["diffusers", "Transformer"]}
        self.files = {
            commit: {**shared, "model_index.json": json.dumps({"old": commit == OLD, **part}).encode()}
            for commit in (OLD, NEW)
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path, self.headers.get("Range")))
        if path.startswith(f"/api/models/{MODEL}"):
            if path.endswith("/revision/no-such-tag"):
                self.said({"error": "Invalid rev id"}, 404, {"X-Error-Code": "RevisionNotFound"})
                return
            commit = OLD if OLD in path else NEW
            files = self.server.files[commit]
            if "/tree/" in path:
                self.said([{"type": "file", "path": n, "size": len(b), "oid": digest(b)} for n, b in files.items()])
            else:
                self.said({"id": MODEL, "sha": commit, "siblings": [{"rfilename": name} for name in files]})
            return
        head, _, rest = path.partition("/resolve/")
        commit, _, name = rest.partition("/")
        commit = NEW if commit == "main" else commit
        if head != f"/{MODEL}" or name not in self.server.files.get(commit, {}):
            self.said({"error": "Repository not found"}, 404, {"X-Error-Code": "RepoNotFound"})
            return
        if self.server.shut and body and name.endswith(".safetensors"):
            self.said({"error": "not now"}, 403)
            return
        self.file(self.server.files[commit][name], commit, body=body)

    def file(self, content: bytes, commit: str, *, body: bool) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        piece = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{digest(content)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(piece)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body and self.server.cut is not None and content is BIG:
            piece, self.server.cut = piece[: self.server.cut], None
            self.close_connection = True
        if body and self.server.reset and content is BIG:
            self.wfile.write(piece[: len(piece) // 2])
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif body:
            self.wfile.write(piece)

    def said(self, value: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, word in (headers or {}).items():
            self.send_header(name, word)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    yield hub
    hub.shutdown()
    hub.server_close()
    thread.join()


FETCH = """
import json, sys
from pathlib import Path
from rushes.errors import WrongSetup
from rushes.weights.hub import fetch_snapshot
model, revision, place, offline = json.loads(sys.argv[1])
try:
    folder, commit = fetch_snapshot(model, revision, Path(place), offline=offline)
    print(json.dumps({"folder": str(folder), "commit": commit}))
except WrongSetup as error:
    print(json.dumps({"refused": error.hint}))
"""


def fetched(
    hub: Hub, place: Path, revision: str | None = None, *, offline: bool = False, model: str = MODEL, **env: str
) -> Any:
    """What a fresh process says: the hub's client reads its address once."""
    done = subprocess.run(
        [sys.executable, "-c", FETCH, json.dumps([model, revision, str(place), offline])],
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_ETAG_TIMEOUT": "60", **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout.splitlines()[-1]), "stderr": done.stderr}


def test_a_download_has_what_is_read_and_nothing_that_could_run(hub: Hub, tmp_path: Path) -> None:
    said = fetched(hub, tmp_path)
    assert said["commit"] == NEW
    folder = Path(said["folder"])
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert found == ["README.md", "model_index.json", "transformer/model.safetensors"]
    assert (folder / "transformer/model.safetensors").read_bytes() == BIG
    assert not [path for _, path, _ in hub.asked if path.endswith((".py", ".bin"))]
    assert "%" in said["stderr"], "how far it is, for whoever waits"


def test_a_pinned_commit_is_that_commit_and_both_lie_beside_each_other(hub: Hub, tmp_path: Path) -> None:
    newest, pinned = fetched(hub, tmp_path), fetched(hub, tmp_path, OLD)
    assert (newest["commit"], pinned["commit"]) == (NEW, OLD)
    assert json.loads((Path(pinned["folder"]) / "model_index.json").read_text())["old"]
    weights = [path for verb, path, _ in hub.asked if verb == "GET" and path.endswith(".safetensors")]
    assert len(weights) == 1, "the same bytes are fetched once"


def test_a_connection_that_is_lost_in_the_middle_of_a_file_is_taken_up_again_there(hub: Hub, tmp_path: Path) -> None:
    hub.cut = len(BIG) // 2
    said = fetched(hub, tmp_path)
    assert (Path(said["folder"]) / "transformer/model.safetensors").read_bytes() == BIG
    ranges = [ranged for verb, path, ranged in hub.asked if verb == "GET" and path.endswith(".safetensors")]
    assert ranges == [None, f"bytes={10 * MIB}-"]


def test_given_again_the_command_fetches_the_files_that_are_not_whole_yet(hub: Hub, tmp_path: Path) -> None:
    hub.shut = True
    assert "the same command goes on" in fetched(hub, tmp_path)["refused"]
    hub.shut = False
    hub.asked.clear()
    said = fetched(hub, tmp_path)
    assert (Path(said["folder"]) / "transformer/model.safetensors").read_bytes() == BIG
    bodies = [path for verb, path, _ in hub.asked if verb == "GET" and "/resolve/" in path]
    assert bodies == [f"/{MODEL}/resolve/{NEW}/transformer/model.safetensors"]


def test_a_connection_that_is_reset_is_said_in_our_words(hub: Hub, tmp_path: Path) -> None:
    hub.reset = True
    assert "the same command goes on" in fetched(hub, tmp_path)["refused"]
    hub.reset = False
    assert (Path(fetched(hub, tmp_path)["folder"]) / "transformer/model.safetensors").read_bytes() == BIG


def test_a_revision_that_the_hub_does_not_have_is_named(hub: Hub, tmp_path: Path) -> None:
    said = fetched(hub, tmp_path, "no-such-tag")
    assert said["refused"] == "the hub has no commit, tag or branch no-such-tag of it"


def test_offline_takes_what_was_fetched_and_asks_nobody(hub: Hub, tmp_path: Path) -> None:
    there = fetched(hub, tmp_path)
    hub.asked.clear()
    again = fetched(hub, tmp_path, offline=True)
    assert (again["folder"], again["commit"]) == (there["folder"], NEW)
    assert fetched(hub, tmp_path / "elsewhere", offline=True)["refused"] == "it is not on this disk"
    assert hub.asked == []


def test_a_model_that_the_hub_does_not_have_is_said_in_our_words(hub: Hub, tmp_path: Path) -> None:
    said = fetched(hub, tmp_path, model="studio/walruses")
    assert said["refused"] == "the hub has no such model, or it is private: set HF_TOKEN"


def added(hub: Hub, data: Path, *words: str) -> Any:
    """What `rushes models add` says of a model from the hub, and what is remembered of it."""
    command = [*REAL, "models", "add", "wan2.1-t2v-1.3b", "--from", MODEL, *words, "--data", str(data), "--json"]
    env = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_ETAG_TIMEOUT": "60"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    said = json.loads(done.stdout)
    (entry,) = Shelf(Path(said["folder"]).parents[3]).entries()
    assert (entry.origin, entry.revision, str(entry.folder)) == (said["origin"], said["revision"], said["folder"])
    return said


def test_what_is_added_from_the_hub_is_remembered_with_the_very_commit_that_it_was(
    hub: Hub, tmp_path: Path, tiny_folder: Callable[..., Path]
) -> None:
    whole = tiny_folder(TEXT)
    files = {path.relative_to(whole).as_posix(): path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    hub.files = {commit: {**files, "README.md": f"---\nlicense: mit\n---\n{commit}".encode()} for commit in (OLD, NEW)}
    newest, pinned = added(hub, tmp_path / "newest"), added(hub, tmp_path / "pinned", "--revision", OLD)
    assert (newest["origin"], pinned["origin"]) == (f"{MODEL}@{NEW}", f"{MODEL}@{OLD}")
    for said, commit in ((newest, NEW), (pinned, OLD)):
        assert Path(said["folder"]).name == commit
        assert said["files"] == len(files), "and the hash of each"
