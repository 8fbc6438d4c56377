"""The embedded model behind the adapter's verbs. Read this file to see how a video model is driven.

A clip is a grid of tokens: one for every 16 × 16 pixels and every 6 frames (`mini.json` has the numbers), each a
vector called a latent. `prepare` fills the grid with noise. In every `step` the transformer looks at the noisy
grid and the words and says what the clean grid would be; then a little less noise is laid over that than before. When
no noise is left, `decode` turns each latent frame into six pictures.

What a person brings along needs no second network: each latent frame has a noise level of its own, and starts from the
level that says how much of it is given (`given.py`).
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rushes.catalogue.card import Card
from rushes.catalogue.cards.mini import CARD
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.guidance import guided
from rushes.diffusion.noise import noise
from rushes.diffusion.samplers import renoised, velocity
from rushes.diffusion.schedules import flow_sigmas
from rushes.models.adapter import NO_INPUTS, Chunk, Frames, Inputs
from rushes.models.mini.config import PACKAGED_WEIGHTS, MiniConfig
from rushes.models.mini.given import Given, laid_out
from rushes.models.mini.graph import Graph, runtime
from rushes.models.mini.text import Tokenizer
from rushes.models.mini.windows import Window, positions, windows

Float32s = NDArray[np.float32]

STATE_LAYOUT = "mini 2"
"""Counts up when `MiniState.to_bytes` is written otherwise, or a step computes otherwise."""


@dataclass(frozen=True, slots=True)
class MiniCondition:
    """What the model reads: the words as ids, the shape and pace of what to make, and what of it is there already."""

    words: tuple[int, ...]
    negative_words: tuple[int, ...]  # padding only when there is no negative prompt: the model's "anything"
    guidance_scale: float
    sigmas: tuple[float, ...]  # one more than steps, from 1.0 to 0.0
    rows: int
    cols: int
    num_frames: int
    windows: tuple[Window, ...]
    levels: tuple[float, ...]  # the noise level that each latent frame starts from
    skipped: int  # frames at the start of the first latent frame that are no part of the film
    given: Given | None = field(default=None, compare=False)  # only until `prepare`


@dataclass(frozen=True, slots=True)
class MiniState:
    """A clip between two steps: the whole grid, and how many steps it has had.

    latent_NPC  float32 (latent frames, places = rows × cols, channels); never written to in place.
    seed        of all the noise that is still to come: each step draws its own.
    clean_NPC   the grid without its noise, as the last step saw it; None before one was taken here.
    """

    condition: MiniCondition
    latent_NPC: Float32s
    seed: int
    index: int = 0
    clean_NPC: Float32s | None = field(default=None, compare=False)  # to look at; nothing is computed from it

    @property
    def num_steps(self) -> int:
        return self.steps_per_window * len(self.condition.windows)

    @property
    def steps_per_window(self) -> int:
        return len(self.condition.sigmas) - 1

    def to_bytes(self) -> bytes:
        """Everything needed to go on elsewhere, as a NumPy archive that holds no code."""
        buffer = io.BytesIO()
        condition = asdict(self.condition)
        del condition["given"]  # what is left of it is in the latent frames
        np.savez(buffer, latent=self.latent_NPC, seed=np.uint64(self.seed), index=self.index, **condition)
        return buffer.getvalue()


class MiniAdapter:
    """`rushes/mini` on the CPU. Loading takes a moment; keep it."""

    def __init__(self, weights: Path = PACKAGED_WEIGHTS, threads: int = 0) -> None:
        """Load the networks in the folder `weights`; `threads` 0 means every core this process may use.

        Errors  Unavailable when the weights are missing or damaged.
        """
        self.config = MiniConfig.load(weights)
        self.tokenizer = Tokenizer(self.config.vocabulary, self.config.max_words)
        self._weights = weights
        self._transformer = Graph(weights / "transformer.onnx", threads)
        self._decoder = Graph(weights / "decoder.onnx", threads)

    @cached_property
    def _encoder(self) -> Graph:
        """Loaded when the first picture comes along: most clips start from words alone."""
        # One thread: with weights that are widened at run time, convolutions split their sums by the number of threads.
        return Graph(self._weights / "encoder.onnx", threads=1)

    def describe(self) -> Card:
        return CARD

    def native(self, request: ResolvedRequest) -> Native:
        rows, cols = self.config.grid(request.width, request.height)
        return Native(
            width=cols * self.config.spatial,
            height=rows * self.config.spatial,
            fps=self.config.fps,
            num_frames=self.config.num_frames(request.seconds),
        )

    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> MiniCondition:
        rows, cols = self.config.grid(request.width, request.height)
        num_frames = self.config.num_frames(request.seconds)
        given = laid_out(inputs, num_frames, self.config.frames_per_latent)
        return MiniCondition(
            words=tuple(self.tokenizer.encode(request.prompt)),
            negative_words=tuple(self.tokenizer.encode(request.negative_prompt)),
            guidance_scale=request.guidance_scale,
            sigmas=flow_sigmas(request.steps, self.config.shift),
            rows=rows,
            cols=cols,
            num_frames=num_frames,
            windows=windows(len(given.levels), self.config.window, self.config.overlap, given.finished),
            levels=given.levels,
            skipped=given.skipped,
            given=given,
        )

    def prepare(self, condition: MiniCondition, seed: int) -> MiniState:
        # Drawn for the whole clip at once, in order of time: a longer clip begins like a shorter one.
        shape = (len(condition.levels), condition.rows * condition.cols, self.config.channels)
        latent_NPC = noise(seed, shape)
        for index, frames_THWC in condition.given.chunks if condition.given else ():
            level = np.float32(condition.levels[index])
            latent_NPC[index] = (1 - level) * self._encoded(frames_THWC) + level * latent_NPC[index]
        return MiniState(replace(condition, given=None), latent_NPC, seed)

    def step(self, state: MiniState, index: int) -> MiniState:
        condition = state.condition
        window = condition.windows[index // state.steps_per_window]
        levels_M = condition.levels[window.made_from : window.stop]
        # Frames that all start half clean have half as far to go: the steps are spent on what is left.
        top = max(levels_M, default=0.0)
        sigma, sigma_next = (top * sigma for sigma in condition.sigmas[index % state.steps_per_window :][:2])
        if top == 0.0:
            return replace(state, index=index + 1)

        made = window.made_from - window.start  # what lies before is finished: it was input, and stays as it is
        seen_NPC = state.latent_NPC[window.start : window.stop]
        # A frame waits at the level it starts from until the others are as clean; one that is given waits for ever.
        sigma_N = np.array([0.0] * made + [min(sigma, level) for level in levels_M], dtype=np.float32)
        next_N = np.minimum(sigma_N, np.float32(sigma_next))
        moving = np.flatnonzero(next_N < sigma_N)

        clean_NPC = self._predict_clean(seen_NPC, condition, sigma_N)
        noise_NPC = noise(state.seed, seen_NPC.shape, stream=1 + index)  # stream 0 was `prepare`'s
        # A frame that began as a given one carries its own noise along: what that holds of the picture would be lost.
        edited = np.array([index for index in moving if condition.levels[window.start + index] < 1.0], dtype=int)
        towards_noise_NPC = velocity(seen_NPC[edited], clean_NPC[edited], sigma_N[edited, None, None])
        noise_NPC[edited] = clean_NPC[edited] + towards_noise_NPC

        latent_NPC = state.latent_NPC.copy()
        latent_NPC[window.start + moving] = renoised(clean_NPC[moving], noise_NPC[moving], next_N[moving, None, None])
        noisy = np.flatnonzero(sigma_N)
        foreseen_NPC = latent_NPC.copy()
        foreseen_NPC[window.start + noisy] = clean_NPC[noisy]
        return replace(state, latent_NPC=latent_NPC, index=index + 1, clean_NPC=foreseen_NPC)

    def foreseen(self, state: MiniState) -> MiniState:
        """See `Foresees`. Right after a restart it is the state itself."""
        return state if state.clean_NPC is None else replace(state, latent_NPC=state.clean_NPC)

    def decode(self, state: MiniState) -> Iterator[Chunk]:
        condition = state.condition
        skipped, frames_left = condition.skipped, condition.num_frames
        for latent_PC in state.latent_NPC:
            grid_RSC = latent_PC.reshape(condition.rows, condition.cols, self.config.channels)
            latent_1CRS = np.ascontiguousarray(grid_RSC.transpose(2, 0, 1)[None])
            frames_THWC = self._decoder.run(latent=latent_1CRS)[0, skipped : skipped + frames_left]
            skipped, frames_left = 0, frames_left - len(frames_THWC)
            yield Chunk(frames_THWC)

    def restore(self, checkpoint: bytes) -> MiniState:
        """The state that `MiniState.to_bytes` saved.

        Errors  ValueError when `checkpoint` is no such archive.
        """
        if not zipfile.is_zipfile(io.BytesIO(checkpoint)):
            raise ValueError("these bytes are no checkpoint of rushes/mini")
        with np.load(io.BytesIO(checkpoint), allow_pickle=False) as saved:
            condition = MiniCondition(
                words=tuple(saved["words"].tolist()),
                negative_words=tuple(saved["negative_words"].tolist()),
                guidance_scale=float(saved["guidance_scale"]),
                sigmas=tuple(saved["sigmas"].tolist()),
                rows=int(saved["rows"]),
                cols=int(saved["cols"]),
                num_frames=int(saved["num_frames"]),
                windows=tuple(Window(*numbers) for numbers in saved["windows"].tolist()),
                levels=tuple(saved["levels"].tolist()),
                skipped=int(saved["skipped"]),
            )
            return MiniState(condition, saved["latent"], int(saved["seed"]), int(saved["index"]))

    def state_format(self) -> str:
        return f"{STATE_LAYOUT} {self.config.revision} {runtime()}"

    def _encoded(self, frames_FHWC: Frames) -> Float32s:
        """The latent frame of `frames_per_latent` frames: (places, channels)."""
        latent_CRS: Float32s = self._encoder.run(frames=np.ascontiguousarray(frames_FHWC[None]))[0]
        return latent_CRS.transpose(1, 2, 0).reshape(-1, self.config.channels)

    def _predict_clean(self, seen_NPC: Float32s, condition: MiniCondition, sigma_N: Float32s) -> Float32s:
        """What `seen_NPC` would be without its noise, of which each frame has its own amount; towards the prompt."""
        inputs = {
            "latent": seen_NPC.reshape(1, -1, self.config.channels),
            "sigma": np.repeat(sigma_N, seen_NPC.shape[1])[None],
            "position": positions(len(seen_NPC), condition.rows, condition.cols, self._seconds_per_latent),
        }
        positive = self._transformer.run(**inputs, words=_ids(condition.words))
        if condition.guidance_scale != 1.0:
            # A pass of its own, never a batch of two: int8 ranges are measured over the batch, so that
            # the negative prompt would move the bits of the positive prediction.
            negative = self._transformer.run(**inputs, words=_ids(condition.negative_words))
            positive = guided(positive, negative, condition.guidance_scale)
        return positive.reshape(seen_NPC.shape)

    @property
    def _seconds_per_latent(self) -> float:
        return self.config.frames_per_latent / self.config.fps


def _ids(words: tuple[int, ...]) -> NDArray[Any]:
    return np.array([words], dtype=np.int64)
