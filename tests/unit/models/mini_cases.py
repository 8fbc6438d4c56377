"""What the tests of the embedded model share: both sets of weights, and a short request."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_mini import write_tiny_weights

from rushes.contract.request import ResolvedRequest
from rushes.models.mini.adapter import MiniAdapter, MiniState
from rushes.models.mini.config import PACKAGED_WEIGHTS

WEIGHTS = ("tiny", "packaged")

REQUEST = ResolvedRequest(
    model="rushes/mini",
    made_by="rushes/mini",
    revision="1",
    prompt="a penguin waddling on the beach",
    negative_prompt="",
    width=640,
    height=360,
    seconds=1.0,
    fps=24,
    num_frames=24,
    steps=2,
    guidance_scale=4.0,
    seed=7,
    output_format="MP4",
    output_quality=20,
    generate_audio=False,
)


def weights_folder(kind: str, empty_folder: Path) -> Path:
    """The folder of the "tiny" or the "packaged" weights; skips the test where the package carries none yet."""
    if kind == "tiny":
        return write_tiny_weights(empty_folder)
    if not (PACKAGED_WEIGHTS / "mini.json").is_file():
        pytest.skip("the package carries no trained weights yet")
    return PACKAGED_WEIGHTS


def asked(**changes: object) -> ResolvedRequest:
    return replace(REQUEST, **changes)


def states(adapter: MiniAdapter, request: ResolvedRequest) -> Iterator[MiniState]:
    """Every state of the clip, from noise to finished."""
    state = adapter.prepare(adapter.encode(request), request.seed)
    yield state
    for index in range(state.num_steps):
        state = adapter.step(state, index)
        yield state


def finished(adapter: MiniAdapter, request: ResolvedRequest) -> MiniState:
    *_, last = states(adapter, request)
    return last


def film_digest(adapter: MiniAdapter, state: MiniState) -> str:
    """One hash over all frames, in order."""
    digest = hashlib.sha256()
    for chunk in adapter.decode(state):
        digest.update(chunk.frames_THWC.tobytes())
    return digest.hexdigest()
