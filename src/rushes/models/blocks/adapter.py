"""A model that diffusers has as blocks behind the adapter's verbs: their steps, our loop.

What a step computes is the library's (tests/open_models holds the two together, bit for bit). What is ours: the state
between steps, a scheduler and a guider for each clip (the library keeps one of each on the pipeline), and the noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.noise import noise
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.blocks.layout import read
from rushes.models.blocks.order import begun, blocks_of, passed, taken_apart
from rushes.models.blocks.state import LAYOUT, BlocksState, Numbers, restored
from rushes.models.loading import arithmetic, read_by, usual_device, usual_dtype, weights_of
from rushes.models.shape import native_of
from rushes.models.whole.components import parts_of
from rushes.models.whole.film import chunks, film
from rushes.models.whole.shape import grid_of


@dataclass(frozen=True, slots=True, eq=False)
class BlocksCondition:
    """What the words came to: the blocks' own dictionary, before any noise."""

    numbers: Numbers
    values: dict[str, Any]
    groups: dict[str, list[str]]


class BlocksAdapter:
    """A checkpoint whose pipeline the library has as blocks. One clip at a time."""

    def __init__(self, card: Card, device: torch.device | None = None, dtype: torch.dtype | None = None) -> None:
        """Load the checkpoint that `card.weights` names. bfloat16 on an accelerator, float32 on a CPU, unless told.

        Errors  GenerationFailed with the reason when it is not there, or is not whole.
        """
        self._card, self._weights = card, weights_of(card)
        self.device = device or usual_device()
        self._dtype = dtype or usual_dtype(self.device)
        found = read_by(read, self._weights)
        self._blocks = blocks_of(found.pipeline)
        self._order = taken_apart(self._blocks)
        self.pipe = self._blocks.init_pipeline()
        self.pipe.update_components(**parts_of(found, self.device, self._dtype))
        self._grid = grid_of(self.pipe)

    def describe(self) -> Card:
        return self._card

    @property
    def device_kind(self) -> str:
        return str(self.device.type)

    def native(self, request: ResolvedRequest) -> Native:
        grid, weights = self._grid, self._weights
        return native_of(request, multiple=grid.multiple, time=grid.time, fps=weights.fps, max_area=weights.max_area)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> BlocksCondition:
        native = self.native(request)
        numbers = Numbers(native.width, native.height, native.num_frames, request.steps, request.guidance_scale)
        given = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "width": native.width,
            "height": native.height,
            "num_frames": native.num_frames,
            "num_inference_steps": request.steps,
            "output_type": "np",
        }
        # With guidance in any case: some text blocks announce negative embeddings, and fail where they make none.
        self._led(replace(numbers, guidance_scale=max(numbers.guidance_scale, 2.0)))
        state = passed(self._order.words, self.pipe, begun(self._blocks, given))
        return BlocksCondition(numbers, state.values, state.kwargs_mapping)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def prepare(self, condition: BlocksCondition, seed: int) -> BlocksState:
        numbers = replace(condition.numbers, seed=seed)
        scheduler = self._led(numbers)
        state = BlocksState(numbers, condition.values, condition.groups, torch.empty(0))
        # Once to learn the shape in which the blocks would draw, and once with ours in it.
        drawn = state.opened()
        drawn.set("generator", torch.Generator().manual_seed(seed))
        like = passed(self._order.start, self.pipe, drawn).values["latents"]
        ours = state.opened()
        ours.set("latents", torch.from_numpy(noise(seed, like.shape)))
        ready = passed(self._order.start, self.pipe, ours)
        kept = self._order.kept.union(*ready.kwargs_mapping.values())
        values = {name: value for name, value in ready.values.items() if name in kept}
        return replace(state, values=values, groups=ready.kwargs_mapping, sigmas=scheduler.sigmas)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: BlocksState, index: int) -> BlocksState:
        scheduler = self._led(state.numbers)
        scheduler.sigmas, scheduler.timesteps = state.sigmas, state.values["timesteps"]
        scheduler._step_index = index
        opened = state.opened()
        opened.set("latents", state.values["latents"].clone())  # some blocks write into it
        held = self._order.loop.get_block_state(opened)
        _, held = self._order.loop.loop_step(self.pipe, held, i=index, t=state.values["timesteps"][index])
        self._order.loop.set_block_state(opened, held)
        return replace(state, values={**state.values, "latents": opened.values["latents"]}, index=index + 1)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def decode(self, state: BlocksState) -> Iterator[Chunk]:
        opened = state.opened()
        opened.set("generator", torch.Generator().manual_seed(state.numbers.seed))
        made = passed(self._order.end, self.pipe, opened).values["videos"]
        numbers = state.numbers
        return chunks(film(made[0], numbers.num_frames, numbers.width, numbers.height))

    def restore(self, checkpoint: bytes) -> BlocksState:
        return restored(checkpoint, self.device)

    def state_format(self) -> str:
        return f"{LAYOUT} {self._card.revision} {arithmetic(self.device, self._dtype)}"

    def _led(self, numbers: Numbers) -> Any:
        """Give the blocks this clip's guider and a scheduler that remembers no other; the scheduler, to be set."""
        pipe = self.pipe
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
        if not math.isclose(pipe.guider.guidance_scale, numbers.guidance_scale):
            pipe.guider = pipe.guider.new(guidance_scale=numbers.guidance_scale)
        return pipe.scheduler
