"""A model that diffusers has as blocks behind the adapter's verbs: their steps, our loop.

What a step computes is the library's (tests/open_models holds the two together, bit for bit). What is ours: the state
between steps, schedulers and a guider for each clip (the library keeps one of each on the pipeline), and the noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from diffusers import SchedulerMixin, UniPCMultistepScheduler

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.noise import noise
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.blocks import memory
from rushes.models.blocks.film import sounded
from rushes.models.blocks.layout import BLOCKS, read
from rushes.models.blocks.order import Order, begun, blocks_of, passed, taken_apart
from rushes.models.blocks.state import LAYOUT, BlocksState, Numbers, restored
from rushes.models.blocks.unpadded import attending_to_all, without_padding, without_picture
from rushes.models.loading import read_by
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.shape import native_on
from rushes.models.solver import FRESH, remember, remembered
from rushes.models.waiting import WaitingNetworks, placed
from rushes.models.whole.components import networks_of, parts_of
from rushes.models.whole.film import film
from rushes.models.whole.shape import grid_of, space_of

STREAMS = {"latents": 0, "sound_latents": 1 << 33}
"""Of the seed's noise, by what the blocks call the latents that begin as it."""
SCHEDULERS = ("scheduler", "sound_scheduler")
"""What steps them, in the same order; the blocks copy the second from the first, into a clip's own values."""


@dataclass(frozen=True, slots=True, eq=False)
class BlocksCondition:
    """What words and picture came to: the blocks' own dictionary, before any noise."""

    numbers: Numbers
    values: dict[str, Any]
    groups: dict[str, list[str]]


