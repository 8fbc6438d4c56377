"""A clip made by our loop at each quality, and by diffusers' own pipeline, in turns in one process on the same weights.

Needs the extra `torch`. Called by `rushes bench`; the `race_` modules beside it say how each family runs.
"""

from __future__ import annotations

import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import diffusers
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from rushes.acceleration.plan import IN_FP8, LADDER, LOSSY, Plan, planned
from rushes.acceleration.put_on import accelerate
from rushes.acceleration.tensors import TensorBytes
from rushes.catalogue.card import Card
from rushes.contract.request import EXACT_QUALITY, ResolvedRequest

STAGES = ("words", "steps", "decoding")
STOCK = "diffusers"


@dataclass
class Runner:
    """One way to make the clip, and what its runs took: seconds by stage, the best of them."""

    name: str
    exactness: str
    stages_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0
    passes: int = 0
    prompts: int = 0  # in those together: a pass may read two
    film: NDArray[np.uint8] | None = None
    latent: Any = None

    def ran(self, stages_s: list[float]) -> None:
        """Keep the best of each stage: other programs only ever add time."""
        self.stages_s = [min(pair) for pair in zip(self.stages_s or stages_s, stages_s, strict=True)]


class Side(ABC):
    """One model at the race: our loop over its networks, and the library's own pipeline over the very same ones."""

    opened: ClassVar[type[Any]]
    """Its kind of adapter, made of a card."""

    def __init__(self, adapter: Any, card: Card, request: ResolvedRequest) -> None:
        self.adapter, self.card, self.request = adapter, card, request
        self.pipe = self.stock()
        self.pipe.set_progress_bar_config(disable=True)
        self.start = adapter.prepare(adapter.encode(request), request.seed)

    @abstractmethod
    def stock(self) -> Any:
        """The library's pipeline of the adapter's parts."""

    @property
    def dtype(self) -> torch.dtype:
        """The numbers that most of the transformer computes in."""
        return next(p.dtype for p in self.network().parameters() if p.dim() == 2)

    @abstractmethod
    def network(self) -> Any:
        """The transformer, dressed as the last plan says."""

    def by_rushes(self, runner: Runner, watch: Watch) -> None:
        """Make the clip with a lap after each of `STAGES`, and leave film and latent with the runner."""
        adapter = self.adapter
        condition = adapter.encode(self.request)
        watch.lap()
        state = adapter.prepare(condition, self.request.seed)
        while state.index < state.num_steps:
            state = adapter.step(state, state.index)
        watch.lap()
        runner.film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
        watch.lap()
        runner.latent = self.latent(state)

    @abstractmethod
    def latent(self, state: Any) -> Any:
        """What has come out of the last step, as the library's pipeline gives it."""

    @abstractmethod
    def by_stock(self, runner: Runner, watch: Watch) -> None:
        """The same by the library's pipeline, from the same noise."""

    def film(self, pixels: Any) -> NDArray[np.uint8]:
        """Frames (T, H, W, 3) of what the library's autoencoder has decoded."""
        frames = self.pipe.video_processor.postprocess_video(pixels, output_type="np")[0]
        return np.asarray((frames * 255).round().astype(np.uint8))

    def pass_flops(self) -> float:
        """Floating-point operations in the matrices of a pass, for each prompt in it: counted in a step of ours."""
        runner = Runner(self.card.id, "one step")
        with Passes(self.network(), runner), FlopCounterMode(display=False) as counted, torch.no_grad():
            self.adapter.step(self.start, 0)
        return float(counted.get_total_flops()) / runner.prompts


