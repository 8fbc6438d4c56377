"""Pack the animated emoji of the full tier into one file that travels, and lay them out for drawing.

Source  npm packages @lobehub/fluent-emoji-anim-1 … -4 (MIT as declared), 256 px WebP, 24 frames a second.
Packed  `sprites-full.zip`: for each subject one lossy WebP strip with alpha, `FRAME_PX` square frames side by side,
        every third frame of its loop: the films' own 8 frames a second.

    python -m training.full.sprites EMOJI_ASSETS_FOLDER training/data/sprites-full.zip
"""

from __future__ import annotations

import io
import sys
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from training.full.world import SUBJECTS

PACKED = Path(__file__).parents[1] / "data" / "sprites-full.zip"
FRAME_PX = 96
KEPT_FPS = 8
EVERY = 3  # of the source's frames
MAX_FRAMES = 24  # three seconds, the length of the longest loop
QUALITY = 62
LEVELS = 3  # of the pyramid: a small subject is drawn from a smaller picture of it, or it would sparkle
ROWS = FRAME_PX + FRAME_PX // 2 + FRAME_PX // 4


def pack(assets: Path, target: Path) -> None:
    beginning = (1980, 1, 1, 0, 0, 0)  # the same bytes each time
    with zipfile.ZipFile(target, "w") as archive:
        for subject in SUBJECTS:
            with Image.open(assets / f"{subject.emoji}.webp") as animation:
                count = min(getattr(animation, "n_frames", 1), MAX_FRAMES * EVERY)
                chosen = range(0, count, EVERY)
                strip = Image.new("RGBA", (FRAME_PX * len(chosen), FRAME_PX))
                for column, index in enumerate(chosen):
                    animation.seek(index)
                    frame = animation.convert("RGBA").resize((FRAME_PX, FRAME_PX), Image.Resampling.LANCZOS)
                    strip.paste(frame, (column * FRAME_PX, 0))
            packed = io.BytesIO()
            strip.save(packed, "webp", quality=QUALITY, alpha_quality=70, method=6)
            archive.writestr(zipfile.ZipInfo(f"{subject.emoji}.webp", beginning), packed.getvalue())


@cache
def _archive() -> dict[str, bytes]:
    with zipfile.ZipFile(PACKED) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def load(subject: int) -> Tensor:
    """The loop of that subject of the table: (frames, 4, px, px), RGB premultiplied, uint8."""
    with Image.open(io.BytesIO(_archive()[f"{SUBJECTS[subject].emoji}.webp"])) as packed:
        strip = np.asarray(packed.convert("RGBA"), dtype=np.float32)
    frames = strip.reshape(FRAME_PX, -1, FRAME_PX, 4).transpose(1, 3, 0, 2).copy()
    frames[:, :3] *= frames[:, 3:] / 255
    return torch.from_numpy(frames).round().to(torch.uint8)


class Atlas:
    """Sprites on a device, each loaded when it is first drawn.

    A strip is (4, ROWS, MAX_FRAMES · px) uint8: the loop at full size, below it at half and at a quarter. A short loop
    is repeated until the strip is full, and `length` says how many frames are its whole rounds.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.strips: dict[int, Tensor] = {}
        self.shapes: dict[int, tuple[float, float, float]] = {}  # frames, lowest opaque line, opaque width

    def _lay_out(self, subject: int) -> None:
        loop = load(subject)
        count = len(loop)
        whole = loop.float()
        strip = torch.zeros(4, ROWS, MAX_FRAMES * FRAME_PX)
        top = 0
        for level in range(LEVELS):
            small = F.avg_pool2d(whole, 2**level) if level else whole
            side = FRAME_PX >> level
            for edge in (small[..., 0], small[..., -1], small[..., 0, :], small[..., -1, :]):
                edge[:] = 0  # what is drawn outside a frame reads its edge
            strip[:, top : top + side, : count * side] = small.permute(1, 2, 0, 3).reshape(4, side, count * side)
            top += side
        opaque = whole[:, 3] > 127
        lines = opaque.any(2).any(0).nonzero()
        columns = opaque.any(1).float().sum(1).mean()
        self.strips[subject] = strip.round().to(torch.uint8).to(self.device)
        self.shapes[subject] = (float(count), float(lines.max() + 1) / FRAME_PX, float(columns) / FRAME_PX)

    def take(self, subjects: list[int]) -> tuple[Tensor, Tensor]:
        """Strips (B, 4, ROWS, MAX_FRAMES · px) uint8; frames, lowest line and width of each, (B, 3)."""
        for subject in set(subjects) - self.strips.keys():
            self._lay_out(subject)
        shapes = torch.tensor([self.shapes[subject] for subject in subjects], device=self.device)
        return torch.stack([self.strips[subject] for subject in subjects]), shapes


@cache
def atlas(device: torch.device) -> Atlas:
    return Atlas(device)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
