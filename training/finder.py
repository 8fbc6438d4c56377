"""Where the subject of a clip is, frame by frame: for asking whether it moves as it should. Trained only on renders.

    python -m training.finder training/kept/finder.safetensors --minutes 3

Shapes  B clips, T frames, H W pixels. Places are parts of the picture from its middle, -0.5 to 0.5, y downwards.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.network import Conv
from training.render import Films, draw

SIDE, WIDTH = 40, 32  # pixels of the shorter side of what it sees, channels
SIZE = (80, 144)
SECONDS, SEEN_FPS, BATCH, RATE = 2, 4, 12, 3e-3


class Finder(nn.Module):
    """(B, T, 3, H, W) uint8 → (B, T, 2): the subject's x and y. It sees each frame beside the median of the clip."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = Conv(24, WIDTH, 3)
        self.looks = nn.ModuleList([Conv(WIDTH, WIDTH, 3) for _ in range(4)])
        self.score = Conv(WIDTH, 1)

    def forward(self, clips: Tensor) -> Tensor:
        shape, (height, width) = clips.shape[:2], clips.shape[-2:]
        scale = SIDE / min(height, width)
        size = [max(2, round(side * scale / 2) * 2) for side in (height, width)]
        pictures = F.interpolate(clips.flatten(0, 1).float() / 127.5 - 1, size, mode="bilinear", antialias=True)
        still = pictures.unflatten(0, shape).median(1, keepdim=True).values.expand(-1, shape[1], -1, -1, -1)
        x = F.pixel_unshuffle(torch.cat([pictures, pictures - still.flatten(0, 1)], 1), 2)
        x = F.silu(self.enter(x))
        for look in self.looks:
            x = x + F.silu(look(x))
        share = self.score(x).float().flatten(1).softmax(1).view(-1, *x.shape[-2:])
        return torch.stack(middle(share), -1).unflatten(0, shape)


def middle(share: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the middle of weights (…, h, w) that add up to one."""
    rows, cols = share.shape[-2:]
    x = (share.sum(-2) * ((torch.arange(cols) + 0.5) / cols - 0.5)).sum(-1)
    return x, (share.sum(-1) * ((torch.arange(rows) + 0.5) / rows - 0.5)).sum(-1)


def shown(films: Films) -> tuple[Tensor, Tensor]:
    """Where the subject really is, (B, T, 2), and in which frames it is there at all, (B, T)."""
    cover = films.weights.float() / 255
    total = cover.sum((-2, -1))
    x, y = middle(cover / total.clamp(min=1e-6)[..., None, None])
    return torch.stack([x, y], -1), total > 0.5


def learn(minutes: float, seed: int = 31, steps: int | None = None) -> Finder:
    """A finder taught for `minutes` of wall clock or for `steps`."""
    torch.manual_seed(seed)
    finder = Finder()
    optimizer = torch.optim.AdamW(finder.parameters(), lr=RATE)
    began, step, running = time.monotonic(), 0, 0.0
    while (part := step / steps if steps else (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 20) * (1.02 - part)
        films = draw("pocket", BATCH, seed * 1_000_000 + step, SIZE, SECONDS * SEEN_FPS, SEEN_FPS, "cpu")
        where, there = shown(films)
        loss = ((finder(films.frames) - where).abs().sum(-1) * there).sum() / there.sum()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step, running = step + 1, running + float(loss.detach())
        if step % 25 == 0:
            print(f"step {step} {time.monotonic() - began:.0f} s off by {running / 25:.4f}", flush=True)
            running = 0.0
    return finder.eval()


def save(finder: Finder, path: Path) -> None:
    save_file({name: value.half() for name, value in finder.state_dict().items()}, path)


def load(path: Path) -> Finder:
    finder = Finder()
    finder.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return finder.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("finder", type=Path)
    parser.add_argument("--minutes", type=float, default=3)
    arguments = parser.parse_args()
    save(learn(arguments.minutes), arguments.finder)


if __name__ == "__main__":
    main()