def race(side: Side, repeat: int, *, memory: bool, tell: Callable[[str], None]) -> list[Runner]:
    """Stock first, then each quality, `repeat` times in turns. With `memory`, one more run each that counts bytes."""
    device = side.adapter.device
    plans = plans_of(side.card, side.adapter.device_kind)
    runners = [Runner(STOCK, "the reference")]
    runners += [Runner(f"rushes, {name}", plan.exactness) for name, plan in plans.items()]

    def run(runner: Runner, watch: Watch) -> None:
        (side.by_stock if runner.name == STOCK else side.by_rushes)(runner, watch)

    def dressed(runner: Runner) -> None:
        # Plain blocks and torch's own attention for the library's pipeline too; loading is no part of the race.
        accelerate(side.adapter, plans["exact" if runner.name == STOCK else runner.name.removeprefix("rushes, ")])
        side.network()

    for number in range(repeat):
        for runner in runners:
            tell(f"{runner.name}, {number + 1} of {repeat}")
            dressed(runner)
            watch = Watch(device)
            with Passes(side.network(), runner), torch.no_grad():
                run(runner, watch)
            runner.ran(watch.laps_s())
            if device.type == "cuda":
                runner.peak_bytes = max(runner.peak_bytes, torch.cuda.max_memory_allocated())
    if memory and device.type != "cuda":
        for runner in runners:
            tell(f"{runner.name}, counting bytes")
            dressed(runner)
            with TensorBytes() as counted, torch.no_grad():
                run(runner, Watch(device))
            runner.peak_bytes = counted.most
    return runners


def plans_of(card: Card, device: str) -> dict[str, Plan]:
    """By name: the plan of each quality of the model, and the exact one with each lossy technique of it by itself."""
    plans = {quality: plan for quality in card.rules.qualities if (plan := planned(card, device, quality)) is not None}
    exact = plans[EXACT_QUALITY]
    for rung in (IN_FP8, *LADDER):
        holds = card.weights is not None and card.weights.holds(rung.technique.name)
        if holds and rung.technique.exactness == LOSSY and device in rung.devices:
            plans[rung.technique.name] = exact.on(rung)
    return plans


class Watch:
    """Laps of one run, waiting for the device at each; on a CPU in processor time, which is this program's alone."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        self._marks: list[float] = []
        self.lap()

    def lap(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()
        self._marks.append(time.perf_counter() if self._cuda else time.process_time())

    def laps_s(self) -> list[float]:
        return [later - earlier for earlier, later in itertools.pairwise(self._marks)]


class Passes:
    """Counts how often the transformer works for a runner."""

    def __init__(self, network: Any, runner: Runner) -> None:
        self._runner, self._network = runner, network

    def __enter__(self) -> None:
        self._runner.passes = self._runner.prompts = 0
        self._hook = self._network.register_forward_pre_hook(self._count, with_kwargs=True)

    def __exit__(self, *raised: object) -> None:
        self._hook.remove()

    def _count(self, network: Any, given: Any, named: Any) -> None:
        self._runner.passes += 1
        self._runner.prompts += len(named["hidden_states"])


def matmul_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of the best of some square products: what the device can do at all."""
    side = 8192 if device.type == "cuda" else 768
    one = torch.ones(side, side, device=device, dtype=dtype)
    best_s = float("inf")
    for _ in range(10):
        watch = Watch(device)
        one @ one
        watch.lap()
        best_s = min(best_s, *watch.laps_s())
    return float(2 * side**3 / best_s)


def psnr_db(film: NDArray[np.uint8], exact: NDArray[np.uint8]) -> float:
    """Peak signal to noise; infinite where the two are the same."""
    error = float(np.mean((film.astype(np.float32) - exact) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(film: NDArray[np.uint8], exact: NDArray[np.uint8], window: int = 8) -> float:
    """Structural similarity of the luma, over windows of 8 by 8 side by side; 1 where the two are the same."""
    height, width = (side // window * window for side in film.shape[1:3])

    def windows(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
        luma = frames[:, :height, :width] @ np.array([0.299, 0.587, 0.114])
        cut = luma.reshape(len(luma), height // window, window, width // window, window)
        return np.asarray(cut.transpose(0, 1, 3, 2, 4).reshape(-1, window * window))

    one, other = windows(film), windows(exact)
    mean_one, mean_other = one.mean(1), other.mean(1)
    covariance = (one * other).mean(1) - mean_one * mean_other
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    alike = (2 * mean_one * mean_other + c1) * (2 * covariance + c2)
    return float(np.mean(alike / ((mean_one**2 + mean_other**2 + c1) * (one.var(1) + other.var(1) + c2))))


def where(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def versions() -> str:
    return f"torch {torch.__version__}, diffusers {diffusers.__version__}"
