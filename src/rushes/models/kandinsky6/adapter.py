"""Kandinsky 6 behind the adapter's verbs: a film and its sound in one pass; diffusers' networks, our own step.

What is computed is what the library's own pipeline computes, bit for bit (tests/open_models holds the two together).
What is ours besides: a state that can be saved after any step, both streams of it, and the same noise on every device.
A size beyond one pass takes a second stage where the folder has its parts (`refine.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.guidance import guided
from rushes.diffusion.noise import noise
from rushes.diffusion.reuse import all_computed, reused
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.kandinsky6 import memory, sound, text
from rushes.models.kandinsky6.components import Components, EnlargingComponents
from rushes.models.kandinsky6.film import decoded, drawn, fitted, pictured
from rushes.models.kandinsky6.layout import read
from rushes.models.kandinsky6.refine import Grid, SecondStage, laid_out
from rushes.models.kandinsky6.shape import first_shape, in_two_stages, native_shape
from rushes.models.kandinsky6.state import LAYOUT, KandinskyCondition, KandinskyState, Numbers, restored
from rushes.models.loading import read_by
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.solver import FRESH, Solver
from rushes.models.sound import beside

PICTURE_STREAM = 1 << 34
"""Of the seed's noise, for the latent of a first frame: the encoder gives a mean and a spread to draw it from."""
FORESEEN = 2  # latent frames that a look at a half-made clip shows


