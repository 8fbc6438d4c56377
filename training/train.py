"""Train the transformer on cached latents; stop and go on anywhere.

    python -m training.train LATENTS_FOLDER RUN_FOLDER --minutes 90 --processes 2

Flow matching with one noise level per latent frame (diffusion forcing, Chen et al. 2024): a frame that the person gives
is simply clean, so continuation needs no second network. The network predicts the clean latent, the loss is velocity's.

One process a core, each with one thread and its share of the batch, met once a step over the gradients: on two cores a
third faster than one process with two threads, and a busy neighbour costs a wait a step instead of one an operation.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing, nn

from rushes.models.mini.text import Tokenizer
from training.captions import vocabulary
from training.checkpoint import kept, resume, save
from training.network import LATENT_CHANNELS, Transformer, positions

MAX_WORDS = 24
WINDOW = 4  # latents that the transformer sees at once: two seconds
SHORT = 0.08  # share of batches with shorter clips, for requests as short
SILENT = 0.12  # share of clips trained without their words, for guidance
SHIFT = 2.0  # towards noise: the layout of a film is settled there
FLOOR = 0.25  # noise level under which the loss no longer grows: details are the decoder's work
SUBJECT_WEIGHT = 4.0
MATRIX_RATE = 3.5e-3  # of Muon, whose steps have the size of AdamW's: short runs like them large


def noise_levels(count: int, frames: int, shift: float = SHIFT) -> Tensor:
    """(B, T) noise levels: one for all frames, clean beginnings to continue, or each frame its own."""
    draw = torch.sigmoid(torch.randn(count, frames) * 1.1)
    draw = shift * draw / (1 + (shift - 1) * draw)
    sigma = draw[:, :1].expand(-1, frames).clone()
    kind = torch.rand(count)
    sigma[kind < 0.15] = draw[kind < 0.15]
    given = torch.randint(1, frames, (count,))
    clean = (torch.arange(frames)[None] < given[:, None]) & (kind > 0.70)[:, None]
    return sigma.masked_fill(clean, 0.0).clamp(max=0.999)


class Shards:
    """Batches from a growing folder of shards, one picture shape a batch; the whole cache lives in memory."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder, self.tokenizer = folder, tokenizer
        self.seen: set[str] = set()
        self.shards: list[tuple[Tensor, Tensor, Tensor]] = []

    def refresh(self) -> int:
        for path in sorted(self.folder.glob("shard-*.pt")):
            if path.name in self.seen:
                continue
            shard = torch.load(path, weights_only=True)
            ids = torch.tensor(
                [[self.tokenizer.encode(text) for text in texts] for texts in shard["captions"]], dtype=torch.int16
            )
            self.shards.append((shard["latents"], shard["weights"], ids))
            self.seen.add(path.name)
        return sum(len(latents) for latents, _, _ in self.shards)

    def batch(self, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Clean latents (B, T, C, h, w), emphasis (B, T, h, w) and word ids (B, L)."""
        latents, weights, ids = random.choice(self.shards)
        frames = random.choice((2, 3)) if random.random() < SHORT else WINDOW
        start = random.randrange(latents.shape[1] - frames + 1)
        latents, weights = latents[:, start : start + frames], weights[:, start : start + frames]
        pick = torch.randint(len(latents), (size,))
        said = ids[pick, torch.randint(ids.shape[1], (size,))].long()
        said[torch.rand(size) < SILENT] = 0
        return latents[pick].float(), weights[pick].float() / 255, said


def optimizers_of(model: Transformer, *, fused: bool) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for everything else; the loop sets both rates."""
    matrices = [
        p
        for n, p in model.named_parameters()
        if p.ndim == 2 and n.startswith(("blocks", "readers")) and "offset" not in n
    ]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0, fused=fused),
    ]


