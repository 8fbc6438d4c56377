"""Any video pipeline of diffusers behind the adapter's verbs: the library's own call, which we let stand still.

What is ours: the noise, where a pipeline starts from nothing but noise; that a clip can be stopped between two steps
without a decode; sizes and lengths known before anything is made; and no parameter that is dropped without a word.
What cannot be ours: the state is inside the call, so that it is neither saved nor looked at (`Card.stepwise`).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import ref

import torch
from PIL import Image

from rushes.catalogue.card import Card
from rushes.contract.artifact import Native
from rushes.contract.request import ResolvedRequest
from rushes.diffusion.noise import noise
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS, Chunk, Inputs
from rushes.models.loading import arithmetic, read_by
from rushes.models.parts import How, Needs
from rushes.models.resident import ResidentAdapter
from rushes.models.waiting import WaitingNetworks
from rushes.models.whole.components import networks_of, piped
from rushes.models.whole.film import film, runs
from rushes.models.whole.layout import LENGTHS, read
from rushes.models.whole.memory import weights_alone
from rushes.models.whole.run import Pause, Run
from rushes.models.whole.shape import grid_of, native_of
from rushes.weights.checkpoint import looked_at

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What the call is given, but for noise and size."""

    native: Native
    steps: int
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class WholeState:
    """How far a call has come. It is the call that goes on, not the state: only the newest one can."""

    asked: Asked
    seed: int
    run: Run
    index: int = 0

    @property
    def num_steps(self) -> int:
        return self.asked.steps

    def to_bytes(self) -> bytes:
        raise GenerationFailed("a clip of this model cannot be saved between two steps: its state is inside the call")


