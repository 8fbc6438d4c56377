"""A Wan made by our loop and by diffusers' own pipeline, in one process, on the same weights and the same noise.

    python -m benchmarks.open_models                        a random one of middling size, on whatever is here
    python -m benchmarks.open_models --checkpoint FOLDER    a text-to-video checkpoint of yours

Needs the extra `torch`. The two take turns, and the best of each is shown: other programs only ever add time.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks._record import ROOT, Record, add_switches, table

from rushes.catalogue.cards import OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.request import VideoRequest

PROMPT, NEGATIVE, GUIDANCE, SEED = "A penguin waddles across the snow", "blurry, text", 5.0, 7
STAGES = ("words", "steps", "decoding")


@dataclass(frozen=True)
class Run:
    """Seconds by stage: by the clock, and of this process's processor time."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]


class Watch:
    """Laps of one run; waits for the device at each."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._marks = [self._now()]

    def lap(self) -> None:
        self._marks.append(self._now())

    def run(self) -> Run:
        laps = [[b - a for a, b in itertools.pairwise(m)] for m in zip(*self._marks, strict=True)]
        return Run(tuple(laps[0]), tuple(laps[1]))

    def _now(self) -> tuple[float, float]:
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter(), time.process_time()


def ours(adapter: Any, request: Any) -> tuple[Run, Any, Any]:
    import numpy as np

    watch = Watch(adapter.device)
    condition = adapter.encode(request)
    watch.lap()
    state = adapter.prepare(condition, SEED)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    watch.lap()
    film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
    watch.lap()
    return watch.run(), state.latent_BCTHW, film


def stock(pipe: Any, native: Any, steps: int, noise: Any) -> tuple[Run, Any, Any]:
    import torch

    watch = Watch(noise.device)
    with torch.no_grad():
        words, negative = pipe.encode_prompt(PROMPT, NEGATIVE, True, max_sequence_length=512)
        watch.lap()
        latents = pipe(
            prompt_embeds=words,
            negative_prompt_embeds=negative,
            width=native.width,
            height=native.height,
            num_frames=native.num_frames,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            latents=noise.clone(),
            output_type="latent",
        ).frames
        watch.lap()
        from rushes.models.wan.film import statistics

        mean, spread = statistics(pipe.vae, latents)
        pixels = pipe.vae.decode(latents.to(pipe.vae.dtype) / spread + mean, return_dict=False)[0]
        film = (pipe.video_processor.postprocess_video(pixels, output_type="np")[0] * 255).round().astype("uint8")
        watch.lap()
    return watch.run(), latents, film


def random_checkpoint(folder: Path) -> Path:
    """A Wan of some ten million random weights: large enough that networks, not Python, take the time."""
    # The tests' builder knows how a whole checkpoint is put together; only its sizes are too small to time.
    sys.path.insert(0, str(ROOT / "tests" / "open_models"))
    import tiny_wan
    import torch
    from diffusers import AutoencoderKLWan, WanTransformer3DModel

    torch.manual_seed(0)
    pipe = tiny_wan.pipeline(tiny_wan.TEXT)
    blocks = {**tiny_wan.BLOCKS, "num_attention_heads": 4, "attention_head_dim": 64, "ffn_dim": 1024, "num_layers": 6}
    pipe.transformer = WanTransformer3DModel(in_channels=16, out_channels=16, **blocks)
    pipe.vae = AutoencoderKLWan(base_dim=16, z_dim=16, num_res_blocks=1)
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


def best(runs: list[Run], kind: str, stage: int) -> float:
    return min(getattr(run, kind)[stage] for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="a folder of the diffusers format; a random one unless given")
    parser.add_argument("--like", default="wan2.1-t2v-1.3b", help="which known model it is one of")
    parser.add_argument("--width", type=int)
    parser.add_argument("--height", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--only", choices=())
    add_switches(parser, weights=False)
    asked = parser.parse_args()
    if find_spec("torch") is None or find_spec("diffusers") is None:
        print("open_models: left out, this environment has no torch: pip install 'rushes[torch]'")
        return
    record = Record("open_models", asked)
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.checkpoint or random_checkpoint(Path(scratch) / "wan")
        small = {} if asked.checkpoint else {"width": 96, "height": 64, "seconds": 1.0, "steps": 6}
        sizes = {name: getattr(asked, name) or small.get(name) for name in ("width", "height", "seconds", "steps")}
        record.keep(measured(folder, asked.like, sizes, asked.repeat))


def measured(folder: Path, like: str, sizes: dict[str, Any], repeat: int) -> str:
    import numpy as np
    import torch
    from diffusers import AutoencoderKLWan, WanPipeline

    from rushes.models.wan.adapter import WanAdapter

    known = next(card for card in OPEN if card.id == like)
    assert known.weights is not None  # noqa: S101 - every open model has some
    card = replace(known, weights=replace(known.weights, folder=str(folder)))
    request = resolve(
        VideoRequest(model=like, prompt=PROMPT, negative_prompt=NEGATIVE, guidance_scale=GUIDANCE, seed=SEED, **sizes),
        Catalogue([card]).find(like),
        lambda: SEED,
    )
    adapter = WanAdapter(card)
    native, device, dtype = adapter.native(request), adapter.device, adapter.parts.dtype
    vae = AutoencoderKLWan.from_pretrained(folder / "vae", dtype=torch.float32)
    pipe = WanPipeline.from_pretrained(folder, vae=vae, dtype=dtype, local_files_only=True).to(device)
    pipe.set_progress_bar_config(disable=True)
    noise = adapter.prepare(adapter.encode(request), SEED).latent_BCTHW

    runs: dict[str, list[Run]] = {"ours": [], "diffusers": []}
    peaks: dict[str, str] = {}
    outcome: dict[str, Any] = {}
    turns: dict[str, Callable[[], tuple[Run, Any, Any]]] = {
        "ours": lambda: ours(adapter, request),
        "diffusers": lambda: stock(pipe, native, request.steps, noise),
    }
    for _ in range(repeat):
        for name, make in turns.items():
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            run, latents, film = make()
            runs[name].append(run)
            outcome[name] = latents, film
            if device.type == "cuda":
                peaks[name] = f"{torch.cuda.max_memory_allocated(device) / 1e9:.1f} GB"

    same = torch.equal(outcome["ours"][0], outcome["diffusers"][0])
    same_film = np.array_equal(outcome["ours"][1], outcome["diffusers"][1])
    rows = []
    for stage, name in enumerate(STAGES):
        mine, theirs = (best(runs[who], "wall_s", stage) for who in runs)
        mine_cpu, theirs_cpu = (best(runs[who], "cpu_s", stage) for who in runs)
        by = request.steps if name == "steps" else 1
        label = f"a step, of {request.steps}" if name == "steps" else name
        rows.append(
            (
                label,
                f"{mine / by:.3f} s",
                f"{theirs / by:.3f} s",
                f"{mine / theirs:.2f}",
                f"{mine_cpu / theirs_cpu:.2f}",
            )
        )
    parameters = sum(p.numel() for expert in adapter.parts.experts for p in expert.parameters()) / 1e6
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    memory = f"; most memory {peaks['ours']} and {peaks['diffusers']}" if peaks else ""
    return (
        "## Open models: our loop and the stock pipeline\n\n"
        f"{like} from {'a random checkpoint' if parameters < 1000 else 'a checkpoint'} "
        f"of {parameters:,.0f} million weights in the transformer, {native.width}×{native.height}, "
        f"{native.num_frames} frames, guidance {GUIDANCE:g}, {dtype}, {where}{memory}.\n"
        f"Latents {'equal bit for bit' if same else 'DIFFER'}, frames {'too' if same_film else 'DIFFER'}. "
        f"Best of {repeat}, in turns; a ratio below 1 is ours being faster.\n\n"
        + table(("", "ours", "diffusers", "ratio by the clock", "ratio of processor time"), rows)
        + f"\ntorch {version('torch')}, diffusers {version('diffusers')}, attention native.\n"
    )


if __name__ == "__main__":
    main()
