"""A tiny Kandinsky 6 with its makers' super-resolution, served as any model is, and asked for 1080P."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_kandinsky6
from over_http import SMALLEST, Make, added, changes_said, each_another, facts, frames, heard_for, rushes, warm
from served import Server
from tiny_kandinsky6 import DISTILLED

MODEL, WITHOUT = "kandinsky-6-lite-distilled", "kandinsky-6-pro-distilled"
MODEST = [sys.executable, str(Path(__file__).with_name("modest_rushes.py"))]
PLAIN = {**SMALLEST, "steps": None}
ASKED: dict[str, Any] = {**PLAIN, "model": MODEL, "width": None, "height": None, "resolution": "1080P", "ratio": "16:9"}
ENLARGED = "made at 64×32; enlarged to 144×64 by super-resolution in tiles"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Server]:
    whole, without = (tiny_kandinsky6.built(place / name, DISTILLED) for name in ("whole", "without"))
    tiny_kandinsky6.with_enlarger(whole)
    added(place, MODEL, "--from", whole)
    added(place, WITHOUT, "--from", without)
    with warm(place, MODEST, **{**ASKED, "resolution": None, "ratio": None, "width": 64, "height": 64}) as server:
        yield server


def test_1080p_is_made_in_two_stages_with_its_sound_and_the_job_says_so(made: Make) -> None:
    job, file = made(generate_audio=True)
    assert facts(file) == (1920, 1080, 24, 24.0)
    heard_for(file, 1.0)
    assert ENLARGED in changes_said(job)


def test_the_same_request_gives_the_same_file_and_every_field_another(made: Make) -> None:
    each_another(made, [{"prompt": "A rocket flies"}, {"seed": 8}, {"media": frames("first")}])


@pytest.mark.parametrize("change", [{"model": WITHOUT}, {"resolution": None, "ratio": None, "width": 72, "height": 64}])
def test_without_its_parts_or_for_little_more_than_one_pass_makes_it_is_scaled(
    made: Make, change: dict[str, Any]
) -> None:
    job, _ = made(**change)
    said = changes_said(job)
    assert "scaled to" in said
    assert "super-resolution" not in said


def test_a_file_of_them_that_is_not_as_it_was_is_noticed(server: Server, place: Path) -> None:
    config = place / "whole" / "super_resolution" / "vae" / "config.json"
    whole = config.read_bytes()
    config.write_bytes(whole + b" ")
    try:
        assert "super_resolution/vae/config.json" in rushes(place, "models", "verify", MODEL, "--json", fails=True)
    finally:
        config.write_bytes(whole)
    rushes(place, "models", "verify", MODEL)
