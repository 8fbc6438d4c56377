"""The job object in each state, byte for byte, and the demands of all four client generations on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from wire_states import STATES, WAITING

from rushes.api.together import seconds_text, video_reply

GOLDEN = Path(__file__).parent / "golden"
URL = "http://127.0.0.1:8000/files/01a203c3-8a41-7439-adef-4a68d65c6c9f/s3cret.mp4"


def wire(state: str) -> dict[str, Any]:
    return video_reply(STATES[state], URL).model_dump()


@pytest.mark.parametrize("state", STATES)
def test_the_job_object_is_the_golden_one(state: str) -> None:
    assert wire(state) == json.loads((GOLDEN / f"{state}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("state", STATES)
def test_every_state_satisfies_the_strictest_reader_of_each_field(state: str) -> None:
    job = wire(state)
    assert job["object"] == "video"
    assert job["status"] in ("in_progress", "completed", "failed")
    assert type(job["created_at"]) is int
    assert job["completed_at"] is None or type(job["completed_at"]) is int
    assert job["size"] == "1366x768" and job["seconds"] == "2.5"
    assert job["outputs"] is None or (type(job["outputs"]["cost"]) is int and job["outputs"]["video_url"] == URL)
    assert job["error"] is None or (type(job["error"]["message"]) is str and type(job["error"]["code"]) is str)
    assert type(job["progress"]) is int


def test_only_an_ended_job_has_an_end() -> None:
    assert [state for state in STATES if wire(state)["completed_at"]] == ["completed", "failed", "cancelled"]
    assert [state for state in STATES if wire(state)["outputs"]] == ["completed"]
    assert [state for state in STATES if wire(state)["error"]] == ["failed", "cancelled"]
    assert wire("cancelled")["error"]["code"] == "cancelled"
    assert wire("completed")["completed_at"] >= wire("completed")["created_at"]


def test_only_the_file_itself_is_a_hundred_percent() -> None:
    assert video_reply(replace(WAITING, progress=0.9999), URL).progress == 99
    assert wire("completed")["progress"] == 100


def test_the_secret_is_nowhere_but_in_the_address() -> None:
    for state in ("waiting", "running", "failed", "cancelled"):
        assert "s3cret" not in json.dumps(wire(state))


@pytest.mark.parametrize(("seconds", "text"), [(6.0, "6"), (2.5, "2.5"), (10.0, "10"), (1.125, "1.125")])
def test_seconds_read_as_they_were_sent(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text
