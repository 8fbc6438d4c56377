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
from dataclasses import dataclass, field, fields, replace
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
from rushes.models.mini.given import FREE, Given, laid_out, referred
from rushes.models.mini.graph import Graph, runtime
from rushes.models.mini.sound import OUT_RATE, heard, of_tokens, sounded, to_mono, to_tokens
from rushes.models.mini.text import Tokenizer
from rushes.models.mini.windows import Window, positions, sequence, windows

Float32s = NDArray[np.float32]

STATE_LAYOUT = "mini 5"
"""Counts up when `MiniState.to_bytes` is written otherwise, or a step computes otherwise."""

LED_ABOVE = 0.5
"""The noise level down to which guidance leads. Below it what is shown is settled, and leading on would only make the
joints between latent frames flicker: docs/decisions/0020-guidance-while-there-is-noise.md."""

SOUND_STREAM = 1 << 32
"""Where the sound's noise begins: the picture, with sound or without, is drawn from the streams below."""


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
    sounds: int = 0  # tokens of sound in a latent frame; 0 for a silent film
    sound_level: float = FREE  # the noise level that the sound starts from
    given: Given | None = field(default=None, compare=False)  # only until `prepare`, as are the next two
    references: tuple[Frames, ...] = field(default=(), compare=False)
    sound: Float32s | None = field(default=None, compare=False)  # (samples, 2) at 48 kHz


