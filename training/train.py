"""Train the pocket tier's transformer on cached latents; stop and go on anywhere.

    python -m training.train LATENTS_FOLDER RUN_FOLDER --minutes 90 --processes 2

Flow matching over the one sequence of `sequence.py`; the network predicts the clean tokens, the loss is velocity's.

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
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn

from rushes.models.mini.config import HOPS_PER_SECOND
from rushes.models.mini.text import Tokenizer
from training.checkpoint import from_parts, resume, save
from training.latents import LENGTH
from training.network import SOUND, VIDEO, Transformer
from training.plan import POCKET
from training.sequence import MUTE, REFERENCES, Material, thrown


class Shards:
    """Batches from a growing folder of shards, one picture shape a batch; the whole cache lives in memory."""

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder, self.tokenizer = folder, tokenizer
        self.seen: set[str] = set()
        self.shards: list[dict[str, Any]] = []
        self.landing: list[dict[str, Any]] = []  # drawn by `latents --landing`: for `follow` alone, or half would jump
        self.references: dict[int, tuple[Tensor, Tensor]] = torch.load(folder / "references.pt", weights_only=True)

    def refresh(self) -> int:
        """Read the shards that have come since; returns how many films there are."""
        for path in sorted(self.folder.glob("shard-*.pt")):
            if path.name in self.seen:
                continue
            shard = torch.load(path, weights_only=True)
            shard["ids"] = torch.tensor(
                [[self.tokenizer.encode(text) for text in texts] for texts in shard["captions"]], dtype=torch.int16
            )
            (self.landing if bool(shard["lands"].all()) else self.shards).append(shard)
            self.seen.add(path.name)
        return sum(len(shard["latents"]) for shard in (*self.shards, *self.landing))

    def batch(self, size: int, follow: float) -> Material:
        """`size` clips, of which a share of `follow` lands to a sound that is given."""
        shard = random.choice(self.shards)
        mute = random.random() < MUTE
        follows = (torch.rand(size) < follow) & (not mute)
        landing = [one for one in self.landing if _alike(one, shard)]
        start = random.randrange(LENGTH - POCKET.window + 1)
        given = random.choice(REFERENCES)
        clips = self._clips(shard, size, start, given)
        if landing and bool(follows.any()):
            others = self._clips(random.choice(landing), size, start, given)
            clips = {name: torch.where(_wide(follows, clips[name]), others[name], clips[name]) for name in clips}
        else:
            follows = torch.zeros(size, dtype=torch.bool)
        return Material(
            video=clips["video"],
            emphasis=clips["emphasis"],
            words=clips["words"],
            sound=None if mute else clips["sound"],
            references=clips.get("references"),
            follows=follows,
        )

    def _clips(self, shard: dict[str, Any], size: int, start: int, given: int) -> dict[str, Tensor]:
        """Any `size` clips of `shard` from the latent frame `start` on, with `given` latent frames of a reference."""
        shown = slice(start, start + POCKET.window)
        hops = round(HOPS_PER_SECOND * POCKET.seconds_per_latent)
        pick = torch.randint(len(shard["latents"]), (size,))
        ids = shard["ids"]
        clips = {
            "video": shard["latents"][pick, shown].float(),
            "emphasis": (shard["weights"][pick, shown].float() / 255).flatten(1),
            "words": ids[pick, torch.randint(ids.shape[1], (size,))].long(),
            "sound": shard["sound"][pick, start * hops : shown.stop * hops].float(),
        }
        if given:
            subjects = [shard["subjects"][index] for index in pick.tolist()]
            chosen = [random.choice(self.references[subject][given == 2]) for subject in subjects]
            clips["references"] = torch.stack(chosen).float()
        return clips


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether the pictures of two shards have one shape."""
    return bool(one["latents"].shape[3:] == other["latents"].shape[3:])


