"""How a command ends: errors in one line and one exit code, signals heard or left alone."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli_cases import PROGRAM, SMALL, environment
from typer.testing import CliRunner

from rushes.cli.app import app
from rushes.cli.exits import BAD_REQUEST, FAILED, INTERRUPTED, explained


def test_a_file_that_the_system_refuses_is_one_line_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, explained():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "cat.png")
    assert ended.value.exit_code == BAD_REQUEST
    assert capsys.readouterr() == ("", "rushes: cat.png: Permission denied\n")


def test_a_full_disk_is_no_fault_of_whoever_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, explained(as_json=True):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/videos/a.mp4")
    assert ended.value.exit_code == FAILED
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["message"]) == ("storage_unavailable", "/videos/a.mp4: No space left on device")


@pytest.mark.parametrize(
    "line", [("keys", "remove"), ("keys", "create", "--owner"), ("jobs", "--owner"), ("jobs", "watch")], ids=" ".join
)
def test_what_is_typed_in_another_coding_is_refused_in_one_line(tmp_path: Path, line: tuple[str, ...]) -> None:
    data = ("--data", str(tmp_path))
    CliRunner().invoke(app, ["keys", "create", *data])
    done = CliRunner().invoke(app, [*line, os.fsdecode(b"J\xe4nner"), *data])
    assert (done.exit_code, done.stdout) == (BAD_REQUEST, "")
    assert done.stderr == "rushes: what was given is no text in UTF-8: \\udce4 at character 1\n"


def test_the_variable_lets_the_systems_own_errors_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_DEBUG", "1")
    with pytest.raises(PermissionError), explained():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "cat.png")


def test_ctrl_c_at_a_question_ends_as_it_does_anywhere() -> None:
    with pytest.raises(typer.Exit) as ended, explained():
        raise typer.Abort  # what the prompt makes of it
    assert ended.value.exit_code == INTERRUPTED


def test_what_was_started_to_outlive_its_terminal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with explained():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_heard_as_before_once_the_command_is_done() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with explained():
        assert signal.getsignal(signal.SIGHUP) not in (signal.SIG_DFL, signal.SIG_IGN)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def run(folder: Path, encoding: str, *arguments: str | bytes) -> subprocess.CompletedProcess[bytes]:
    env = environment(folder / "data") | {"PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, PROGRAM, *arguments], cwd=folder, env=env, capture_output=True, timeout=180)


def test_a_terminal_without_our_signs_shows_question_marks_in_their_place(tmp_path: Path) -> None:
    done = run(tmp_path, "ascii:strict", "doctor", "--port", "0")
    assert done.stdout.startswith(b"? python"), done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are no mere bytes")
def test_the_name_of_a_file_may_be_any_bytes_and_comes_out_as_it_is(tmp_path: Path) -> None:
    name = b"caf\xe9.mp4"
    done = run(tmp_path, "utf-8:strict", "generate", "a canary sings", "-o", name, *SMALL)
    assert (done.returncode, done.stdout) == (0, name + b"\n"), done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_output_that_cannot_be_written_is_said_beside_it(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, PROGRAM, "models", "--json"],
            env=environment(tmp_path),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=180,
        )
    assert (done.returncode, done.stderr) == (1, b"rushes: No space left on device\n")
