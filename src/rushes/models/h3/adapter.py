"""MiniMax-H3 behind the adapter's verbs: the library's blocks do what they do, and the loop around their steps is ours.

What a step computes is the library's (tests/open_models holds the two together, bit for bit). What is ours: the state
between steps, the noise of film and sound, and where in time the last picture stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from diffusers import MiniMaxH3Scheduler
from diffusers.modular_pipelines.minimax_h3.before_denoise import MiniMaxH3PrepareLatentsStep
from diffusers.modular_pipelines.minimax_h3.modular_blocks_minimax_h3 import MiniMaxH3Blocks
from diffusers.modular_pipelines.modular_pipeline import PipelineState

from rushes.catalogue.card import Card
from rushes.catalogue.pace import num_made
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.noise import noise
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.blocks.film import sounded
from rushes.models.blocks.order import Order, begun, passed, taken_apart
from rushes.models.blocks.state import LAYOUT, BlocksState, Numbers, restored
from rushes.models.h3 import memory
from rushes.models.h3.components import networks_of, piped
from rushes.models.h3.given import ends_of, examples
from rushes.models.h3.layout import SCHEDULERS, read
from rushes.models.loading import read_by
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.shape import native_size
from rushes.models.waiting import WaitingNetworks
from rushes.models.whole.film import film

STREAMS = {"latents": 0, "audio_latents": 1 << 33}
"""Of the seed's noise, by what the blocks call the latents that begin as it."""
LATER = 5 / 3  # on the clock of the sequence, from one frame of the film to the next
CHANNELS = 2  # of the sound
WAYS = {"words": (), "frames": ("image",), "examples": ("references",)}
"""What decides between the ways through the blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class H3State(BlocksState):
    """heading  where the film was heading at the last step, for those who watch; not saved."""

    heading: torch.Tensor | None = None


class H3Adapter(ResidentAdapter):
    """A checkpoint of the family. One clip at a time."""

    saved_as = LAYOUT
    networks: WaitingNetworks

    def __init__(self, card: Card, **how: Any) -> None:
        super().__init__(card, **how)
        found = read_by(read, self._weights)
        self.networks = networks_of(found, self.device, self._dtype, self._residency)
        self._blocks = MiniMaxH3Blocks()
        self.pipe = piped(self._blocks, found, self.networks)
        self._way = lru_cache(maxsize=len(WAYS))(self._build_way)

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        networks, native, config = self.networks, self.native(request), self.pipe.config
        return memory.needs(
            request,
            native,
            memory.tokens(
                request,
                native,
                picture_side=config["reference_image_short_edge"],
                clip_area=config["canvas_max_pixels"],
            ),
            {name: networks.config(name) for name in networks.kinds},
            networks.keys,
            {name: networks.here_bytes(name, by_turns=how.blocks) for name in networks.kinds},
            number_bytes=self._number_bytes,
        )

    def native(self, request: ResolvedRequest) -> Native:
        pipe, weights = self.pipe, self._weights
        width, height = native_size(request.width, request.height, pipe.canvas_multiple, weights.max_area)
        frames = num_made(request.seconds, weights.fps, pipe.vae_frames_per_chunk, pipe.vae_latents_per_chunk)
        return Native(width, height, fps=weights.fps, num_frames=frames)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> BlocksState:
        """The state before any noise is in it."""
        native, ends = self.native(request), ends_of(inputs)
        references = examples(inputs, self.pipe.audio_sampling_rate)
        numbers = Numbers(
            native.width,
            native.height,
            native.num_frames,
            request.steps,
            guidance_scale=1.0,
            sound=request.generate_audio,
            way="examples" if references else "frames" if ends else "words",
        )
        given = {
            **ends,
            "references": references or None,
            "prompt": request.prompt,
            "width": native.width,
            "height": native.height,
            "num_frames": native.num_frames,
            "num_inference_steps": request.steps + 1,  # the blocks count the end of the last step as one
            "output_type": "np",
        }
        order = self._way(numbers.way)
        state = passed(order.words, self.pipe, begun(self._blocks, given))
        if "last_image" in ends:
            last = max(at for at, _ in inputs.keyframes)
            state.set("frames_behind", native.num_frames - 1 - last)
        return BlocksState(numbers, state.values, state.kwargs_mapping, torch.empty(0), {})

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def prepare(self, condition: BlocksState, seed: int) -> H3State:
        numbers, pipe = replace(condition.numbers, seed=seed), self.pipe
        order, opened = self._way(numbers.way), condition.opened()
        for name in SCHEDULERS:
            setattr(pipe, name, self._scheduler(name))
        # What is given gets a little noise, which the blocks draw before that of the film.
        opened.set("generator", torch.Generator().manual_seed(seed))
        for block in order.start:
            if isinstance(block, MiniMaxH3PrepareLatentsStep):
                self._begin(opened, seed)
            _, opened = block(pipe, opened)
        kept = order.kept.union(*opened.kwargs_mapping.values())
        values = {name: value for name, value in opened.values.items() if name in kept}
        return H3State(numbers, values, opened.kwargs_mapping, pipe.scheduler.sigmas, {})

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: H3State, index: int) -> H3State:
        loop, opened = self._way(state.numbers.way).loop, state.opened()
        for name in SCHEDULERS:
            scheduler = self._scheduler(name)
            scheduler.set_timesteps(state.numbers.steps + 1, device=self.device)
            setattr(self.pipe, name, scheduler)
        for name in STREAMS:
            opened.set(name, state.values[name].clone())  # written into
        held = loop.get_block_state(opened)
        _, held = loop.loop_step(self.pipe, held, i=index, t=state.values["timesteps"][index])
        loop.set_block_state(opened, held)
        moved = {name: opened.values[name] for name in STREAMS}
        left = state.sigmas[index + 1] / state.sigmas[index]  # of what the film was before
        heading = (moved["latents"] - left * state.values["latents"]) / (1 - left)
        return replace(state, values={**state.values, **moved}, index=index + 1, heading=heading)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def decode(self, state: H3State) -> Iterator[Chunk]:
        numbers = state.numbers
        *end, sound = self._way(numbers.way).end
        opened = passed([*end, sound] if numbers.sound else end, self.pipe, state.opened())
        made = np.asarray(opened.values["videos"])[0]
        wave = opened.values["audio"][0].cpu().numpy() if numbers.sound else None
        shown = film(made, numbers.num_frames, numbers.width, numbers.height)
        return sounded(shown, self._weights.fps, wave, self.pipe.audio_sampling_rate)

    def foreseen(self, state: H3State) -> H3State:
        """A look at the film's first run of frames, as the last step saw it; without sound."""
        numbers, values, pipe = state.numbers, state.values, self.pipe
        given, frames = values["num_condition_video_rows"], values["num_latent_frames"]
        shown = pipe.vae_latents_per_chunk + 2  # a run, and what the next one fades in from
        rows = given + (len(values["latents"]) - given) // frames * shown
        newest = values["latents"] if state.heading is None else state.heading
        first = {"latents": newest[:rows], "num_latent_frames": shown}
        few = replace(numbers, num_frames=pipe.vae_frames_per_chunk + pipe.vae_latents_per_chunk, sound=False)
        return replace(state, numbers=few, values={**values, **first})

    def restore(self, checkpoint: bytes) -> H3State:
        found = restored(checkpoint, self.device)
        return H3State(**{field.name: getattr(found, field.name) for field in fields(found)})

    def _build_way(self, way: str) -> Order:
        return taken_apart(self._blocks, dict.fromkeys(WAYS[way], True))

    def _scheduler(self, name: str) -> MiniMaxH3Scheduler:
        """A scheduler that remembers no other clip."""
        scheduler: MiniMaxH3Scheduler = MiniMaxH3Scheduler.from_config(getattr(self.pipe, name).config)
        return scheduler

    def _begin(self, opened: PipelineState, seed: int) -> None:
        """Noise for film and sound as the blocks take it, and the last picture at the frame that it was given for."""
        values, pipe = opened.values, self.pipe
        # Time before channels: a longer film begins with the noise of a shorter one.
        places = (
            values["num_latent_frames"],
            pipe.vae_latent_channels,
            values["latent_height"],
            values["latent_width"],
        )
        sounds = (values["num_audio_latents"], CHANNELS, pipe.audio_latent_channels)
        film_TCHW = noise(seed, places, STREAMS["latents"])
        sound_NSC = noise(seed, sounds, STREAMS["audio_latents"])
        opened.set("latents", torch.from_numpy(film_TCHW).movedim(0, 1)[None])
        opened.set("audio_latents", torch.from_numpy(sound_NSC).permute(1, 2, 0))
        behind = values.get("frames_behind")
        if behind:
            # The blocks put it at the end of what they make, of which the film may leave out the end.
            words = values["text_indices"].numel()
            given = values["num_condition_video_rows"]
            first = words + given - given // len(values["keyframe_anchors"])
            position_ids = values["position_ids"].clone()
            position_ids[first : words + given, 0] -= behind * LATER
            opened.set("position_ids", position_ids, "denoiser_input_fields")