class BlocksAdapter(ResidentAdapter):
    """A checkpoint whose pipeline the library has as blocks. One clip at a time."""

    saved_as = LAYOUT
    networks: WaitingNetworks

    def __init__(self, card: Card, **how: Any) -> None:
        super().__init__(card, **how)
        self._found = found = read_by(read, self._weights)
        self.networks = networks_of(found, self.device, self._dtype, self._residency)
        self._blocks = blocks_of(found.pipeline)
        self._way = lru_cache(maxsize=4)(self._build_way)
        self.pipe = placed(self._blocks.init_pipeline(), self.device)
        settings = {name: value for name, value in found.settings.items() if name in self.pipe._config_specs}
        parts = parts_of(found, self.networks)
        self.pipe.update_components(**parts, **settings)
        if hasattr(self.pipe, "disable_safety_checker"):
            self.pipe.disable_safety_checker()  # a package of its own; the card says that it does not run here
        self._grid = grid_of(self.pipe)
        self._family = BLOCKS[found.pipeline]
        self.networks.how = self._always(self.networks.how)

    def accelerate(self, how: How, dress: Callable[[Any], None]) -> None:
        super().accelerate(self._always(how), dress)

    def _always(self, how: How) -> How:
        return replace(how, tiles=how.tiles or self._family.tiles)

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        shape = self.native(request), self._grid, space_of(self.pipe)
        return memory.needs(self._found.pipeline, self.networks, self._always(how), request, *shape)

    def native(self, request: ResolvedRequest) -> Native:
        return native_on(self._grid, self._weights, request)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> BlocksCondition:
        native = self.native(request)
        first = next((picture for at, picture in inputs.keyframes if at == 0), None)
        numbers = Numbers(
            native.width,
            native.height,
            native.num_frames,
            request.steps,
            request.guidance_scale,
            sound=request.generate_audio,
            picture=first is not None,
        )
        given = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "image": first,
            "enable_sound": numbers.sound,
            "width": native.width,
            "height": native.height,
            "num_frames": native.num_frames,
            "fps": float(native.fps),
            "num_inference_steps": request.steps,
            "guidance_scale": request.guidance_scale,
            "output_type": "np",
        }
        # With guidance in any case: some text blocks announce negative embeddings, and fail where they make none.
        self._led(replace(numbers, guidance_scale=max(numbers.guidance_scale, 2.0)))
        state = passed(self._order(numbers).words, self.pipe, begun(self._blocks, given))
        values = without_padding(state.values) if self._family.padded else state.values
        return BlocksCondition(numbers, values, state.kwargs_mapping)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def prepare(self, condition: BlocksCondition, seed: int) -> BlocksState:
        numbers, order = replace(condition.numbers, seed=seed), self._order(condition.numbers)
        self._led(numbers)
        state = BlocksState(numbers, condition.values, condition.groups, torch.empty(0), {})
        # Once to learn the shapes in which the blocks would draw, and once with ours in them.
        drawn = state.opened()
        drawn.set("generator", torch.Generator().manual_seed(seed))
        like = passed(order.start, self.pipe, drawn).values
        ours = state.opened()
        for name in self._streams(numbers):
            ours.set(name, _begun_with(like, name, torch.from_numpy(noise(seed, like[name].shape, STREAMS[name]))))
        ready = passed(order.start, self.pipe, ours)
        kept = order.kept.union(*ready.kwargs_mapping.values())
        values = {
            name: value
            for name, value in ready.values.items()
            if name in kept and not isinstance(value, SchedulerMixin)
        }
        if self._family.padded:
            values = without_picture(values)
        memories = dict.fromkeys(SCHEDULERS[: len(self._streams(numbers))], FRESH) if self._multistep else {}
        return replace(
            state, values=values, groups=ready.kwargs_mapping, sigmas=self.pipe.scheduler.sigmas, memories=memories
        )

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: BlocksState, index: int) -> BlocksState:
        loop, streams = self._order(state.numbers).loop, self._streams(state.numbers)
        self._led(state.numbers)
        schedulers = {name: self._scheduler(state, name, index) for name in SCHEDULERS[: len(streams)]}
        self.pipe.scheduler = schedulers["scheduler"]
        opened = state.opened()
        opened.set("sound_scheduler", schedulers.get("sound_scheduler"))
        for name in streams:
            opened.set(name, state.values[name].clone())  # some blocks write into it
        held = loop.get_block_state(opened)
        network = self.networks.get("transformer")
        with attending_to_all(network) if self._family.padded else nullcontext():
            _, held = loop.loop_step(self.pipe, held, i=index, t=state.values["timesteps"][index])
        loop.set_block_state(opened, held)
        moved = {name: opened.values[name] for name in streams}
        memories = {name: remembered(schedulers[name]) for name in state.memories}
        return replace(state, values={**state.values, **moved}, memories=memories, index=index + 1)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def decode(self, state: BlocksState) -> Iterator[Chunk]:
        numbers, opened = state.numbers, state.opened()
        opened.set("generator", torch.Generator().manual_seed(numbers.seed))
        values = passed(self._order(numbers).end, self.pipe, opened).values
        made = np.asarray(values["videos"])
        frames = film(made[0] if made.ndim == 5 else made, numbers.num_frames, numbers.width, numbers.height)
        wave = values["sound"].float().cpu().numpy() if numbers.sound else None
        return sounded(frames, self._weights.fps, wave, int(values["sampling_rate"]) if numbers.sound else 0)

    def restore(self, checkpoint: bytes) -> BlocksState:
        return restored(checkpoint, self.device)

    @property
    def _multistep(self) -> bool:
        return isinstance(self.pipe.scheduler, UniPCMultistepScheduler)

    def _streams(self, numbers: Numbers) -> tuple[str, ...]:
        return tuple(STREAMS) if numbers.sound else ("latents",)

    def _order(self, numbers: Numbers) -> Order:
        return self._way(picture=numbers.picture, sound=numbers.sound)

    def _build_way(self, *, picture: bool, sound: bool) -> Order:
        """The way through the blocks for such a clip: they ask what is given, some of it by what others made."""
        given = {"image": picture or None, "enable_sound": sound, "sound_latents": sound or None}
        return taken_apart(self._blocks, given)

    def _led(self, numbers: Numbers) -> None:
        """Give the blocks this clip's guider, where they have one, and a scheduler that remembers no other clip."""
        pipe = self.pipe
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
        guider = getattr(pipe, "guider", None)
        if guider is not None and not math.isclose(guider.guidance_scale, numbers.guidance_scale):
            pipe.guider = guider.new(guidance_scale=numbers.guidance_scale)

    def _scheduler(self, state: BlocksState, name: str, index: int) -> Any:
        """The scheduler `name` of this clip, as it stands before step `index`."""
        scheduler = type(self.pipe.scheduler).from_config(self.pipe.scheduler.config)
        scheduler.sigmas, scheduler.timesteps = state.sigmas, state.values["timesteps"]
        scheduler.num_inference_steps, scheduler._step_index = state.num_steps, index
        if name in state.memories:
            remember(scheduler, state.memories[name])
        return scheduler


def _begun_with(like: dict[str, Any], name: str, drawn: torch.Tensor) -> torch.Tensor:
    """Noise, and what is known of the film where it is known: blocks that are given latents leave out to mix it in."""
    mask, known = like.get("vision_condition_mask"), like.get("vision_conditioning_latents")
    if name != "latents" or mask is None or known is None:
        return drawn
    drawn = drawn.to(known.device)
    mixed: torch.Tensor = mask * known + (1.0 - mask) * drawn
    return mixed
