"""What is made in a history: a model that counts, and a file that says which steps it went through.

Everything between them is real: the engine's loop, its journal of checkpoints, and the recipe in `perform`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rushes.catalogue.cards import mini
from rushes.catalogue.lookup import Catalogue
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.media.encode import EncodedFile
from rushes.models.adapter import Chunk
from simulator.world import World

CARD = replace(mini.CARD, id="test/simulated", adapter="simulator.clips:Counting", revision="s1", remarks=None)
CATALOGUE = Catalogue([CARD])
CHUNKS = 2
_FRAMES = np.zeros((1, 2, 2, 3), np.uint8)


def asked(prompt: str, steps: int) -> ResolvedRequest:
    return ResolvedRequest(
        model=CARD.id,
        made_by=CARD.id,
        revision=CARD.revision,
        prompt=prompt,
        negative_prompt="",
        width=64,
        height=64,
        seconds=1.0,
        fps=15,
        num_frames=CHUNKS,
        steps=steps,
        guidance_scale=4.0,
        seed=7,
        output_format="MP4",
        output_quality=20,
        generate_audio=False,
    )


def _next(value: str, index: int) -> str:
    return hashlib.sha256(f"{value} {index}".encode()).hexdigest()


def content_of(prompt: str, steps: int) -> bytes:
    """The file of an undisturbed clip."""
    value = prompt
    for index in range(steps):
        value = _next(value, index)
    return value.encode()


@dataclass(frozen=True)
class State:
    index: int
    num_steps: int
    value: str
    cursed: bool = False

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()


class Counting:
    """An adapter whose steps take a world's time; now and then one hangs."""

    def __init__(self, world: World, longest_step_s: float, hangs: float) -> None:
        self._world = world
        self._longest_step_s = longest_step_s
        self._hangs = hangs  # how likely it is that a step hangs

    def native(self, request: ResolvedRequest) -> Native:
        return Native(2, 2, 15.0, CHUNKS)

    def encode(self, request: ResolvedRequest, inputs: object = None) -> ResolvedRequest:
        return request

    def prepare(self, condition: ResolvedRequest, seed: int) -> State:
        return State(0, condition.steps, condition.prompt, condition.prompt.startswith("cursed"))

    def step(self, state: State, index: int) -> State:
        world = self._world
        if world.rng.random() < self._hangs:
            world.note("a step hangs")
            world.count("hung step")
            world.current.process.disturbed_at = world.now + 600.0
            world.turn(600.0)
        world.turn(world.rng.uniform(0.05, self._longest_step_s))
        if state.cursed and world.rng.random() < 0.3:
            raise ValueError("the model throws")
        return replace(state, index=index + 1, value=_next(state.value, index))

    def decode(self, state: State) -> Iterator[Chunk]:
        for _ in range(CHUNKS):
            self._world.turn(self._world.rng.uniform(0.05, self._longest_step_s))
            yield Chunk(_FRAMES + 0)
        written_by[self._world.current] = state.value

    def restore(self, checkpoint: bytes) -> State:
        try:
            return State(**json.loads(checkpoint))
        except TypeError as error:
            raise ValueError("no such state") from error

    def state_format(self) -> str:
        return "counting 1"


written_by: dict[Any, str] = {}
"""What the clip that an actor decodes has come to; frames that carried it would cost more than the whole history."""


def fit(chunks: Iterable[Any], native: Native, **shape: Any) -> Iterator[Any]:
    """In place of `media.fit`: nothing is scaled."""
    yield from chunks


class Encoder:
    """In place of `media.encode`: a file of one line, written as slowly as a film."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, frames: Iterable[Any], stem: Path, **values: Any) -> EncodedFile:
        num_frames = sum(len(frame) for frame in frames)
        content = written_by.pop(self._world.current).encode()
        path = stem.with_suffix(".mp4")
        path.write_bytes(content)
        shape = {name: values[name] for name in ("width", "height", "fps")}
        digest = hashlib.sha256(content).hexdigest()
        return EncodedFile(
            path=path,
            size_bytes=len(content),
            sha256=digest,
            num_frames=num_frames,
            duration_s=values["num_frames"] / values["fps"],
            content_type="video/mp4",
            has_audio=False,
            **shape,
        )
