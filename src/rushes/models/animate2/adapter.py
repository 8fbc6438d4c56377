"""Wan-Animate-2 behind the adapter's verbs: segment after segment, each in its steps, saved between any two of them.

The library's blocks run a segment in one call; what a step computes here is what they compute (tests/open_models holds
the two together, bit for bit). What is read of the clip is kept while its segment is made, and is read again by whoever
goes on with a saved film: it is one pass of the transformer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any
from weakref import ref

import torch
from diffusers.models.transformers.transformer_wan_animate_2 import WanAnimate2KVCache
from diffusers.modular_pipelines.wan_animate_2.encoders import get_t5_prompt_embeds
from torch import Tensor

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.guidance import guided
from rushes.diffusion.noise import noise
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.animate2 import memory
from rushes.models.animate2.components import Components
from rushes.models.animate2.given import beginning, character, decoded, driven, seen, segments_of, there_and_back
from rushes.models.animate2.layout import read
from rushes.models.animate2.mask import mask
from rushes.models.animate2.state import LAYOUT, AnimateCondition, AnimateState, Numbers, restored
from rushes.models.loading import read_by
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.shape import native_of
from rushes.models.solver import FRESH, Solver
from rushes.models.whole.film import film, runs

SEGMENT, CARRIED = 81, 1  # frames, as the model was trained
PIECES = 512  # of text that are read
DRIVER_PROMPT = "人物动作的参考视频"
"""What the model was trained to be told beside the clip: a reference video of a person's movement."""
STREAM = 1 << 34
"""Of the seed's noise, for the first segment; each has one of its own."""


