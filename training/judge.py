"""An independent judge: reads from a clip who is in it, where, doing what, seen how. Trained only on renders.

    python -m training.judge training/kept/judge.safetensors --minutes 12

It shares nothing with the model it judges: convolutions over frames instead of a transformer over latents, pixels
instead of the autoencoder's latents, and films of its own. It never sees a generated clip, nor a combination that
is held out. Half of its films are blurred a little, so that it reads what a film shows and not how sharp it is.

Shapes  B clips, T frames, H W pixels.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.network import Conv
from training.render import Films, draw
from training.world import GRIDS, tier

SECONDS = 2
SEEN_FPS = 4  # the quickest motion still has three pictures a beat
PATCH = 4  # pixels of a side: convolving single pixels costs more than it tells
WIDTHS = (80, 144)
READS = {
    "subject": "subjects",
    "scene": "scenes",
    "motion": "motions",
    "camera": "cameras",
    "light": "lights",
    "weather": "weathers",
}
"""What it reads, and the table of the tier that holds the answers."""
WEIGHTS = {"motion": 3.0, "camera": 2.0}  # what moves is learned last
MATRIX_RATE, RATE = 4e-3, 2e-3
REPORT = 50  # steps


class Look(nn.Module):
    """A residual pair of 3×3 convolutions over frames; an eighth of the channels comes from the frame before, an
    eighth from the one after (temporal shift, Lin et al. 2019), so that the pair sees three frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = Conv(width, width, 3), Conv(width, width, 3)
        self.calm, self.level = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        part = x.shape[1] // 8
        clips = x.unflatten(0, (-1, frames))
        before = F.pad(clips[:, :-1, :part], (0, 0, 0, 0, 0, 0, 1, 0))
        after = F.pad(clips[:, 1:, part : 2 * part], (0, 0, 0, 0, 0, 0, 0, 1))
        mixed = torch.cat([before, after, clips[:, :, 2 * part :]], 2).flatten(0, 1)
        mixed = mixed.contiguous(memory_format=torch.channels_last)
        return F.silu(x + self.level(self.second(F.silu(self.calm(self.first(mixed))))))


class Judge(nn.Module):
    """(B, T, 3, H, W) uint8 → for each thing it reads, scores (B, number of values)."""

    GAZES = 6  # places that it looks at in a frame, each with where that place is
    NARROW = 48
    STORY = 256

    def __init__(self, reads: Mapping[str, tuple[str, ...]], side: int, widths: tuple[int, int]) -> None:
        """`side` is the length in pixels that a picture's shorter side is brought to; `widths` count channels."""
        super().__init__()
        self.reads, self.side, self.widths = dict(reads), side, widths
        near, far = widths
        self.enter = Conv(3 * PATCH**2, near, 3)
        self.near = nn.ModuleList([Look(near)])
        self.down = Conv(4 * near, far)
        self.far = nn.ModuleList([Look(far), Look(far)])
        self.gaze, self.tell = Conv(far, self.GAZES), Conv(far, self.NARROW)
        self.follow = nn.Linear(3 * self.GAZES * (self.NARROW + 4), self.STORY)
        self.along = nn.Linear(3 * self.STORY, self.STORY)
        self.heads = nn.ModuleDict({name: nn.Linear(2 * self.STORY, len(values)) for name, values in reads.items()})

    def forward(self, clips: Tensor) -> dict[str, Tensor]:
        frames = clips.shape[1]
        x = F.pixel_unshuffle(self.seen(clips), PATCH).contiguous(memory_format=torch.channels_last)
        x = F.silu(self.enter(x))
        for look in self.near:
            x = look(x, frames)
        x = F.silu(self.down(F.pixel_unshuffle(x, 2).contiguous(memory_format=torch.channels_last)))
        for look in self.far:
            x = look(x, frames)
        story = F.silu(self.follow(three(self.noted(x).unflatten(0, (-1, frames)))))
        story = F.silu(self.along(three(story))) + story
        both = torch.cat([story.mean(1), story.amax(1)], 1).float()
        return {name: head(both) for name, head in self.heads.items()}

    def noted(self, x: Tensor) -> Tensor:
        """What a frame shows where the judge looks, and where and how wide that is: (B·T, gazes · (narrow + 4))."""
        height, width = x.shape[-2:]
        share = self.gaze(x).float().flatten(2).softmax(-1)  # (BT, gazes, places)
        told = self.tell(x).float().flatten(2)
        ys, xs = torch.meshgrid(
            torch.linspace(-1, 1, height, device=x.device),
            torch.linspace(-1, 1, width, device=x.device),
            indexing="ij",
        )
        places = torch.stack([xs.flatten(), ys.flatten()])
        where = torch.stack([*places, *places.square()])
        return torch.einsum("bgp,bcp->bgc", share, torch.cat([told, where.expand(len(x), -1, -1)], 1)).flatten(1)

    def seen(self, clips: Tensor) -> Tensor:
        """(B, T, 3, H, W) uint8 → (B·T, 3, h, w) from -1 to 1, the shorter side `self.side`, both in whole patches."""
        height, width = clips.shape[-2:]
        scale, whole = self.side / min(height, width), 2 * PATCH
        size = [max(whole, round(side * scale / whole) * whole) for side in (height, width)]
        pictures = clips.flatten(0, 1).float()
        if size != [height, width]:
            pictures = F.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)
        pictures = pictures / 127.5 - 1
        return pictures.bfloat16() if torch.is_autocast_enabled(clips.device.type) else pictures

    @torch.no_grad()
    def read(self, clips: Tensor) -> list[dict[str, str]]:
        """What each clip (B, T, 3, H, W) shows, at `SEEN_FPS` frames a second."""
        scores = self(clips)
        best = {name: scores[name].argmax(1).tolist() for name in self.reads}
        return [{name: self.reads[name][best[name][row]] for name in self.reads} for row in range(len(clips))]


