"""Memory that really runs out, by the kernel's limit, whatever was foretold: in words, in steps and in decoding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_wan
import torch
from diffusers import WanTransformer3DModel
from tiny_wan import TEXT
from transformers import UMT5Config, UMT5EncoderModel

from rushes.catalogue.card import Card
from rushes.engine.work import ran_out
from rushes.errors import GenerationFailed

ROOM_BYTES = 176 << 20
"""Beside what the process has. A step at 320 by 320 makes 270 MB of which pieces leave 40; decoding makes 70 there and
230 at 576 by 576; the words of one prompt 270."""

RUN_OUT = """
import json, resource, sys
import torch
from dataclasses import replace
from rushes.catalogue.cards import OPEN
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.errors import OutOfMemory
from small_requests import small
torch.set_num_threads(1)
id, folder, room_bytes = json.load(sys.stdin)
card = next(card for card in OPEN if card.id == id)
card = replace(card, weights=replace(card.weights, folder=folder))
engine = Engine(residency=KeptParts(1 << 40))  # believes in a terabyte
def made(**asked):
    try:
        native, chunks = engine.generate(small(card, steps=1, **asked), card, lambda progress: None)
        frames = sum(len(chunk.frames_THWC) for chunk in chunks)
        return [frames, [technique.name for technique in engine.plan(card).tried]]
    except OutOfMemory as error:
        return error.message
said = {"first": made()}
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + room_bytes, resource.RLIM_INFINITY))
for name, asked in (
    ("words", {"prompt": "A horse that was not read before"}),
    ("steps", {"width": 320, "height": 320}),
    ("pieces", {"width": 320, "height": 320, "quality": "high"}),
    ("decoding", {"width": 576, "height": 576, "quality": "high"}),
):
    said[name] = made(**asked)
    said["after " + name] = made()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tiny_card: Callable[..., Card], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each clip in a process of its own, before and after it was limited to `ROOM_BYTES` more."""
    torch.manual_seed(0)
    pipe, folder, card = tiny_wan.pipeline(TEXT), tmp_path_factory.mktemp("wide"), tiny_card(TEXT)
    wide = {"attention_head_dim": 32, "num_attention_heads": 2, "num_layers": 1, "ffn_dim": 1 << 14}
    pipe.transformer = WanTransformer3DModel(in_channels=16, out_channels=16, **{**tiny_wan.BLOCKS, **wide})
    pipe.text_encoder = UMT5EncoderModel(UMT5Config(**{**pipe.text_encoder.config.to_dict(), "d_ff": 1 << 15}))
    pipe.save_pretrained(folder, safe_serialization=True)
    # What is freed goes back at once, and threads reserve no address space: else how much room there is were chance.
    malloc = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN_OUT],
        input=json.dumps([card.id, str(folder), ROOM_BYTES]),
        text=True,
        check=False,
        capture_output=True,
        timeout=900,
        env={**os.environ, **malloc, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert answers["first"] == [17, []]
    return answers


@pytest.mark.parametrize("stage", ["words", "steps", "decoding"])
def test_where_no_rung_is_left_the_job_fails_with_the_numbers_and_the_next_one_is_made(
    said: dict[str, Any], stage: str
) -> None:
    assert "the video needs more memory than there is: " in said[stage]
    assert "1 seconds need about" in said[stage]
    assert f"memory ran out in {stage}; tried: " in said[stage]
    assert "parts of the model loaded one at a time" in said[stage].partition("tried: ")[2]
    assert said[f"after {stage}"] == [17, []]


def test_the_plan_goes_down_its_ladder_until_the_clip_is_made(said: dict[str, Any]) -> None:
    assert said["pieces"] == [17, ["passes", "apart", "pieces"]], said["pieces"]
    assert said["after pieces"] == [17, []], "the next one is made by the whole plan again"


def test_a_part_that_cannot_be_read_for_want_of_memory_is_memory_that_ran_out() -> None:
    """The library reads a checkpoint with threads, and one whose stack has no room is no damaged file."""
    told = GenerationFailed("the model's text_encoder cannot be loaded (RuntimeError)")
    told.__cause__ = RuntimeError("can't start new thread")
    assert ran_out(told)
    told.__cause__ = RuntimeError("size mismatch for encoder.block.0")
    assert not ran_out(told)