class AnimateAdapter(ResidentAdapter):
    """One checkpoint of the family. One film at a time."""

    saved_as = LAYOUT

    def __init__(self, card: Card, **how: Any) -> None:
        super().__init__(card, **how)
        self._found = read_by(read, self._weights)
        self.parts = Components(self._found, self.device, self._dtype, self._residency)
        self.networks = self.parts.kept
        self._solver = lru_cache(maxsize=8)(self._build_solver)
        # Some gigabytes, which go with the film that they are of, also where it is broken off.
        self._driven: tuple[ref[AnimateCondition], int, WanAnimate2KVCache] | None = None

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        config, shape = self._found.config, self.native(request)
        return memory.needs(config, self.networks, how, shape, segment=SEGMENT, number_bytes=self._number_bytes)

    def native(self, request: ResolvedRequest) -> Native:
        weights = self._weights
        return native_of(request, multiple=16, time=1, fps=weights.fps, max_area=weights.max_area)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> AnimateCondition:
        native, parts = self.native(request), self.parts
        picture = next((picture for at, picture in inputs.keyframes if at == 0), None)
        if picture is None or inputs.source_THWC is None:
            raise GenerationFailed(f"{self._card.id} was given no picture of a character, or no clip to move it by")
        numbers = Numbers(
            native.width, native.height, native.num_frames, request.steps, request.guidance_scale, SEGMENT, CARRIED
        )
        # As long as the film first: what is behind its end is run back from there, not from the clip's.
        clip = there_and_back(inputs.source_THWC, native.num_frames)
        given = {
            "prompt": self._read(request.prompt or ""),
            "driver_prompt": self._read(DRIVER_PROMPT),
            "character_seen": seen(picture, parts),
            "driver_seen": seen(clip[0], parts),
            "character": character(picture, parts),
        }
        if numbers.guided:
            given["negative"] = self._read(request.negative_prompt or "")
        given |= {f"driver.{number}": latent for number, latent in enumerate(segments_of(clip, numbers, parts))}
        return AnimateCondition(numbers, given)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def prepare(self, condition: AnimateCondition, seed: int) -> AnimateState:
        empty = torch.empty(0)
        return self._segment(AnimateState(condition, empty, empty).seeded(seed), 0, None)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: AnimateState, index: int) -> AnimateState:
        numbers = state.condition.numbers
        segment, at = divmod(index, numbers.steps)
        solver = self._solver(numbers.steps)
        velocity = self._velocity(state, segment, solver.timesteps[at])
        moved, memory = solver.step(velocity[None], at, state.latent[None], state.memory)
        heading = state.latent - solver.timesteps[at].item() / solver.train_timesteps * velocity
        state = replace(state, latent=moved[0], memory=memory, index=index + 1, heading=heading)
        if at + 1 < numbers.steps:
            return state
        self._driven = None
        state = replace(state, done=(*state.done, state.latent), memory=FRESH)
        if state.index == state.num_steps:
            return state
        return self._segment(state, segment + 1, decoded(state.latent, self.parts))

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def decode(self, state: AnimateState) -> Iterator[Chunk]:
        numbers, made = state.condition.numbers, 0
        for latent in state.done:
            run = decoded(latent, self.parts)[:, numbers.carried if made else 0 :][:, : numbers.num_frames - made]
            values = (run * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0).cpu().numpy()
            made += len(values)
            yield from map(Chunk, runs(film(values, len(values), numbers.width, numbers.height)))

    def foreseen(self, state: AnimateState) -> AnimateState:
        """A look at the segment that is made: its first frame, as the last step saw it."""
        newest = state.latent if state.heading is None else state.heading
        return replace(state, done=(newest[:, :2],))

    def restore(self, checkpoint: bytes) -> AnimateState:
        return restored(checkpoint, self.device)

    def _read(self, prompt: str) -> Tensor:
        parts = self.parts
        words: Tensor = get_t5_prompt_embeds(parts.text_encoder, parts.tokenizer, prompt, PIECES, self.device)
        return words

    def _segment(self, state: AnimateState, segment: int, before: Tensor | None) -> AnimateState:
        """`state` at the beginning of `segment`, which goes on from the frames of the one `before`."""
        numbers, given = state.condition.numbers, state.condition.given
        known = beginning(given["character"], before, numbers, self.parts)
        drawn = noise(numbers.seed, (16, *known.shape[1:]), STREAM + segment)
        return replace(state, latent=torch.from_numpy(drawn).to(self.device), known=known, memory=FRESH)

    def _velocity(self, state: AnimateState, segment: int, t: Tensor) -> Tensor:
        numbers, given = state.condition.numbers, state.condition.given
        predicted = self._pass(state, segment, t, given["prompt"], negative=False)
        if not numbers.guided:
            return predicted
        without = self._pass(state, segment, t, given["negative"], negative=True)
        velocity: Tensor = guided(predicted, without, numbers.guidance_scale)
        return velocity

    def _pass(self, state: AnimateState, segment: int, t: Tensor, words: Tensor, *, negative: bool) -> Tensor:
        numbers, given, dtype = state.condition.numbers, state.condition.given, self.parts.transformer.dtype
        frames, rows, cols = state.latent.shape[1:]
        masks, key = self.parts.transformer.block_masks, (frames - 1, rows * cols // 4)
        if self.device.type == "cpu" and key not in masks:
            masks[key] = mask(*key, self.device)
        velocity: Tensor = self.parts.transformer(
            [state.latent.to(dtype)],
            timestep=torch.stack([t]),
            encoder_hidden_states=[words[0].to(dtype)],
            encoder_hidden_states_image=given["character_seen"].to(dtype),
            condition_latents=[state.known.to(dtype)],
            kv_cache=self._what_drives(state.condition, segment),
            kv_cache_mode="cached",
            seq_len=frames * rows * cols // 4,
            reference_grid_sizes=torch.tensor([[frames - 1, rows // 2, cols // 2]]),
            origin_len=numbers.segment,
            origin_area=[numbers.height, numbers.width],
            is_uncondtion=negative,  # such a pass leaves out a layer that was trained to follow words
            return_dict=False,
        )[0][0]
        return velocity

    def _what_drives(self, condition: AnimateCondition, segment: int) -> WanAnimate2KVCache:
        """What every layer makes of the clip's `segment`: one pass, kept until another film or segment asks."""
        if self._driven is None or self._driven[0]() is not condition or self._driven[1] != segment:
            self._driven = None
            transformer, given = self.parts.transformer, condition.given
            dtype, latent = transformer.dtype, given[f"driver.{segment}"]
            frames, rows, cols = latent.shape[2:]
            kept = WanAnimate2KVCache(transformer.config.num_layers)
            transformer(
                [latent[0].to(dtype)],
                timestep=torch.ones(1, device=self.device),
                encoder_hidden_states=[given["driver_prompt"][0].to(dtype)],
                encoder_hidden_states_image=given["driver_seen"].to(dtype),
                condition_latents=[driven(latent).to(dtype)],
                kv_cache=kept,
                kv_cache_mode="extract",
                seq_len=frames * rows * cols // 4,
                offset_grid_sizes=torch.tensor([[frames, rows // 2, cols // 2]]),
                return_dict=False,
            )
            self._driven = (ref(condition, self._forget), segment, kept)
        return self._driven[2]

    def _forget(self, gone: ref[AnimateCondition]) -> None:
        if self._driven is not None and self._driven[0] is gone:
            self._driven = None

    def _build_solver(self, steps: int) -> Solver:
        config: dict[str, Any] = self._found.config("scheduler")
        return Solver(self._found.parts["scheduler"], config, steps, self.device)