class KandinskyAdapter(ResidentAdapter):
    """A checkpoint of the family, on the accelerator where there is one. Its parts load when they are needed."""

    saved_as = LAYOUT

    def __init__(self, card: Card, **how: Any) -> None:
        super().__init__(card, **how)
        self.layout = read_by(read, self._weights)
        self.parts = Components(self.layout.checkpoint, self.device, self._dtype, self._residency)
        self.networks = self.parts.kept
        self._solver = lru_cache(maxsize=8)(self._build_solver)
        self._second = None
        if self.layout.enlarger is not None:
            parts = EnlargingComponents(self.layout.enlarger, self.device, self._dtype, self._residency)
            self._second = SecondStage(parts)

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        numbers = replace(self._numbers(request), reuse=how.reuse)
        return memory.needs(
            self.layout,
            self.networks,
            self._second.parts.kept if self._second and numbers.tiles else None,
            how,
            request,
            numbers,
            number_bytes=self._number_bytes,
        )

    def native(self, request: ResolvedRequest) -> Native:
        return native_shape(self.layout, self._weights, request)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> KandinskyCondition:
        numbers = self._numbers(request)
        given = text.read(request.prompt, self.parts, "prompt")
        if numbers.guided:
            given |= text.read(request.negative_prompt, self.parts, "negative")
        picture = next((picture for at, picture in inputs.keyframes if at == 0), None)
        if picture is not None:
            first = fitted(picture, self.layout.space * numbers.cols, self.layout.space * numbers.rows)
            given["first.mean"], given["first.spread"] = pictured(first, self.parts.vae, self.device)
        return KandinskyCondition(numbers, given)

    def prepare(self, condition: KandinskyCondition, seed: int) -> KandinskyState:
        numbers, layout, given = condition.numbers, self.layout, condition.given
        # Time before places: a longer clip begins with the noise of a shorter one.
        latent = self._noise(seed, (1, numbers.frames, numbers.rows, numbers.cols, layout.channels))
        heard = first = None
        if numbers.sounds:
            heard = self._noise(seed, (1, numbers.sounds, layout.sound_channels), sound.STREAM)
        if "first.mean" in given:
            mean, spread = given["first.mean"], given["first.spread"]
            first = drawn(mean, spread, self._noise(seed, mean.shape, PICTURE_STREAM), self.parts.vae)
        return KandinskyState(condition, seed, latent, heard, first)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: KandinskyState, index: int) -> KandinskyState:
        numbers = state.condition.numbers
        if index >= numbers.steps:
            return self._refined(state, index - numbers.steps)
        solver, remembered = self._solver(numbers.steps), state.computed
        if reused(remembered, state.moving, index, numbers.steps, numbers.reuse):
            velocities = {name: step.velocity for name, step in remembered.items()}
        else:
            velocities = self._velocities(state, solver.timesteps[index])
            if numbers.reuse:
                remembered = all_computed(remembered, state.moving, velocities)
        moved = {name: solver.step(velocities[name], index, latent, FRESH)[0] for name, latent in state.moving.items()}
        # A distilled one predicts the whole stretch to the next step, its end first.
        heading = state.latent_BTHWC - solver.sigmas[index] * velocities["film"][..., : self.layout.channels]
        return replace(
            state,
            latent_BTHWC=moved["film"],
            sound_BLC=moved.get("sound"),
            index=index + 1,
            heading_BTHWC=heading,
            computed=remembered,
        )

    def decode(self, state: KandinskyState) -> Iterator[Chunk]:
        wave = None if state.sound_BLC is None else sound.sounded(state.sound_BLC, self.layout, self.parts)
        if state.tiles:
            second, grid = self._stage_of(state)
            runs = second.decoded(state, grid, short=self.how.tiles)
        else:
            runs = decoded(state.latent_BTHWC, self.parts.vae, tiles=self.how.tiles)
        yield from beside(runs, state.condition.numbers.fps, wave)

    def foreseen(self, state: KandinskyState) -> KandinskyState:
        """The beginning of where the clip is heading, silent: the whole of it takes as long to decode as in the end.

        Of the second stage it is what the first one made: that is the whole film, and tiles are not.
        """
        newest = state.latent_BTHWC if state.heading_BTHWC is None else state.heading_BTHWC
        return replace(state, latent_BTHWC=newest[:, :FORESEEN], sound_BLC=None, tiles=())

    def restore(self, checkpoint: bytes) -> KandinskyState:
        return restored(checkpoint, self.device)

    def _numbers(self, request: ResolvedRequest) -> Numbers:
        layout, enlarger = self.layout, self.layout.enlarger
        native = first_shape(layout, self._weights, request)
        tiles = refining = 0
        if enlarger is not None and in_two_stages(layout, self._weights, request):
            tiles, refining = len(laid_out(enlarger, native.width, native.height).corners), enlarger.steps
        return Numbers(
            frames=1 + (native.num_frames - 1) // layout.time,
            rows=native.height // layout.space,
            cols=native.width // layout.space,
            sounds=sound.latents_for(native.num_frames, native.fps, layout) if request.generate_audio else 0,
            num_frames=native.num_frames,
            fps=native.fps,
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            tiles=tiles,
            refining=refining,
            reuse=self.how.reuse,
        )

    def _refined(self, state: KandinskyState, at: int) -> KandinskyState:
        second, grid = self._stage_of(state)
        if at == 0:
            film = list(decoded(state.latent_BTHWC, self.parts.vae, tiles=self.how.tiles))
            state = second.begun(state, film, grid, short=self.how.tiles)
        refined: KandinskyState = second.step(state, at, grid, partial(self._noise, state.seed))
        return refined

    def _stage_of(self, state: KandinskyState) -> tuple[SecondStage, Grid]:
        """The second stage of this clip, and its tiles."""
        numbers, space, second = state.condition.numbers, self.layout.space, self._second
        if second is None:
            raise ValueError("this clip is made in two stages, and this model has one")
        return second, laid_out(second.enlarger, numbers.cols * space, numbers.rows * space)

    def _noise(self, seed: int, shape: Any, stream: int = 0) -> Tensor:
        return torch.from_numpy(noise(seed, shape, stream)).to(self.device)

    def _velocities(self, state: KandinskyState, t: Tensor) -> dict[str, Tensor]:
        """Where film and sound move at time `t`, with guidance."""
        numbers, velocities = state.condition.numbers, self._predicted(state, t, "prompt")
        if numbers.guided:
            without, scale = self._predicted(state, t, "negative"), numbers.guidance_scale
            velocities = tuple(guided(plain, other, scale) for plain, other in zip(velocities, without, strict=True))
        return dict(zip(state.moving, velocities, strict=True))

    def _predicted(self, state: KandinskyState, t: Tensor, words: str) -> tuple[Tensor, ...]:
        """Where film and sound move at time `t`, as a pass with these words sees it; of a silent film one of the two.

        A first frame stands behind the film's own, and is told to be at its beginning.
        """
        given, dtype, latent, first = state.condition.given, self.parts.dtype, state.latent_BTHWC, state.first_BTHWC
        about: dict[str, Any] = {}
        if first is not None:
            frames, rows, cols = latent.shape[1], latent.shape[2], latent.shape[3]
            latent = torch.cat([latent, first], dim=1)
            counted = torch.arange(frames + 1, device=self.device)
            times = torch.cat([counted[:-1], counted[:1]])
            places = (torch.arange(side // self.layout.patch, device=self.device) for side in (rows, cols))
            about["visual_rope_pos"] = (times, *places)
            about["visual_token_type_ids"] = (counted == frames).long()[None]
        known = torch.zeros_like(latent[..., :1])
        if first is not None:
            known[:, -1] = 1
        heard = state.sound_BLC
        made = self.parts.transformer(
            hidden_states=torch.cat([latent, torch.zeros_like(latent), known], dim=-1).to(dtype),
            audio_hidden_states=None if heard is None else heard.to(dtype),
            encoder_hidden_states=given[words],
            pooled_projections=given[f"{words}.whole"],
            encoder_attention_mask=given.get(f"{words}.counts"),
            timestep=t.expand(1),
            return_dict=False,
            **about,
        )
        film, *rest = (velocity.float() for velocity in made)
        return (film[:, : state.latent_BTHWC.shape[1]], *rest)

    def _build_solver(self, steps: int) -> Solver:
        found = self.layout.checkpoint
        return Solver(found.parts["scheduler"], found.config("scheduler"), steps, self.device)