class WholeAdapter(ResidentAdapter):
    """The pipeline that a folder names, on the accelerator where there is one. One clip at a time."""

    networks: WaitingNetworks

    def __init__(self, card: Card, **how: Any) -> None:
        super().__init__(card, **how)
        # Size and rate are the card's; the operator may have said them.
        self._pipeline = read_by(partial(read, native=f"1x1@{self._weights.fps}"), self._weights)
        found = read_by(looked_at, self._weights)
        self.networks = networks_of(found, self.device, self._dtype, self._residency)
        self.pipe = piped(found, self.networks)
        self._grid = grid_of(self.pipe, self._pipeline)
        self._takes = inspect.signature(type(self.pipe).__call__).parameters
        self._newest: ref[Run] | None = None  # it goes with the state of its clip, and all that its call has made

    def needs(self, request: ResolvedRequest, how: How) -> Needs:
        """Of its parts alone: what is made while they work is inside the call."""
        return weights_alone(self.networks, how, pictures=bool(request.media.frame_images))

    def native(self, request: ResolvedRequest) -> Native:
        return native_of(request, self._grid, fps=self._weights.fps, max_area=self._weights.max_area)

    def encode(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> Asked:
        native = self.native(request)
        length = next(name for name in LENGTHS if name in self._takes)
        arguments: dict[str, Any] = {
            "width": native.width,
            "height": native.height,
            length: native.num_frames,
            "num_inference_steps": request.steps,
            "output_type": "np",
        }
        if self._pipeline.words:
            arguments["prompt"] = request.prompt
        if self._pipeline.negative:
            arguments["negative_prompt"] = request.negative_prompt
        if self._pipeline.guidance is not None:
            doubled = self._takes.get("true_cfg_scale")
            name = "true_cfg_scale" if doubled is not None and doubled.default > 1 else "guidance_scale"
            arguments[name] = request.guidance_scale
        pictures = dict(inputs.keyframes)
        if 0 in pictures:
            arguments["image"] = Image.fromarray(pictures.pop(0))
        if pictures:
            arguments["last_image"] = Image.fromarray(pictures[max(pictures)])
        return Asked(native, request.steps, arguments)

    def prepare(self, condition: Asked, seed: int) -> WholeState:
        # The pipeline keeps what it is doing on itself: a second call beside the first would change it.
        before = self._run
        if before is not None:
            before.abandon()
        run = Run(lambda pause: self._called(condition, seed, pause))
        self._newest = ref(run)
        return WholeState(condition, seed, run)

    def step(self, state: WholeState, index: int) -> WholeState:
        run = self._going(state)
        run.advance()
        return replace(state, run=run, index=index + 1)

    def decode(self, state: WholeState) -> Iterator[Chunk]:
        if state.index < state.num_steps:
            raise GenerationFailed("a clip of this model cannot be looked at before it is done")
        made, native = self._going(state).result(), state.asked.native
        frames = made.frames[0] if hasattr(made, "frames") else made[0][0]
        yield from map(Chunk, runs(film(frames, native.num_frames, native.width, native.height)))

    def restore(self, checkpoint: bytes) -> WholeState:
        raise ValueError("a clip of this model cannot be gone on with: its state was inside the call")

    def state_format(self) -> str:
        return f"none: whole, {arithmetic(self.device, self._dtype)}"

    @property
    def _run(self) -> Run | None:
        return None if self._newest is None else self._newest()

    def _going(self, state: WholeState) -> Run:
        """The run of `state`. One that failed, for want of memory perhaps, is made again, as far as it had come."""
        if state.run.failed:
            run = self.prepare(state.asked, state.seed).run
            for _ in range(state.index):
                run.advance()
            return run
        if state.run is not self._run:
            raise GenerationFailed("another clip has begun since, and this one's state went with its call")
        return state.run

    def _called(self, asked: Asked, seed: int, pause: Pause) -> Any:
        """The library's call, from its first step to its last frame, on the thread of its run."""
        arguments = dict(asked.arguments)
        if "generator" in self._takes:
            # On the CPU: the same draws whatever the device. Of one release of torch; ours, below, of every.
            arguments["generator"] = torch.Generator().manual_seed(seed)
        pipe = self.pipe
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)  # it remembers the clip before
        with self._our_noise(seed, "image" in arguments), self._pausing(pause, arguments):
            try:
                return pipe(**arguments)
            except (torch.OutOfMemoryError, GenerationFailed):  # the second where a part cannot be loaded
                raise
            except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
                log.warning("%s failed", type(pipe).__name__, exc_info=error)
                raise GenerationFailed(
                    f"{type(pipe).__name__} of diffusers ended with {type(error).__name__}; the worker's log says why"
                ) from error
            finally:
                pipe.maybe_free_model_hooks()

    @contextmanager
    def _pausing(self, pause: Pause, arguments: dict[str, Any]) -> Iterator[None]:
        """Let the call stand still behind every step: by its callback, or by its scheduler where it takes none."""
        if "callback_on_step_end" in self._takes:

            def behind(pipe: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
                pause()
                return {}

            arguments["callback_on_step_end"] = behind
            yield
            return
        scheduler = self.pipe.scheduler
        step: Callable[..., Any] = scheduler.step

        def stepped(*given: Any, **more: Any) -> Any:
            moved = step(*given, **more)
            pause()
            return moved

        scheduler.step = stepped  # this clip's scheduler: it goes with it
        yield

    @contextmanager
    def _our_noise(self, seed: int, from_picture: bool) -> Iterator[None]:
        """Hand the pipeline our noise as its `latents`, in the shape in which it would have drawn its own.

        Only where it starts from noise alone: a picture may be mixed in by the very code that latents given skip.
        """
        drawn = getattr(self.pipe, "prepare_latents", None)
        if drawn is None or from_picture or "latents" not in self._takes:
            yield
            return
        signature = inspect.signature(drawn)

        def given(*values: Any, **named: Any) -> Any:
            asked = signature.bind(*values, **named).arguments
            like = drawn(**{**asked, "generator": torch.Generator().manual_seed(seed)})
            if not isinstance(like, torch.Tensor) or "latents" not in signature.parameters:
                return drawn(**asked)
            latents = torch.from_numpy(noise(seed, like.shape)).to(like.device, like.dtype)
            return drawn(**{**asked, "latents": latents})

        self.pipe.prepare_latents = given
        try:
            yield
        finally:
            del self.pipe.prepare_latents
