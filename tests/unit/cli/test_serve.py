"""`rushes serve`: up quickly, plain about how to reach it, gone without a trace."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cli_cases import PATIENCE_S, TINY, rushes, started, wait_until

from rushes.cli.doorkeeper import listener, reachable

BODY = {"model": TINY, "prompt": "a canary sings", "width": 96, "height": 64, "seconds": "1", "fps": 15}


class Server:
    """A `rushes serve` that has said that it is ready."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.process = started(folder, "serve", "--port", "0", *flags)
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        self.banner = "".join(lines)
        found = re.search(r"ready on (http://\S+)", self.banner)
        if found is None:
            raise AssertionError(self.banner + (self.process.communicate()[1] or ""))
        self.url = found[1]
        key = re.search(r"rushes_\S{40,}", self.banner)
        self.key = key[0] if key else None

    def ask(self, verb: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return httpx.request(verb, self.url + path, headers=headers, timeout=60, **more)

    def finished(self, id: str) -> dict[str, Any]:
        job: dict[str, Any] = {}

        def done() -> bool:
            job.update(self.ask("GET", f"/v2/videos/{id}").json())
            return job["status"] != "in_progress"

        wait_until(done, f"the end of job {id}")
        return job

    def children(self) -> list[int]:
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        return [int(pid) for pid in listed.stdout.split()]

    def stop(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Exit code and everything said on stderr."""
        os.kill(self.process.pid, number)
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*flags: str) -> Server:
        servers.append(Server(tmp_path, *flags))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)
        for pipe in (server.process.stdout, server.process.stderr):
            if pipe is not None:
                pipe.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_makes_a_video_and_ctrl_c_leaves_no_process_behind(serve: Callable[..., Server]) -> None:
    server = serve()
    assert httpx.get(f"{server.url}/health").status_code == 200
    assert server.ask("POST", "/v2/videos", json=BODY | {"model": "nobody/nothing"}).status_code == 404
    job = server.finished(server.ask("POST", "/v2/videos", json=BODY).json()["id"])
    assert job["status"] == "completed", job
    assert httpx.get(job["outputs"]["video_url"]).headers["content-type"] == "video/mp4"
    assert httpx.get(job["outputs"]["video_url"].replace(".mp4", ".webm")).status_code == 404

    workers = server.children()
    assert workers
    code, said = server.stop()
    assert code == 0, said
    assert "Traceback" not in said
    secret = job["outputs"]["video_url"].rpartition("/")[2].removesuffix(".mp4")
    assert secret not in said
    assert not any(alive(pid) for pid in workers)


def test_ctrl_c_in_a_terminal_reaches_every_process_and_still_ends_cleanly(serve: Callable[..., Server]) -> None:
    server = serve("--no-auth")
    wait_until(server.children, "a worker")
    os.killpg(server.process.pid, signal.SIGINT)
    _, said = server.process.communicate(timeout=PATIENCE_S)
    assert server.process.returncode == 0, said
    assert said == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_polite_kill_ends_it_too_and_so_does_the_end_of_the_terminal(
    number: int, serve: Callable[..., Server]
) -> None:
    code, said = serve("--no-auth").stop(number)
    assert (code, said) == (0, "")


def test_it_tells_each_client_its_base_url_and_shows_the_key_at_the_first_start_only(
    serve: Callable[..., Server],
) -> None:
    server = serve()
    assert f"together 3.x (Python)                         base_url={server.url}\n" in server.banner
    assert f"base_url={server.url}/v2" in server.banner
    assert server.key is not None
    server.stop()
    assert serve().key is None


def test_keys_can_be_added_while_it_runs(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    made = json.loads(rushes(tmp_path, "keys", "create", "--owner", "ann", "--json").stdout)
    assert made["owner"] == "ann"
    job = server.ask("POST", "/v2/videos", json=BODY).json()
    theirs = httpx.get(f"{server.url}/v2/videos/{job['id']}", headers={"Authorization": f"Bearer {made['key']}"})
    assert theirs.status_code == 404  # somebody else's
    assert httpx.get(f"{server.url}/v2/videos/{job['id']}").status_code == 401


def test_jobs_lists_what_was_asked_for(serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve()
    job = server.finished(server.ask("POST", "/v2/videos", json=BODY).json()["id"])
    (row,) = json.loads(rushes(tmp_path, "jobs", "--json").stdout)["jobs"]
    assert (row["id"], row["state"], row["prompt"]) == (job["id"], "succeeded", BODY["prompt"])
    table = rushes(tmp_path, "jobs").stdout
    assert job["id"] in table
    assert "succeeded" in table


def test_a_hosted_id_is_served_as_told(serve: Callable[..., Server]) -> None:
    server = serve("--no-auth", "--serve-as", f"minimax/hailuo-02={TINY}")
    assert "minimax/hailuo-02 (made by test/tiny)" in server.banner
    job = server.ask("POST", "/v2/videos", json={"model": "minimax/hailuo-02", "prompt": "a canary sings"}).json()
    assert job["made_by"] == TINY


def test_a_hosted_id_that_no_request_can_meet_is_served_with_a_warning(serve: Callable[..., Server]) -> None:
    server = serve("--no-auth", "--serve-as", f"Wan-AI/wan2.7-r2v={TINY}")
    assert "warning  every request will be refused: Wan-AI/wan2.7-r2v needs media." in server.banner
    refusal = server.ask("POST", "/v2/videos", json={"model": "Wan-AI/wan2.7-r2v", "prompt": "a canary sings"})
    assert refusal.json()["error"]["code"] == "unsupportedParameter"


def test_a_port_that_is_taken_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = rushes(tmp_path, "serve", "--port", str(port))
    assert done.returncode == 2
    assert f"rushes: port: this cannot be used here; given {port}, which something already" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "::1", "::"])
def test_the_address_that_is_told_is_one_that_answers(host: str) -> None:
    if ":" in host:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("no IPv6 here")
    with listener(host, 0) as listening:
        told = reachable(host).strip("[]")
        socket.create_connection((told, listening.getsockname()[1]), timeout=60).close()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--no-auth", "--host", "0.0.0.0"), "auth: "),
        (("--serve-as", "minimax/hailuo-02"), "serve_as: "),
        (("--serve-as", "nobody/nothing=rushes/mini"), "serve_as: "),
        (("--host", "no.such.host.invalid"), "host: "),
        (("--host", "a..b"), "host: "),
        (("--host", "a" * 64), "host: "),
        (("--host", "192.0.2.1"), "host: "),
        (("--port", "70000"), "port: "),
        (("--public-url", "videos.example.org"), "public_url: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_what_cannot_be_served_is_refused_at_the_start(flags: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = rushes(tmp_path, "serve", "--port", "0", *flags)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"rushes: {said}")
    assert done.stderr.count("\n") == 1


def test_the_workers_go_even_when_the_server_is_killed_outright(serve: Callable[..., Server]) -> None:
    server = serve("--no-auth")
    wait_until(server.children, "a worker")
    workers = server.children()
    server.stop(signal.SIGKILL)
    wait_until(lambda: not any(alive(pid) for pid in workers), "the end of the workers")
