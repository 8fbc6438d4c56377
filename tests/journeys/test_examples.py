"""The programs of examples/ do what they show, on the tiny model."""

from __future__ import annotations

from pathlib import Path

import pytest
from example_runs import ENDING, EXAMPLES, run
from served import Server

from rushes.media.probe import probe


def test_every_program_is_run_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix != ".txt"} == set(ENDING)


@pytest.mark.parametrize("name", ENDING)
def test_it_leaves_the_video_it_says(server: Server, tmp_path: Path, name: str) -> None:
    done = run(name, tmp_path, server, ENDING[name])
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert server.video(first.removeprefix("job "))["status"] == "completed"
    facts = probe(tmp_path / last)
    assert (facts.width, facts.height, facts.num_frames) == (1366, 768, 48)


@pytest.mark.parametrize("name", ENDING)
def test_with_a_wrong_key_it_fails_and_says_so(server: Server, tmp_path: Path, name: str) -> None:
    done = run(name, tmp_path, server, ENDING[name], key="wrong")
    assert done.returncode != 0
    assert "the API key is not known here" in done.stdout + done.stderr
    assert not list(tmp_path.glob("*.mp4"))