def average_gradients(model: nn.Module) -> None:
    """Replace every gradient by its mean over all processes."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([gradient.view(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def agreed(seconds: float) -> float:
    """The first process's clock, so that all end after the same step."""
    clock = torch.tensor(seconds, dtype=torch.float64)
    distributed.broadcast(clock, 0)
    return float(clock)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("latents", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--batch", type=int, default=32, help="clips a step, all processes together")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--matrix-rate", type=float, default=MATRIX_RATE)
    parser.add_argument("--start", type=Path, help="a kept transformer.safetensors of the same words to go on from")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=8)
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as meeting:
        multiprocessing.spawn(learn, (arguments, f"file://{meeting}/point"), arguments.processes)


def learn(rank: int, arguments: argparse.Namespace, meeting: str) -> None:
    """One process's part of the run; the first one also reports and saves."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=arguments.processes)
    saved = arguments.run / "transformer.pt"
    words = vocabulary()
    shape = {"width": arguments.width, "depth": arguments.depth, "heads": arguments.width // 64}
    if rank == 0:
        (arguments.run / "transformer.json").write_text(json.dumps({"vocabulary": words, **shape}))
    torch.manual_seed(0)
    model = Transformer(len(words), arguments.width, arguments.depth, arguments.width // 64)
    if arguments.start:
        model = kept(arguments.start, model)
    optimizers = optimizers_of(model, fused=False)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    fused = torch.compile(model, dynamic=False)
    step, spent_s = resume(saved, model, average, optimizers)
    draw = torch.seed() & 0xFFFFFFFF  # another draw for each process and each start: no run sees what the last one saw
    torch.manual_seed(draw + rank)
    random.seed(draw + rank)
    shards = Shards(arguments.latents, Tokenizer(words, MAX_WORDS))
    films = shards.refresh()
    began, last, running = time.monotonic() - spent_s, time.monotonic(), 0.0
    total_s = arguments.minutes * 60
    while (spent_s := agreed(time.monotonic() - began)) < total_s:
        part = spent_s / total_s
        fade = 1.0 if part < 0.6 else 1.0 - 0.97 * (part - 0.6) / 0.4  # constant, then straight down
        for optimizer, rate in zip(optimizers, (arguments.matrix_rate, arguments.rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 200) * fade
        clean, weight, ids = shards.batch(arguments.batch // arguments.processes)
        batch, frames, _, rows, cols = clean.shape
        sigma_BT = noise_levels(batch, frames)
        sigma = sigma_BT.repeat_interleave(rows * cols, 1)
        clean = clean.permute(0, 1, 3, 4, 2).reshape(batch, -1, LATENT_CHANNELS)
        noisy = torch.lerp(clean, torch.randn_like(clean), sigma[..., None])
        weight = (1 + (SUBJECT_WEIGHT - 1) * weight.reshape(batch, -1).clamp(max=0.5) * 2) * (sigma > 0)
        weight = weight / sigma.clamp(min=FLOOR) ** 2
        with torch.autocast("cpu", torch.bfloat16):
            network = fused if frames == WINDOW else model  # one compilation a shape: worth it for the common ones
            guess = network(noisy, sigma, positions(frames, rows, cols).expand(batch, -1, -1), ids)
        error = (guess.float() - clean).square().mean(-1)
        loss = (error * weight).mean()
        model.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if rank == 0:
            average.update_parameters(model)
        running += float(error.detach()[sigma > 0.5].mean()) if bool((sigma > 0.5).any()) else 0.0
        step += 1
        if step % 100 == 0 and rank == 0:
            pace = (time.monotonic() - last) / 100
            print(
                f"step {step} {spent_s:.0f} s error {running / 100:.4f} {pace:.2f} s/step {films} films",
                flush=True,
            )
            last, running = time.monotonic(), 0.0
        if step % 100 == 0:
            films = shards.refresh()
        if step % 300 == 0 and rank == 0:
            save(saved, model, average, optimizers, step, spent_s)
    if rank == 0:
        save(saved, model, average, optimizers, step, spent_s)
        print(f"done: {step} steps, {math.floor(spent_s)} s", flush=True)


if __name__ == "__main__":
    main()