def three(x: Tensor) -> Tensor:
    """(B, T, C) → (B, T, 3C): every moment beside the one before and the one after."""
    before, after = F.pad(x[:, :-1], (0, 0, 1, 0)), F.pad(x[:, 1:], (0, 0, 0, 1))
    return torch.cat([before, x, after], 2)


def dulled(clips: Tensor) -> Tensor:
    """Half of the clips a little blurred, all of them a little brighter or darker: what no reading may hang on."""
    pictures = clips.float()
    blurred = len(clips) // 2
    height, width = clips.shape[-2:]
    shrink = 1 + 1.2 * random.random()
    small = F.interpolate(pictures[:blurred].flatten(0, 1), scale_factor=1 / shrink, mode="bilinear", antialias=True)
    pictures[:blurred] = F.interpolate(small, (height, width), mode="bilinear").unflatten(0, (-1, clips.shape[1]))
    light = 1 + 0.08 * torch.randn(len(clips), 1, 1, 1, 1, device=clips.device)
    return (pictures * light).clamp(0, 255).to(torch.uint8)


def labelled(reads: Mapping[str, tuple[str, ...]], films: Films) -> list[dict[str, str]]:
    """What each film shows, in the words that the judge answers with."""
    columns = {name: films.labels[name].tolist() for name in reads}
    return [{name: reads[name][columns[name][row]] for name in reads} for row in range(len(films))]


def turned(films: Films, reads: Mapping[str, tuple[str, ...]]) -> tuple[Tensor, dict[str, Tensor]]:
    """Films and, once more, those whose motion knows no side, turned left to right; with what each shows.

    A motion with a side would become another, and its film perhaps one of those that are held out.
    """
    other = {name: torch.tensor([_opposite(values, value) for value in values]) for name, values in reads.items()}
    labels = {name: films.labels[name].cpu() for name in reads}
    same = other["motion"][labels["motion"]] == labels["motion"]
    both = {name: torch.cat([known, other[name][known[same]]]) for name, known in labels.items()}
    device = films.frames.device
    clips = torch.cat([films.frames, films.frames[same.to(device)].flip(4)])
    return clips, {name: known.to(device) for name, known in both.items()}


def _opposite(values: tuple[str, ...], value: str) -> int:
    """The place in `values` of what `value` becomes in a mirror."""
    words = [{"left": "right", "right": "left"}.get(word, word) for word in value.split()]
    return values.index(" ".join(words))


def agreement(told: list[dict[str, str]], true: list[dict[str, str]]) -> dict[str, float]:
    """For each thing read, the share of clips in which it is what it should be; what `true` leaves out counts not."""
    rates = {}
    for name in told[0] if told else ():
        pairs = [(one[name], other[name]) for one, other in zip(told, true, strict=True) if name in other]
        if pairs:
            rates[name] = sum(one == other for one, other in pairs) / len(pairs)
    return rates


