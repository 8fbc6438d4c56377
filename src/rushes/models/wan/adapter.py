"""The Wan family behind the adapter's verbs: diffusers' networks, our own step.

What is computed is what the library's own pipelines compute, bit for bit (tests/open_models holds the two together).
What is ours: a state that can be saved after any step and gone on with elsewhere, noise that is the same on every
device, frames that stream out of the decoder, and no word of a request that is silently dropped.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import torch

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.guidance import guided
from rushes.diffusion.noise import noise
from rushes.diffusion.reuse import computed, reused
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.loading import read_by
from rushes.models.lora import Loras
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.shape import native_on
from rushes.models.solver import Solver
from rushes.models.wan import memory
from rushes.models.wan.components import Components
from rushes.models.wan.film import decoded, decoded_in_tiles
from rushes.models.wan.given import laid_out
from rushes.models.wan.layout import read
from rushes.models.wan.lora import networks
from rushes.models.wan.state import LAYOUT, Numbers, WanCondition, WanState, restored
from rushes.models.wan.text import embedded, padded

PROMPTS_KEPT = 64
"""Embedded prompts, of up to 4 MB each."""


class WanAdapter(ResidentAdapter):
    """A checkpoint of the family, on the accelerator where there is one. Its parts load when they are needed."""

    saved_as = LAYOUT

    def __init__(self, card: Card, *, parts: Components | None = None, **how: Any) -> None:
        """`parts` are taken instead of the folder's, where they are given, as they were told to load."""
        if parts is not None:
            how = {"device": parts.device, "dtype": parts.dtype, "residency": parts.residency}
        super().__init__(card, **how)
        self.parts = parts or Components(read_by(read, self._weights), self.device, self._dtype, self._residency)
        self.networks, self.layout = self.parts.kept, self.parts.layout
        self._loras = Loras(card, lambda: networks(self.layout.checkpoint.folder), self.device)
        self._solver = lru_cache(maxsize=8)(self._build_solver)
        self._words: OrderedDict[str, torch.Tensor] = OrderedDict()

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        numbers = self._numbers(request, len(request.media.reference_images))
        needs = memory.needs(
            self.layout,
            self.networks,
            how,
            prompts=2 if how.together and numbers.guided else 1,
            frames=numbers.frames + numbers.references,
            rows=numbers.rows,
            cols=numbers.cols,
            number_bytes=self._number_bytes,
            film=self.layout.kind == "any frames" or bool(request.media.given()),
        )
        return needs.more("steps", self._loras.size_bytes(numbers.loras, self._number_bytes))

    def native(self, request: ResolvedRequest) -> Native:
        return native_on(self.layout, self._weights, request)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> WanCondition:
        native, parts, numbers = self.native(request), self.parts, self._numbers(request, len(inputs.references))
        self._residency.leave(int(memory.words_bytes(self.layout, self._number_bytes)))
        prompt = self._read(request.prompt)
        negative = self._read(request.negative_prompt) if numbers.guided else None
        pixels = native.width * native.height
        self._residency.leave(int(memory.encoding_bytes(self.layout, pixels, native.num_frames)))
        return WanCondition(
            numbers, prompt_PW=prompt, negative_PW=negative, given=laid_out(inputs, native, self.layout, parts)
        )

    def prepare(self, condition: WanCondition, seed: int) -> WanState:
        numbers = condition.numbers
        # Time before channels: a longer clip begins with the noise of a shorter one, and references follow in the draw.
        drawn_TCHW = noise(seed, (numbers.frames + numbers.references, self.layout.z_dim, numbers.rows, numbers.cols))
        drawn = torch.from_numpy(drawn_TCHW).roll(numbers.references, dims=0)
        return WanState(condition, drawn.permute(1, 0, 2, 3)[None].contiguous().to(self.device))

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: WanState, index: int) -> WanState:
        numbers, latent = state.condition.numbers, state.latent_BCTHW
        added = self._loras.size_bytes(numbers.loras, self._number_bytes)
        self._residency.leave(self._pass_bytes(state) + added)
        solver = self._solver(numbers.steps)
        remembered = state.computed
        if index > 0 and self._expert(solver, index) != self._expert(solver, index - 1):
            remembered = None  # another network's, which says nothing of this one
        known = {} if remembered is None else {"film": remembered}
        if remembered is not None and reused(known, {"film": latent}, index, numbers.steps, numbers.reuse):
            velocity = remembered.velocity
        else:
            velocity = self._velocity(state, solver, index)
            remembered = computed(remembered, latent, velocity) if numbers.reuse else None
        moved, history = solver.step(velocity, index, latent, state.memory)
        heading = latent - solver.timesteps[index].item() / solver.train_timesteps * velocity
        return WanState(state.condition, moved, index + 1, history, remembered, heading)

    def decode(self, state: WanState) -> Iterator[Chunk]:
        latent, side = self.finished(state), memory.TILE // self.layout.space
        pixels = latent.shape[3] * latent.shape[4] * self.layout.space**2
        frames = state.condition.numbers.num_frames
        self._residency.leave(int(memory.decoding_bytes(self.layout, pixels, frames, self.how)))
        runs = decoded_in_tiles(latent, self.parts.vae, side) if self.how.tiles else decoded(latent, self.parts.vae)
        yield from map(Chunk, runs)

    def foreseen(self, state: WanState) -> WanState:
        """Where the clip is heading, for those who watch. After a resume, before the next step, as far as is known."""
        kept = [name for name in state.memory.tensors if name.startswith("model_outputs.")]
        heading = state.memory.tensors[max(kept)] if kept else state.heading_BCTHW
        return state if heading is None else replace(state, latent_BCTHW=heading)

    def finished(self, state: WanState) -> torch.Tensor:
        """The latent of the film: without references, and what was given in its place again."""
        latent, first = (
            state.latent_BCTHW[:, :, state.condition.numbers.references :],
            state.condition.given.get("first"),
        )
        return latent if first is None else torch.cat([first.to(latent), latent[:, :, 1:]], dim=2)

    def restore(self, checkpoint: bytes) -> WanState:
        return restored(checkpoint, self.device)

    def state_format(self) -> str:
        shift = "" if self._weights.shift is None else f" shift {self._weights.shift:g}"
        return f"{super().state_format()}{shift}"

    def _numbers(self, request: ResolvedRequest, references: int) -> Numbers:
        native = self.native(request)
        return Numbers(
            frames=1 + (native.num_frames - 1) // self.layout.time,
            rows=native.height // self.layout.space,
            cols=native.width // self.layout.space,
            num_frames=native.num_frames,
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            references=references,
            reuse=self.how.reuse,
            loras=request.loras,
        )

    def _read(self, prompt: str) -> torch.Tensor:
        """What the text encoder makes of a prompt; the last ones are kept, and need no encoder."""
        if prompt not in self._words:
            self._words[prompt] = embedded(prompt, self.parts.tokenizer, self.parts.text_encoder, self.device)
            if len(self._words) > PROMPTS_KEPT:
                self._words.popitem(last=False)
        self._words.move_to_end(prompt)
        return self._words[prompt]

    def _pass_bytes(self, state: WanState) -> int:
        frames, rows, cols = state.latent_BCTHW.shape[2:]
        shape = {"frames": frames, "rows": rows, "cols": cols}
        prompts = len(state.condition.words_PW) if self.how.together else 1
        made = memory.pass_bytes(self.layout, self.how, prompts, **shape, number_bytes=self._number_bytes)
        return int(made + memory.state_bytes(self.layout, **shape))

    def _expert(self, solver: Solver, index: int) -> str:
        """Who works at this noise."""
        names, boundary = self.layout.experts, self.layout.boundary_ratio
        if boundary is None or solver.timesteps[index] >= boundary * solver.train_timesteps:
            return names[0]
        return names[1]

    def _velocity(self, state: WanState, solver: Solver, index: int) -> torch.Tensor:
        """Where the latent moves, with guidance."""
        name, scale = self._expert(solver, index), state.condition.numbers.guidance_scale
        if name != self.layout.experts[0]:
            scale *= self._weights.experts_guidance
        expert, told = self.parts.expert(name), self._told(state, solver.timesteps[index])
        with self._loras.worn(expert, name, state.condition.numbers.loras):
            words = state.condition.words_PW
            if self.how.together:
                velocity, *without = self._pass(expert, told, *words).split(1)
            else:  # a pass of its own: in a batch of two the last bits of each would depend on the other
                velocity, *without = [self._pass(expert, told, prompt) for prompt in words]
        return guided(velocity, without[0], scale) if without else velocity

    def _told(self, state: WanState, timestep: torch.Tensor) -> dict[str, torch.Tensor]:
        """What a pass is told besides the words."""
        latent, given, dtype = state.latent_BCTHW, state.condition.given, self.parts.dtype
        if self.layout.kind == "text or first frame":
            moving = torch.ones_like(latent[0, 0])
            if "first" in given:
                moving[0] = 0.0
                latent = self.finished(state)
            # A token for each patch, and a time for each token: what is given is at time 0.
            times = (moving[:, :: self.layout.patch, :: self.layout.patch] * timestep).flatten()[None]
            return {"hidden_states": latent.to(dtype), "timestep": times}
        if "beside" in given:
            latent = torch.cat([latent, given["beside"]], dim=1)
        told = {"hidden_states": latent.to(dtype), "timestep": timestep.expand(1)}
        if "seen" in given:
            told["encoder_hidden_states_image"] = given["seen"].to(dtype)
        if "control" in given:
            told["control_hidden_states"] = given["control"].to(dtype)
        return told

    def _pass(self, expert: Any, told: dict[str, torch.Tensor], *words_PW: torch.Tensor) -> torch.Tensor:
        """Where the latent moves, a row for each prompt."""
        words, prompts = torch.cat([padded(prompt) for prompt in words_PW]).to(self.parts.dtype), len(words_PW)
        rows = {
            # Two pictures of one clip are rows already; what is one row is not copied.
            name: value.expand(prompts, *value.shape[1:]) if len(value) == 1 else torch.cat([value] * prompts)
            for name, value in told.items()
        }
        velocity: torch.Tensor = expert(encoder_hidden_states=words, return_dict=False, **rows)[0]
        return velocity

    def _build_solver(self, steps: int) -> Solver:
        shift = self._weights.shift
        if shift is not None:
            levels = [1 - step / steps for step in range(steps)]
            return Solver("FlowMatchEulerDiscreteScheduler", {"shift": shift}, steps, self.device, sigmas=levels)
        config = self.layout.checkpoint.config("scheduler")
        return Solver(self.layout.scheduler, config, steps, self.device)
