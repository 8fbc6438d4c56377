"""The LTX-2 family behind the adapter's verbs: a film and its sound, made together; diffusers' networks, our own step.

What is computed is what the library's own pipelines compute, bit for bit (tests/open_models holds the two together).
What is ours besides: a state that can be saved after any step, both streams of it; the same noise on every device;
pictures and clips at any frame; and a film to a sound that is given, which the pipelines have no word for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import Lora, ResolvedRequest
from rushes.diffusion.noise import noise
from rushes.diffusion.reuse import all_computed, reused
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.loading import read_by
from rushes.models.lora import Loras
from rushes.models.ltx2 import memory, sound, text
from rushes.models.ltx2.components import Components
from rushes.models.ltx2.film import decoded, decoded_in_tiles, latent_of
from rushes.models.ltx2.given import KEYFRAMES_STREAM, Beside, Held, held, laid_out, smaller
from rushes.models.ltx2.guidance import Guidance, Scales, published, weighed
from rushes.models.ltx2.layout import DISTILLED, read
from rushes.models.ltx2.lora import networks
from rushes.models.ltx2.refine import enlarged, halved, refining
from rushes.models.ltx2.schedule import DISTILLED_SIGMAS, REFINING_SIGMAS, scheduled
from rushes.models.ltx2.shape import in_two_stages, native_shape
from rushes.models.ltx2.state import LAYOUT, Ltx2Condition, Ltx2State, Numbers, restored
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.solver import FRESH, Solver
from rushes.models.sound import beside

FORESEEN = 2  # latent frames that a look at a half-made clip shows


class Ltx2Adapter(ResidentAdapter):
    """A checkpoint of the family, on the accelerator where there is one. Its parts load when they are needed."""

    saved_as = LAYOUT

    def __init__(self, card: Card, **how: Any) -> None:
        super().__init__(card, **how)
        distilled = self._weights.layout.endswith(DISTILLED)
        self.layout = read_by(partial(read, full=not distilled), self._weights)
        self.parts = Components(self.layout, self.device, self._dtype, self._residency)
        self.networks = self.parts.kept
        self._loras = Loras(card, lambda: networks(self.layout.checkpoint.folder), self.device)
        self._sigmas = DISTILLED_SIGMAS if distilled else ()
        registered = (lora for lora in card.rules.loras if lora.name == self._weights.refiner)
        self._reads = {lora.name: lora for lora in card.rules.loras if lora.reads is not None}
        self._reading = tuple(card.rules.lora_media)
        self._refiner = next((Lora(lora.name, 1.0, lora.revision) for lora in registered), None)
        # A second stage is the end of the distilled schedule.
        self._refines = self.layout.enlarges and (distilled or self._refiner is not None)
        self._solver = lru_cache(maxsize=8)(self._build_solver)

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        needs = memory.needs(
            self.layout,
            self.networks,
            how,
            request,
            self.native(request),
            rows=2 if self.guidance(request.guidance_scale).by_words else 1,
            number_bytes=self._number_bytes,
            shrunk=self._shrunk(request),
        )
        refiner = (self._refiner,) if self._refiner and self._in_two_stages(request) else ()
        loras = {lora.name: lora for lora in (*request.loras, *refiner)}
        return needs.more("steps", self._loras.size_bytes(tuple(loras.values()), self._number_bytes))

    def native(self, request: ResolvedRequest) -> Native:
        layout = self.layout
        return native_shape(
            request,
            space=layout.space,
            time=layout.time,
            max_area=self._weights.max_area,
            two_stages=self._refines,
            by=self._refiner.name if self._refiner else "",
            shrunk=self._shrunk(request),
        )

    def _shrunk(self, request: ResolvedRequest) -> int:
        """How many times smaller each way than the film its LoRA looks at what stands beside it; 1 where nothing does.

        Errors  GenerationFailed where none of its LoRAs is registered for that member, as one was at the door.
        """
        for member in self._reading:
            if member in request.media.given():
                worn = [self._reads[lora.name] for lora in request.loras if lora.name in self._reads]
                found = next((lora for lora in worn if lora.reads == member), None)
                if found is None:
                    said = f"no LoRA looks at media.{member} now, as one did when this video was asked for"
                    raise GenerationFailed(f"{said}; ask for it again")
                return found.shrunk
        return 1

    def _in_two_stages(self, request: ResolvedRequest) -> bool:
        return self._refines and in_two_stages(request, self._weights.max_area)

    def guidance(self, scale: float) -> Guidance:
        """How a clip asked for at `scale` is guided."""
        return published(scale, block=self.layout.guided_block)

    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> Ltx2Condition:
        clips = [*inputs.references, *([] if inputs.source_THWC is None else [inputs.source_THWC])]
        beside = Beside(clips[0], self._shrunk(request)) if clips else None
        condition: Ltx2Condition = self.condition(request, held(inputs, self.layout.time), inputs.sound, beside)
        return condition

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def condition(
        self,
        request: ResolvedRequest,
        given: tuple[Held, ...],
        heard: sound.Samples | None = None,
        beside: Beside | None = None,
    ) -> Ltx2Condition:
        """The condition of a film with what is `given` in it, and to the sound `heard`, (samples, 2) at 48 kHz.

        What stands `beside` it is looked at in the first stage alone, as its makers have it.
        """
        native, layout = self.native(request), self.layout
        seconds = native.num_frames / native.fps
        numbers = Numbers(
            frames=1 + (native.num_frames - 1) // layout.time,
            rows=native.height // layout.space,
            cols=native.width // layout.space,
            sounds=round(seconds * layout.sounds_per_second),
            num_frames=native.num_frames,
            fps=native.fps,
            steps=request.steps,
            guidance_scale=request.guidance_scale,
            audible=request.generate_audio and heard is None,
            loras=request.loras,
            reuse=self.how.reuse,
        )
        prompts = [[request.prompt]]
        if self.guidance(request.guidance_scale).by_words:
            prompts = [[request.negative_prompt, request.prompt]]
            if self._in_two_stages(request):  # the second is not guided
                prompts.append([request.prompt])
        words, *later = text.read(self.parts, *prompts)
        wave = sound.heard(heard, seconds, numbers.sounds, layout, self.parts) if heard is not None else None

        def stage(
            numbers: Numbers,
            words: text.Words,
            given: tuple[Held, ...],
            beside: Beside | None = None,
            then: Ltx2Condition | None = None,
        ) -> Ltx2Condition:
            said = laid_out(given, beside, numbers, layout, self.parts)
            return Ltx2Condition(numbers, words, said if wave is None else {**said, "sound": wave}, then)

        if not self._in_two_stages(request):
            return stage(numbers, words, given, beside)
        half = replace(numbers, rows=numbers.rows // 2, cols=numbers.cols // 2)
        second = stage(refining(half, self._refiner, self._reads), (later or [words])[0], given)
        if beside is not None:
            beside = replace(beside, frames_THWC=smaller(beside.frames_THWC, 2))
        return stage(half, words, halved(given), beside, second)

    def prepare(self, condition: Ltx2Condition, seed: int) -> Ltx2State:
        numbers, given, layout = condition.numbers, condition.given, self.layout
        # Time before places: a longer clip begins with the noise of a shorter one.
        latent = self._noise(seed, numbers.places, layout.channels, 0)
        if "held" in given:
            free = 1.0 - given["held"]
            behind = self._noise(seed, free.shape[1] - numbers.places, layout.channels, KEYFRAMES_STREAM)
            latent = torch.cat([latent, behind], dim=1) * free + given["clean"] * (1 - free)
        heard = given.get("sound")
        if heard is None:
            heard = self._noise(seed, numbers.sounds, layout.sound_width, sound.STREAM)
        return Ltx2State(condition, latent, heard, seed)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def step(self, state: Ltx2State, index: int) -> Ltx2State:
        if state.condition.next is not None and index == state.condition.end:
            state = enlarged(state, self._noise, self.parts)
        numbers = state.condition.numbers
        sigmas = REFINING_SIGMAS if numbers.before else self._sigmas
        solver = self._solver(numbers.steps, state.latent_BNC.shape[1], sigmas)
        at = index - numbers.before  # within the stage
        remembered = state.computed
        if reused(remembered, state.moving, at, numbers.steps, numbers.reuse):
            velocities = {name: step.velocity for name, step in remembered.items()}
        else:
            transformer = self.parts.transformer
            changed = transformer.transformer_blocks if numbers.loras else ()
            with self._loras.worn(transformer, "transformer", numbers.loras), _plain(*changed):
                velocities = self._velocities(state, solver, at)
            if numbers.reuse:
                remembered = all_computed(state.computed, state.moving, velocities)
        moved = {name: solver.step(velocities[name], at, latent, FRESH)[0] for name, latent in state.moving.items()}
        return replace(
            state,
            latent_BNC=moved["film"],
            sound_BNC=moved.get("sound", state.sound_BNC),
            index=index + 1,
            foreseen_BNC=state.latent_BNC - velocities["film"] * solver.sigmas[at],
            computed=remembered,
        )

    def decode(self, state: Ltx2State) -> Iterator[Chunk]:
        numbers = state.condition.numbers
        wave = sound.sounded(state.sound_BNC, self.layout, self.parts) if numbers.audible else None
        latent, time = latent_of(state.latent_BNC, numbers), self.layout.time
        side = memory.TILE // self.layout.space
        vae = self.parts.vae
        runs = decoded_in_tiles(latent, vae, time, side) if self.how.tiles else decoded(latent, vae, time)
        yield from beside(runs, numbers.fps, wave)

    def foreseen(self, state: Ltx2State) -> Ltx2State:
        """The beginning of where the clip is heading, silent: the whole of it takes as long to decode as in the end."""
        numbers = state.condition.numbers
        frames = min(FORESEEN, numbers.frames)
        fewer = replace(numbers, frames=frames, num_frames=1 + self.layout.time * (frames - 1), audible=False)
        seen = state.latent_BNC if state.foreseen_BNC is None else state.foreseen_BNC
        return replace(state, condition=replace(state.condition, numbers=fewer), latent_BNC=seen)

    def restore(self, checkpoint: bytes) -> Ltx2State:
        return restored(checkpoint, self.device)

    def _noise(self, seed: int, tokens: int, width: int, stream: int) -> Tensor:
        return torch.from_numpy(noise(seed, (1, tokens, width), stream)).to(self.device)

    def _velocities(self, state: Ltx2State, solver: Solver, index: int) -> dict[str, Tensor]:
        """Where film and sound move, with guidance, and with what is held."""
        clean, clean_sound = self._guided(state, solver, index)
        given, sigma = state.condition.given, solver.sigmas[index]
        if "held" in given:
            clean = clean * (1 - given["held"]) + given["clean"] * given["held"]
        return {"film": (state.latent_BNC - clean) / sigma, "sound": (state.sound_BNC - clean_sound) / sigma}

    def _guided(self, state: Ltx2State, solver: Solver, index: int) -> tuple[Tensor, Tensor]:
        """The clean film and the clean sound, as the passes of this step see them together."""
        guidance = self.guidance(state.condition.numbers.guidance_scale)
        words = state.condition.words
        # Both prompts go through together, as the reference has it; what is plain is behind.
        both = self._predicted(state, solver, index, words)
        plain = [clean[-1:] for clean in both]
        unworded = [clean[:1] if guidance.by_words else None for clean in both]
        unattended: Any = (None, None)
        if guidance.by_attention:
            how = {"spatio_temporal_guidance_blocks": [guidance.block]}
            with _plain(self.parts.transformer.transformer_blocks[guidance.block]):
                unattended = self._predicted(state, solver, index, words.last(), **how)
        alone: Any = (None, None)
        if guidance.by_other:
            alone = self._predicted(state, solver, index, words.last(), isolate_modalities=True)

        def stream(at: int, scales: Scales) -> Tensor:
            clean: Tensor = weighed(
                plain[at], unworded=unworded[at], unattended=unattended[at], alone=alone[at], scales=scales
            )
            return clean

        return stream(0, guidance.picture), stream(1, guidance.sound)

    def _predicted(
        self, state: Ltx2State, solver: Solver, index: int, words: text.Words, **how: Any
    ) -> tuple[Tensor, Tensor]:
        """The clean film and the clean sound that one pass sees, a row for each prompt."""
        numbers, given, dtype = state.condition.numbers, state.condition.given, self.parts.dtype
        transformer = self.parts.transformer
        latent, heard = state.latent_BNC, state.sound_BNC
        rows = len(words.counts_RP)
        level = solver.timesteps[index].expand(rows)
        # A sound that was given has no noise in it, and the film is told so.
        heard_level = torch.zeros_like(level) if "sound" in given else level
        levels = level
        if "held" in given:
            levels = level.unsqueeze(-1) * (1 - given["held"].expand(rows, -1, -1).squeeze(-1))
        places = transformer.rope.prepare_video_coords(
            1, numbers.frames, numbers.rows, numbers.cols, self.device, fps=numbers.fps
        )
        if "places" in given:
            places = torch.cat([places, given["places"]], dim=2)
        times = transformer.audio_rope.prepare_audio_coords(1, numbers.sounds, self.device)
        velocity, heard_velocity = transformer(
            hidden_states=torch.cat([latent] * rows).to(dtype),
            audio_hidden_states=torch.cat([heard] * rows).to(dtype),
            encoder_hidden_states=words.picture_RPW,
            audio_encoder_hidden_states=words.sound_RPW,
            timestep=levels,
            audio_timestep=heard_level,
            sigma=level,
            audio_sigma=heard_level,
            encoder_attention_mask=words.counts_RP,
            audio_encoder_attention_mask=words.counts_RP,
            num_frames=numbers.frames,
            height=numbers.rows,
            width=numbers.cols,
            fps=numbers.fps,
            audio_num_frames=numbers.sounds,
            video_coords=places.repeat(rows, 1, 1, 1),
            audio_coords=times.repeat(rows, 1, 1, 1),
            use_cross_timestep=not self.layout.first,
            return_dict=False,
            **how,
        )
        sigma = solver.sigmas[index]
        return latent - velocity.float() * sigma, heard - heard_velocity.float() * sigma

    def _build_solver(self, steps: int, tokens: int, sigmas: tuple[float, ...]) -> Solver:
        return scheduled(self.layout.checkpoint.config("scheduler"), steps, tokens, self.device, sigmas)


@contextmanager
def _plain(*blocks: Any) -> Iterator[None]:
    """`blocks` without what they were compiled to.

    In one that looks at nothing but itself a tensor decides on it, which torch does not compile; LoRAs are other code.
    """
    compiled = [block._compiled_call_impl for block in blocks]
    try:
        for block in blocks:
            block._compiled_call_impl = None
        yield
    finally:
        for block, kept in zip(blocks, compiled, strict=True):
            block._compiled_call_impl = kept
