"""A model of a few lines that needs no weights: every value of the request moves or tints its grey squares.

`CARD` can be served like any other. A prompt may slow it down: "slow 0.2" pauses 0.2 s before each step.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np

from rushes.catalogue.card import Card, MediaRule, MediaRules
from rushes.catalogue.cards import mini
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs

CARD = replace(
    mini.CARD,
    id="test/tiny",
    display_name="Tiny",
    adapter="tiny_model:TinyAdapter",
    revision="t1",
    remarks=None,
    rules=replace(
        mini.CARD.rules,
        media=MediaRules(MediaRule(10, ("first", "last", "any")), MediaRule(1), source_video=MediaRule(1)),
        generate_audio=False,
        needs=("prompt", "media.frame_images", "media.frame_videos", "media.source_video"),
    ),
)
"""It takes pictures and clips, no references and no sound."""

FPS = 8


@dataclass(frozen=True)
class State:
    index: int
    num_steps: int
    value: float
    native: Native
    pause_s: float = 0.0

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class TinyAdapter:
    def describe(self) -> Card:
        return CARD

    def native(self, request: ResolvedRequest) -> Native:
        return Native(64, 36, FPS, max(1, round(request.seconds * FPS)))

    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> ResolvedRequest:
        return request

    def prepare(self, condition: ResolvedRequest, seed: int) -> State:
        words = condition.prompt.split()
        pause_s = float(words[1]) if words[0] == "slow" else 0.0
        return State(0, condition.steps, seed % 97 + len(condition.prompt), self.native(condition), pause_s)

    def step(self, state: State, index: int) -> State:
        threading.Event().wait(state.pause_s)
        return replace(state, index=index + 1, value=state.value * 1.1 + 1)

    def decode(self, state: State) -> Iterator[Chunk]:
        native = state.native
        for start in range(0, native.num_frames, 4):
            num_frames = min(4, native.num_frames - start)
            frames = np.zeros((num_frames, native.height, native.width, 3), np.uint8)
            for t in range(num_frames):
                frames[t, :, (start + t) % native.width :] = int(state.value) % 256
            yield Chunk(frames)

    def restore(self, checkpoint: bytes) -> State:
        saved = json.loads(checkpoint)
        return State(**{**saved, "native": Native(**saved["native"])})

    def state_format(self) -> str:
        return "tiny 1"