def save(judge: Judge, path: Path) -> None:
    """float16 weights with the tables that they answer in, so that a later world does not change what they say."""
    tensors = {name: value.half() if value.is_floating_point() else value for name, value in judge.state_dict().items()}
    shape = {"reads": judge.reads, "side": judge.side, "widths": judge.widths}
    save_file(tensors, path, {"shape": json.dumps(shape)})


def load(path: Path) -> Judge:
    with safe_open(path, "pt") as file:
        shape = json.loads(file.metadata()["shape"])
    reads = {name: tuple(values) for name, values in shape["reads"].items()}
    judge = Judge(reads, shape["side"], tuple(shape["widths"]))
    judge.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in load_file(path).items()})
    return judge.eval()


def size_of(side: int) -> tuple[int, int]:
    """Height and width of the films that a judge of that side trains on, 16:9 or nearly."""
    rows, cols = GRIDS["16:9"]
    return side, side * cols // rows


def begun(tier_name: str, side: int) -> Judge:
    """A judge that knows nothing yet, of the things that there are in the tier."""
    table = tier(tier_name)
    return Judge({name: getattr(table, READS[name]) for name in READS}, side, WIDTHS)


def learn(
    judge: Judge, tier_name: str, minutes: float, batch: int, device: str, seed: int = 11, steps: int | None = None
) -> Judge:
    """Teach `judge` for `minutes` of wall clock or for `steps`, on films of its own: none of another seed's."""
    torch.manual_seed(seed)
    random.seed(seed)
    reads, side = judge.reads, judge.side
    judge = judge.to(device, memory_format=torch.channels_last).train()
    matrices = [p for n, p in judge.named_parameters() if p.ndim == 2 and not n.startswith("heads")]
    chosen = {id(p) for p in matrices}
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.Muon(matrices, lr=MATRIX_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([p for p in judge.parameters() if id(p) not in chosen], lr=RATE, weight_decay=0.01),
    ]
    began, step, running, right = time.monotonic(), 0, 0.0, 0.0
    while (part := step / steps if steps else (time.monotonic() - began) / (60 * minutes)) < 1:
        for optimizer, rate in zip(optimizers, (MATRIX_RATE, RATE), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 20) * min(1.0, 0.02 + 1.3 * (1 - part))
        # A quarter of the films is drawn larger and then shrunk, as clips to judge are.
        size = size_of(side if step % 4 else 2 * side)
        films = draw(tier_name, batch, seed * 1_000_000 + step, size, SECONDS * SEEN_FPS, SEEN_FPS, device)
        clips, wanted = turned(films, reads)
        mixed = torch.randperm(len(clips), device=device)  # so that any may be among the blurred
        clips, wanted = clips[mixed], {name: known[mixed] for name, known in wanted.items()}
        with torch.autocast(device, torch.bfloat16):
            scores = judge(dulled(clips))
        losses = [
            WEIGHTS.get(name, 1.0) * F.cross_entropy(scores[name], wanted[name], label_smoothing=0.05) for name in reads
        ]
        loss = torch.stack(losses).mean()
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        step += 1
        running += float(loss.detach())
        right += float((scores["motion"].argmax(1) == wanted["motion"]).float().mean())
        if step % REPORT == 0:
            spent = f"{time.monotonic() - began:.0f} s"
            print(f"step {step} {spent} loss {running / REPORT:.3f} motion {right / REPORT:.3f}", flush=True)
            running = right = 0.0
    return judge.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("judge", type=Path)
    parser.add_argument("--tier", default="pocket")
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--side", type=int, default=40, help="pixels of the shorter side of what it sees")
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--start", type=Path, help="a judge to go on from; give another --seed with it")
    parser.add_argument("--seed", type=int, default=11, help="of the films")
    arguments = parser.parse_args()
    judge = load(arguments.start) if arguments.start else begun(arguments.tier, arguments.side)
    judge = learn(judge, arguments.tier, arguments.minutes, arguments.batch, arguments.device, arguments.seed)
    save(judge.cpu(), arguments.judge)
    judge = load(arguments.judge)
    films = draw(
        arguments.tier, 200, 1, size_of(2 * arguments.side), SECONDS * SEEN_FPS, SEEN_FPS, "cpu", held_out=True
    )
    told = [each for part in films.frames.split(25) for each in judge.read(part)]
    rates = agreement(told, labelled(judge.reads, films))
    print("held out:", ", ".join(f"{name} {rate:.3f}" for name, rate in rates.items()))


if __name__ == "__main__":
    main()
