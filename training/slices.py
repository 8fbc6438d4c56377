"""The full tier in slices of ten minutes: each starts from a few small files, stops in time, and leaves such files.

    python -m training.slices autoencoder RUN --parts OUT --minutes 9 --device cuda
    python -m training.slices transformer RUN --start PARTS --parts OUT --minutes 9 --device cuda
    python -m training.slices transformer RUN --start PARTS --parts OUT --minutes 9 --device cuda --last

Nothing is read but the packed sprites and the parts: films are drawn, folded by the autoencoder and learned from on the
spot, and never seen again. RUN keeps the whole state and is used first where it is still there. With `--rehearse` the
same lines run in miniature on a CPU.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rushes.models.mini.sound import RATE
from rushes.models.mini.text import Tokenizer
from training.autoencoder import SUBJECT_WEIGHT, Autoencoder, loss_of, start_from
from training.checkpoint import about_parts, averaged, from_parts, put_parts, resume, save
from training.network import Encoder, Transformer
from training.plan import FULL, REHEARSAL, Plan
from training.render import WEIGHT_PX, Films, draw
from training.sequence import sequence
from training.train import optimizers_of

RATIO_SHARE = {"16:9": 5, "9:16": 2, "1:1": 2, "4:3": 1, "3:4": 1}
REUSED = 2  # times that a film is learned from, each time with another throw: drawing it costs as much as a step
EASED = 100  # steps over which a slice's rates rise: the optimizers forget what parts do not carry
FADE = 0.4  # share of the last slice over which its rates fall to nothing
SAVE_S, REPORT_S = 120.0, 10.0
HELD = {"autoencoder": 0.995, "transformer": 0.999}  # of the running average, a step


class Clock:
    """How far this slice is: by the wall clock, or by steps where a test asks for few."""

    def __init__(self, minutes: float, steps: int | None) -> None:
        self._total_s, self._steps, self._began = 60 * minutes, steps, time.monotonic()
        self.step = 0
        self.drawing_s = 0.0
        self._saved = self._reported = self._began
        self._reported_step = 0

    @property
    def part(self) -> float:
        return self.step / self._steps if self._steps else (time.monotonic() - self._began) / self._total_s

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._began

    def rate(self, last: bool) -> float:
        """A factor for every learning rate."""
        fade = min(1.0, (1 - self.part) / FADE) if last else 1.0
        return min(1.0, (self.step + 1) / EASED) * max(fade, 0.01)

    def due(self, what: str) -> bool:
        """Whether it is time to save or to report; then not again for a while."""
        now = time.monotonic()
        if what == "save" and now - self._saved >= SAVE_S:
            self._saved = now
            return True
        if what == "report" and now - self._reported >= REPORT_S:
            self._reported = now
            return True
        return False

    @contextmanager
    def drawing(self, device: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        if device == "cuda":
            torch.cuda.synchronize()
        self.drawing_s += time.monotonic() - began

    def report(self, clips: int, told: str) -> None:
        """One line: how many steps and clips a second, and how much of the time went into drawing them."""
        pace = self.step / self.spent_s
        print(
            f"step {self.step} {self.spent_s:.0f} s {told} {pace:.2f} steps/s {pace * clips:.0f} clips/s "
            f"drawing {100 * self.drawing_s / self.spent_s:.0f} %",
            flush=True,
        )


def drawn(plan: Plan, count: int, frames: int, device: str, *, sound: bool, ratio: str | None = None) -> Films:
    """`count` films that nobody saw before, all of one `ratio`, which is drawn too unless given."""
    ratio = ratio or random.choices(list(plan.grids), [RATIO_SHARE[name] for name in plan.grids])[0]
    seed = random.getrandbits(48)
    rate = RATE if sound else 0
    return draw(plan.tier, count, seed, plan.size(ratio), frames, plan.fps, device, sound_rate=rate, captions=2)


def autoencoder(plan: Plan, arguments: argparse.Namespace) -> None:
    """Teach the autoencoder; stop and go on anywhere."""
    device, saved = arguments.device, arguments.run / "autoencoder.pt"
    model = Autoencoder(plan.codec).to(device, memory_format=torch.channels_last)
    rate = plan.rates["autoencoder"]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=device == "cuda")
    ]
    frames = 2 * plan.codec.frames

    def chunks(ratio: str | None = None) -> tuple[Tensor, Tensor]:
        """(2B, 3F, H, W) from -1 to 1 and how much each pixel counts, (2B, F, 1, H, W)."""
        films = drawn(plan, plan.chunks, frames, device, sound=False, ratio=ratio)
        pixels = films.frames.unflatten(1, (2, -1)).flatten(0, 1).flatten(1, 2)
        cover = F.interpolate(films.weights.float() / 255, scale_factor=WEIGHT_PX, mode="nearest")
        weight = 1 + (SUBJECT_WEIGHT - 1) * cover.unflatten(1, (2, -1)).flatten(0, 1)[:, :, None]
        return (pixels.to(torch.bfloat16) / 127.5 - 1).contiguous(memory_format=torch.channels_last), weight.bfloat16()

    started = (arguments.start and about_parts(arguments.start, "autoencoder")) or saved.exists()
    if not started:
        print("principal components …", flush=True)
        start_from(model, torch.cat([chunks("16:9")[0] for _ in range(4)]))
    elif not saved.exists():
        from_parts(arguments.start, "autoencoder", model)
    average = averaging(model, "autoencoder")
    before, spent_before_s = resume(saved, model, average, optimizers)
    network = torch.compile(model, dynamic=True) if arguments.compile else model
    clock, running = Clock(arguments.minutes, arguments.steps), 0.0
    while clock.part < 1:
        rated(optimizers, [rate], clock.rate(last=True))
        with clock.drawing(device):
            pixels, weight = chunks()
        with torch.autocast(device, torch.bfloat16):
            made = network(pixels)
        loss = loss_of(made, pixels, weight)
        descend(model, loss, optimizers)
        average.update_parameters(model)
        clock.step += 1
        running = 0.98 * running + 0.02 * float(F.mse_loss(made.detach().float().clamp(-1, 1), pixels.float()))
        if clock.due("report") or clock.part >= 1:
            psnr = -10 * math.log10(running / (1 - 0.98**clock.step) / 4)
            clock.report(2 * plan.chunks, f"psnr {psnr:.2f} dB")
        if clock.due("save"):
            save(saved, model, average, optimizers, before + clock.step, spent_before_s + clock.spent_s)
    save(saved, model, average, optimizers, before + clock.step, spent_before_s + clock.spent_s)
    about = {"plan": plan.name, "step": before + clock.step}
    put_parts(averaged(saved, Autoencoder(plan.codec)), arguments.parts, "autoencoder", about, small=False)


def transformer(plan: Plan, arguments: argparse.Namespace) -> None:
    """Teach the transformer on latents of films drawn on the spot; stop and go on anywhere."""
    device, saved = arguments.device, arguments.run / "transformer.pt"
    encoder = frozen_encoder(plan, arguments).to(device, memory_format=torch.channels_last)
    words = plan.vocabulary()
    (arguments.run / "transformer.json").write_text(json.dumps({"plan": plan.name, "vocabulary": words}))
    model = Transformer(**plan.shape(words)).to(device)
    before_parts = arguments.start and about_parts(arguments.start, "transformer")
    if before_parts and not saved.exists():
        assert before_parts["vocabulary"] == words, "these parts know other words: start anew or draw the same world"
        from_parts(arguments.start, "transformer", model)
    optimizers = optimizers_of(model, fused=device == "cuda")
    average = averaging(model, "transformer")
    before, spent_before_s = resume(saved, model, average, optimizers)
    if not saved.exists() and before_parts:
        before = int(str(before_parts["step"]))
    network = torch.compile(model, dynamic=True) if arguments.compile else model
    tokenizer = Tokenizer(words, plan.max_words)
    clock, errors, tokens = Clock(arguments.minutes, arguments.steps), [0.0, 0.0], 0
    films = None
    while clock.part < 1:
        rated(optimizers, [plan.rates["matrices"], plan.rates["others"]], clock.rate(arguments.last))
        with clock.drawing(device):
            if films is None or clock.step % REUSED == 0:
                films = drawn(plan, plan.clips, plan.window * plan.codec.frames, device, sound=True)
            seen = sequence(films, encoder, tokenizer, plan)
        with torch.autocast(device, torch.bfloat16):
            guess = network(seen.noisy(), seen.sigma, seen.position, seen.words, seen.kind)
        descend(model, seen.loss(guess), optimizers)
        average.update_parameters(model)
        clock.step += 1
        tokens += seen.sigma.numel()
        far = (seen.sigma > 0.5) & (seen.weight > 0)
        off = ((guess.detach().float() - seen.clean).square().mean(-1) * far).sum() / far.sum().clamp(min=1)
        errors = [errors[0] + off, errors[1] + 1]  # a tensor: reading it every step would wait for the device
        if clock.due("report") or clock.part >= 1:
            told = f"error {float(errors[0]) / errors[1]:.4f} {tokens / clock.spent_s / 1000:.0f} k tokens/s"
            clock.report(plan.clips, told)
            errors = [0.0, 0.0]
        if clock.due("save"):
            save(saved, model, average, optimizers, before + clock.step, spent_before_s + clock.spent_s)
            leave(saved, plan, words, before + clock.step, arguments.parts)
    save(saved, model, average, optimizers, before + clock.step, spent_before_s + clock.spent_s)
    leave(saved, plan, words, before + clock.step, arguments.parts)


def leave(saved: Path, plan: Plan, words: list[str], step: int, folder: Path) -> None:
    model = averaged(saved, Transformer(**plan.shape(words)))
    put_parts(model, folder, "transformer", {"plan": plan.name, "step": step, "vocabulary": words}, small=True)


def frozen_encoder(plan: Plan, arguments: argparse.Namespace) -> Encoder:
    """The encoder of the slice before, from RUN or from the parts."""
    whole, saved = Autoencoder(plan.codec), arguments.run / "autoencoder.pt"
    model = averaged(saved, whole) if saved.exists() else from_parts(arguments.start, "autoencoder", whole)
    return model.encoder.eval().requires_grad_(False)


def averaging(model: nn.Module, name: str) -> torch.optim.swa_utils.AveragedModel:
    held = torch.optim.swa_utils.get_ema_multi_avg_fn(HELD[name])
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=held)


def rated(optimizers: list[torch.optim.Optimizer], rates: list[float], factor: float) -> None:
    for optimizer, rate in zip(optimizers, rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor


def descend(model: nn.Module, loss: Tensor, optimizers: list[torch.optim.Optimizer]) -> None:
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        optimizer.step()


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("autoencoder", "transformer"))
    parser.add_argument("run", type=Path, help="keeps the whole state; used first where it is still there")
    parser.add_argument("--start", type=Path, help="parts of earlier slices")
    parser.add_argument("--parts", type=Path, required=True, help="where this slice leaves its parts")
    parser.add_argument("--minutes", type=float, default=9.0, help="of training; starting up comes on top")
    parser.add_argument("--steps", type=int, help="instead of minutes")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--last", action="store_true", help="let the rates fall: no slice comes after")
    parser.add_argument("--rehearse", action="store_true", help="the same in miniature")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=None)
    arguments = parser.parse_args(words)
    if arguments.compile is None:
        arguments.compile = arguments.device == "cuda"
    arguments.run.mkdir(parents=True, exist_ok=True)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
    random.seed(torch.seed())  # other films each time: no slice sees what the last one saw
    {"autoencoder": autoencoder, "transformer": transformer}[arguments.what](
        REHEARSAL if arguments.rehearse else FULL, arguments
    )


if __name__ == "__main__":
    main()