def _wide(mask: Tensor, values: Tensor) -> Tensor:
    return mask.view(-1, *[1] * (values.ndim - 1))


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
        torch.optim.Muon(matrices, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
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
    parser.add_argument("--batch", type=int, default=POCKET.clips, help="clips a step, all processes together")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--rate", type=float, default=POCKET.rates["others"])
    parser.add_argument("--matrix-rate", type=float, default=POCKET.rates["matrices"])
    parser.add_argument("--start", type=Path, help="a folder that keeps a transformer of the same words to go on from")
    parser.add_argument("--follow", type=float, default=0.0, help="share of clips that land where a given sound thuds")
    arguments = parser.parse_args()
    arguments.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as meeting:
        multiprocessing.spawn(learn, (arguments, f"file://{meeting}/point"), arguments.processes)


def learn(rank: int, arguments: argparse.Namespace, meeting: str) -> None:
    """One process's part of the run; the first one also reports and saves."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=arguments.processes)
    saved = arguments.run / "transformer.pt"
    words = POCKET.vocabulary()
    if rank == 0:
        (arguments.run / "transformer.json").write_text(json.dumps({"plan": POCKET.name, "vocabulary": words}))
    torch.manual_seed(0)
    model = Transformer(**POCKET.shape(words))
    if arguments.start:
        model = from_parts(arguments.start, "transformer", model)
    optimizers = optimizers_of(model, fused=False)
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    fused = torch.compile(model, dynamic=True)
    step, spent_s = resume(saved, model, average, optimizers)
    draw = torch.seed() & 0xFFFFFFFF  # another draw for each process and each start: no run sees what the last one saw
    torch.manual_seed(draw + rank)
    random.seed(draw + rank)
    tokenizer = Tokenizer(words, POCKET.max_words)
    names = POCKET.names()
    shards = Shards(arguments.latents, tokenizer)
    films = shards.refresh()
    began, last = time.monotonic() - spent_s, time.monotonic()
    errors = torch.zeros(2, 2)  # of pictures and of sound: sum and count over tokens that are mostly noise
    total_s = arguments.minutes * 60
    while (spent_s := agreed(time.monotonic() - began)) < total_s:
        part = spent_s / total_s
        fade = 1.0 if part < 0.6 else 1.0 - 0.97 * (part - 0.6) / 0.4  # constant, then straight down
        for optimizer, rate in zip(optimizers, (arguments.matrix_rate, arguments.rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 200) * fade
        seen = thrown(shards.batch(arguments.batch // arguments.processes, arguments.follow), POCKET, names)
        with torch.autocast("cpu", torch.bfloat16):
            guess = fused(seen.noisy(), seen.sigma, seen.position, seen.words, seen.kind)
        model.zero_grad(set_to_none=True)
        seen.loss(guess).backward()
        average_gradients(model)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        if rank == 0:
            average.update_parameters(model)
        error = (guess.detach().float() - seen.clean).square().mean(-1)
        for row, kind in enumerate((VIDEO, SOUND)):
            far = (seen.sigma > 0.5) & (seen.kind == kind)
            errors[row] += torch.stack([error[far].sum(), far.sum()])
        step += 1
        if step % 100 == 0 and rank == 0:
            pace = (time.monotonic() - last) / 100
            pictures, sound = (errors[:, 0] / errors[:, 1].clamp(min=1)).tolist()
            print(
                f"step {step} {spent_s:.0f} s error {pictures:.4f} sound {sound:.4f} {pace:.2f} s/step {films} films",
                flush=True,
            )
            last, errors = time.monotonic(), torch.zeros(2, 2)
        if step % 100 == 0:
            films = shards.refresh()
        if step % 300 == 0 and rank == 0:
            save(saved, model, average, optimizers, step, spent_s)
    if rank == 0:
        save(saved, model, average, optimizers, step, spent_s)
        print(f"done: {step} steps, {math.floor(spent_s)} s", flush=True)


if __name__ == "__main__":
    main()