@dataclass(frozen=True, slots=True)
class MiniState:
    """A clip between two steps: the whole grid, and how many steps it has had.

    latent_NPC  float32 (latent frames, places = rows × cols, channels); never written to in place.
    seed        of all the noise that is still to come: each step draws its own.
    sound_NKC   the same of its sound (latent frames, tokens of sound in each, channels); no tokens in a silent film.
    about_RPC   what the film is about: finished latent frames that every step sees beside the film; often none.
    clean_NPC   the grid without its noise, as the last step saw it; None before one was taken here.
    """

    condition: MiniCondition
    latent_NPC: Float32s
    sound_NKC: Float32s
    about_RPC: Float32s
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
        # What was given is in the latent frames by now.
        condition = {
            field.name: getattr(self.condition, field.name)
            for field in fields(self.condition)
            if field.name not in ("given", "references", "sound")
        }
        arrays: dict[str, Any] = {"latent": self.latent_NPC, "heard": self.sound_NKC, "about": self.about_RPC}
        np.savez(buffer, **arrays, seed=np.uint64(self.seed), index=self.index, **condition)
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
        sounds = self.config.sounds if request.generate_audio or inputs.sound is not None else 0
        # With sound, a keyframe at the beginning is looked at beside its noise, which is still to become sound.
        finished = 0 if sounds and inputs.lead_in_THWC is None else given.finished
        cells = self.config.reference_cells
        return MiniCondition(
            words=tuple(self.tokenizer.encode(request.prompt)),
            negative_words=tuple(self.tokenizer.encode(request.negative_prompt)),
            guidance_scale=request.guidance_scale,
            sigmas=flow_sigmas(request.steps, self.config.shift),
            rows=rows,
            cols=cols,
            num_frames=num_frames,
            windows=windows(len(given.levels), self.config.window, self.config.overlap, finished),
            levels=given.levels,
            skipped=given.skipped,
            sounds=sounds,
            sound_level=FREE if inputs.sound is None else 0.0,
            given=given,
            references=referred(inputs, self.config.frames_per_latent, cells * self.config.spatial),
            sound=inputs.sound,
        )

    def prepare(self, condition: MiniCondition, seed: int) -> MiniState:
        # Drawn for the whole clip at once, in order of time: a longer clip begins like a shorter one.
        shape = (len(condition.levels), condition.rows * condition.cols, self.config.channels)
        latent_NPC = noise(seed, shape)
        for index, frames_THWC in condition.given.chunks if condition.given else ():
            level = np.float32(condition.levels[index])
            latent_NPC[index] = (1 - level) * self._encoded(frames_THWC) + level * latent_NPC[index]
        cells = self.config.reference_cells**2
        about = [self._encoded(frames_THWC) for frames_THWC in condition.references]
        about_RPC = np.stack(about) if about else np.zeros((0, cells, self.config.channels), np.float32)
        sound_NKC = noise(seed, (len(condition.levels), condition.sounds, self.config.channels), SOUND_STREAM)
        if condition.sound is not None:
            sound_NKC = self._listened(condition.sound, condition)
        elif condition.sounds:  # no step comes to what was finished before; a clip to continue stays silent
            finished = condition.windows[0].made_from
            sound_NKC[:finished] = self._listened(np.zeros((0, 2), np.float32), condition)[:finished]
        bare = replace(condition, given=None, references=(), sound=None)
        return MiniState(bare, latent_NPC, sound_NKC, about_RPC, seed)

    def step(self, state: MiniState, index: int) -> MiniState:
        condition = state.condition
        window = condition.windows[index // state.steps_per_window]
        levels_M = condition.levels[window.made_from : window.stop]
        # Frames that all start half clean have half as far to go: the steps are spent on what is left.
        top = max([*levels_M, condition.sound_level if condition.sounds else 0.0], default=0.0)
        sigma, sigma_next = (top * sigma for sigma in condition.sigmas[index % state.steps_per_window :][:2])
        if top == 0.0:
            return replace(state, index=index + 1)

        made = window.made_from - window.start  # what lies before is finished: it was input, and stays as it is
        # A frame waits at the level it starts from until the others are as clean; one that is given waits for ever.
        sigma_N = np.array([0.0] * made + [min(sigma, level) for level in levels_M], dtype=np.float32)
        heard_N = np.array([0.0] * made + [min(sigma, condition.sound_level)] * len(levels_M), dtype=np.float32)
        clean_NPC, clean_NKC = self._predict_clean(state, window, sigma_N, heard_N)
        latent_NPC = state.latent_NPC.copy()
        latent_NPC[window.start : window.stop] = self._moved(
            state.latent_NPC[window.start : window.stop],
            clean_NPC,
            sigma_N,
            sigma_next,
            levels=condition.levels[window.start : window.stop],
            noise_NPC=noise(state.seed, clean_NPC.shape, stream=1 + index),  # stream 0 was `prepare`'s
        )
        foreseen_NPC = latent_NPC.copy()
        noisy = np.flatnonzero(sigma_N)
        foreseen_NPC[window.start + noisy] = clean_NPC[noisy]
        sound_NKC = state.sound_NKC
        if condition.sounds:
            sound_NKC = sound_NKC.copy()
            sound_NKC[window.start : window.stop] = self._moved(
                state.sound_NKC[window.start : window.stop],
                clean_NKC,
                heard_N,
                sigma_next,
                levels=(condition.sound_level,) * len(heard_N),
                noise_NPC=noise(state.seed, clean_NKC.shape, stream=SOUND_STREAM + 1 + index),
            )
        return replace(state, latent_NPC=latent_NPC, sound_NKC=sound_NKC, index=index + 1, clean_NPC=foreseen_NPC)

    @staticmethod
    def _moved(
        seen_NPC: Float32s,
        clean_NPC: Float32s,
        sigma_N: Float32s,
        sigma_next: float,
        *,
        levels: tuple[float, ...],
        noise_NPC: Float32s,
    ) -> Float32s:
        """`seen_NPC` with less noise: fresh noise over what it will be, no more than `sigma_next`."""
        next_N = np.minimum(sigma_N, np.float32(sigma_next))
        moving = np.flatnonzero(next_N < sigma_N)
        # A frame that began as a given one carries its own noise along: what that holds of the picture would be lost.
        edited = np.array([index for index in moving if levels[index] < FREE], dtype=int)
        towards_noise_NPC = velocity(seen_NPC[edited], clean_NPC[edited], sigma_N[edited, None, None])
        noise_NPC[edited] = clean_NPC[edited] + towards_noise_NPC
        moved_NPC = seen_NPC.copy()
        moved_NPC[moving] = renoised(clean_NPC[moving], noise_NPC[moving], next_N[moving, None, None])
        return moved_NPC

    def foreseen(self, state: MiniState) -> MiniState:
        """See `Foresees`. Right after a restart it is the state itself."""
        return state if state.clean_NPC is None else replace(state, latent_NPC=state.clean_NPC)

    def decode(self, state: MiniState) -> Iterator[Chunk]:
        condition = state.condition
        skipped, frames_left = condition.skipped, condition.num_frames
        sound, made = self._sounding(state), 0
        for latent_PC in state.latent_NPC:
            grid_RSC = latent_PC.reshape(condition.rows, condition.cols, self.config.channels)
            latent_1CRS = np.ascontiguousarray(grid_RSC.transpose(2, 0, 1)[None])
            frames_THWC = self._decoder.run(latent=latent_1CRS)[0, skipped : skipped + frames_left]
            skipped, frames_left = 0, frames_left - len(frames_THWC)
            began, made = made, made + len(frames_THWC)
            samples = slice(*(round(frames * OUT_RATE / self.config.fps) for frames in (began, made)))
            yield Chunk(frames_THWC, None if sound is None else sound[samples])

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
                sounds=int(saved["sounds"]),
                sound_level=float(saved["sound_level"]),
            )
            arrays = (saved["latent"], saved["heard"], saved["about"])
            return MiniState(condition, *arrays, int(saved["seed"]), int(saved["index"]))

    def state_format(self) -> str:
        return f"{STATE_LAYOUT} {self.config.revision} {runtime()}"

    def _encoded(self, frames_FHWC: Frames) -> Float32s:
        """The latent frame of `frames_per_latent` frames: (places, channels)."""
        latent_CRS: Float32s = self._encoder.run(frames=np.ascontiguousarray(frames_FHWC[None]))[0]
        return latent_CRS.transpose(1, 2, 0).reshape(-1, self.config.channels)

    def _listened(self, sound: Float32s, condition: MiniCondition) -> Float32s:
        """`sound` as tokens, after silence where frames are skipped: (latent frames, K, channels)."""
        seconds = len(condition.levels) * self.config.seconds_per_latent
        before = np.zeros((round(condition.skipped * OUT_RATE / self.config.fps), 2), np.float32)
        values = heard(to_mono(np.concatenate([before, sound]), seconds))
        tokens = to_tokens(values, self.config.sound_hops, self.config.channels)
        return np.asarray(tokens, np.float32).reshape(len(condition.levels), condition.sounds, -1)

    def _sounding(self, state: MiniState) -> Float32s | None:
        """The sound that was made, (samples, 2) at 48 kHz, without what is skipped; None where none was."""
        condition = state.condition
        if not condition.sounds or condition.sound_level < FREE:
            return None
        values = of_tokens(state.sound_NKC.reshape(-1, self.config.channels), self.config.sound_hops)
        return sounded(values, state.seed)[round(condition.skipped * OUT_RATE / self.config.fps) :]

    def _predict_clean(
        self, state: MiniState, window: Window, sigma_N: Float32s, heard_N: Float32s
    ) -> tuple[Float32s, Float32s]:
        """What a window of pictures and of sound would be without its noise, of which each latent frame has its own
        amount; towards the prompt, the references and the given sound."""
        condition = state.condition
        pictures, sound = self._run(state, window, sigma_N, heard_N, condition.words)
        if condition.guidance_scale == 1.0 or sigma_N.max(initial=0.0) < LED_ABOVE:
            return pictures, sound
        # What is led away from knows neither references nor given sound. It is a pass of its own, never a batch of two:
        # int8 ranges are measured over the batch, so that the negative prompt would move the bits of the positive one.
        given = condition.sound_level < FREE
        bare = replace(
            state, about_RPC=state.about_RPC[:0], sound_NKC=state.sound_NKC[:, :0] if given else state.sound_NKC
        )
        other, _ = self._run(bare, window, sigma_N, heard_N, condition.negative_words)
        # Levels of sound are logarithms: led on as far as pictures are, what is loud would be ten times as loud.
        return guided(pictures, other, condition.guidance_scale), sound

    def _run(
        self, state: MiniState, window: Window, sigma_N: Float32s, heard_N: Float32s, words: tuple[int, ...]
    ) -> tuple[Float32s, Float32s]:
        """One look of the transformer at a window, its references, its sound and `words`."""
        condition = state.condition
        seen_NPC = state.latent_NPC[window.start : window.stop]
        heard_NKC = state.sound_NKC[window.start : window.stop]
        parts = (seen_NPC, state.about_RPC, heard_NKC)
        levels = (sigma_N, np.zeros(len(state.about_RPC), np.float32), heard_N)
        grid = (len(seen_NPC), condition.rows, condition.cols, self.config.seconds_per_latent)
        inputs: dict[str, NDArray[Any]] = {
            "latent": np.concatenate([part.reshape(1, -1, self.config.channels) for part in parts], axis=1),
            "sigma": np.concatenate(
                [np.repeat(level, part.shape[1])[None] for level, part in zip(levels, parts, strict=True)], axis=1
            ),
            "words": np.array([words], dtype=np.int64),
        }
        if self.config.kinds:
            extent = (len(state.about_RPC), self.config.reference_cells, heard_NKC.shape[1])
            inputs["position"], inputs["kind"] = sequence(*grid, *extent)
        else:
            inputs["position"] = positions(*grid)
        clean_NC = self._transformer.run(**inputs)[0]
        pictures, sounds = (part.shape[0] * part.shape[1] for part in (seen_NPC, heard_NKC))
        return (
            clean_NC[:pictures].reshape(seen_NPC.shape),
            clean_NC[len(clean_NC) - sounds :].reshape(heard_NKC.shape),
        )
