"""The Wan family behind the adapter's verbs: diffusers' networks, our own step.

What is computed is what the library's own pipelines compute, bit for bit (tests/open_models holds the two together).
What is ours: a state that can be saved after any step and gone on with elsewhere, noise that is the same on every
device, frames that stream out of the decoder, and no word of a request that is silently dropped.
"""

from __future__ import annotations

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
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.loading import arithmetic, read_by, usual_device, usual_dtype, weights_of
from rushes.models.shape import native_of
from rushes.models.solver import Solver
from rushes.models.wan.components import loaded
from rushes.models.wan.film import decoded
from rushes.models.wan.given import laid_out
from rushes.models.wan.layout import read
from rushes.models.wan.state import LAYOUT, Numbers, WanCondition, WanState, restored
from rushes.models.wan.text import embedded, padded


class WanAdapter:
    """A checkpoint of the family, on the accelerator where there is one. Loading takes minutes; keep it."""

    def __init__(self, card: Card, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        """Load the checkpoint that `card.weights` names. bfloat16 on an accelerator, float32 on a CPU, unless told.

        Errors  GenerationFailed with the reason when it is not there, or is not whole.
        """
        self._card, self._weights = card, weights_of(card)
        self.device = device or usual_device()
        self.layout = read_by(read, self._weights)
        self.parts = loaded(self.layout, self.device, dtype or usual_dtype(self.device))
        self._solver = lru_cache(maxsize=8)(self._build_solver)

    def describe(self) -> Card:
        return self._card

    @property
    def device_kind(self) -> str:
        return str(self.device.type)

    def denoisers(self) -> tuple[Any, ...]:
        return self.parts.experts

    def native(self, request: ResolvedRequest) -> Native:
        layout, weights = self.layout, self._weights
        return native_of(
            request, multiple=layout.multiple, time=layout.time, fps=weights.fps, max_area=weights.max_area
        )

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> WanCondition:
        native, parts = self.native(request), self.parts
        numbers = Numbers(
            frames=1 + (native.num_frames - 1) // self.layout.time,
            rows=native.height // self.layout.space,
            cols=native.width // self.layout.space,
            num_frames=native.num_frames,
            steps=request.steps,
            guidance_scale=request.guidance_scale,
        )
        negative = None
        if numbers.guided:
            negative = embedded(request.negative_prompt, parts.tokenizer, parts.text_encoder)
        return WanCondition(
            numbers,
            prompt_PW=embedded(request.prompt, parts.tokenizer, parts.text_encoder),
            negative_PW=negative,
            given=laid_out(inputs, native, self.layout, parts),
        )

    def prepare(self, condition: WanCondition, seed: int) -> WanState:
        numbers = condition.numbers
        # Time before channels: a longer clip begins with the noise of a shorter one.
        drawn_TCHW = noise(seed, (numbers.frames, self.layout.z_dim, numbers.rows, numbers.cols))
        latent = torch.from_numpy(drawn_TCHW).permute(1, 0, 2, 3)[None].contiguous()
        return WanState(condition, latent.to(self.device))

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: WanState, index: int) -> WanState:
        numbers = state.condition.numbers
        solver = self._solver(numbers.steps)
        expert, scale = self._expert(solver, index, numbers.guidance_scale)
        told = self._told(state, solver.timesteps[index])
        velocity = self._velocity(expert, state.condition.prompt_PW, told)
        if state.condition.negative_PW is not None:
            # A pass of its own: in a batch of two the last bits of each would depend on the other.
            velocity = guided(velocity, self._velocity(expert, state.condition.negative_PW, told), scale)
        latent, memory = solver.step(velocity, index, state.latent_BCTHW, state.memory)
        return replace(state, latent_BCTHW=latent, index=index + 1, memory=memory)

    def decode(self, state: WanState) -> Iterator[Chunk]:
        for frames_THWC in decoded(self.finished(state), self.parts.vae):
            yield Chunk(frames_THWC)

    def foreseen(self, state: WanState) -> WanState:
        """Where the clip is heading, for those who watch: the last prediction, which multi-step solvers keep."""
        kept = [name for name in state.memory.tensors if name.startswith("model_outputs.")]
        return replace(state, latent_BCTHW=state.memory.tensors[max(kept)]) if kept else state

    def finished(self, state: WanState) -> torch.Tensor:
        """The latent of the film: what was given in its place again."""
        first = state.condition.given.get("first")
        if first is None:
            return state.latent_BCTHW
        return torch.cat([first.to(state.latent_BCTHW), state.latent_BCTHW[:, :, 1:]], dim=2)

    def restore(self, checkpoint: bytes) -> WanState:
        return restored(checkpoint, self.device)

    def state_format(self) -> str:
        return f"{LAYOUT} {self._card.revision} {arithmetic(self.device, self.parts.dtype)}"

    def _expert(self, solver: Solver, index: int, scale: float) -> tuple[Any, float]:
        """Who works at this noise, and how much guidance it is given."""
        experts, boundary = self.parts.experts, self.layout.boundary_ratio
        if boundary is None or solver.timesteps[index] >= boundary * solver.train_timesteps:
            return experts[0], scale
        return experts[1], scale * self._weights.experts_guidance

    def _told(self, state: WanState, timestep: torch.Tensor) -> dict[str, torch.Tensor]:
        """What a pass is told besides the words."""
        latent, given, dtype = state.latent_BCTHW, state.condition.given, self.parts.experts[0].dtype
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

    def _velocity(self, expert: Any, words_PW: torch.Tensor, told: dict[str, torch.Tensor]) -> torch.Tensor:
        words = padded(words_PW).to(expert.dtype)
        velocity: torch.Tensor = expert(encoder_hidden_states=words, return_dict=False, **told)[0]
        return velocity

    def _build_solver(self, steps: int) -> Solver:
        config = self.layout.checkpoint.config("scheduler")
        return Solver(self.layout.scheduler, config, steps, self.device)
