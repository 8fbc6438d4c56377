"""Pack the animated emoji of `world.SUBJECTS` into one small folder that travels.

Source  npm packages @lobehub/fluent-emoji-anim-1 … -4 (MIT as declared), 256 px WebP, 24 frames a second.
Packed  one lossy WebP strip with alpha per subject: `FRAME_PX` square frames side by side at 12 frames a second.

    python -m training.sprites EMOJI_ASSETS_FOLDER training/data/sprites
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from training.world import SUBJECTS

FRAME_PX = 128
MAX_FRAMES = 36  # three seconds, the length of the longest loop


def pack(assets: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for subject in SUBJECTS:
        animation = Image.open(assets / f"{subject.emoji}.webp")
        count = getattr(animation, "n_frames", 1)
        chosen = range(0, count, 2) if count > 1 else [0]
        strip = Image.new("RGBA", (FRAME_PX * len(chosen[:MAX_FRAMES]), FRAME_PX))
        for column, index in enumerate(chosen[:MAX_FRAMES]):
            animation.seek(index)
            frame = animation.convert("RGBA").resize((FRAME_PX, FRAME_PX), Image.Resampling.LANCZOS)
            strip.paste(frame, (column * FRAME_PX, 0))
        strip.save(target / f"{subject.name}.webp", quality=82, method=6)


def load(folder: Path) -> list[torch.Tensor]:
    """Frames per subject in the order of `world.SUBJECTS`: (frames, 4, px, px), RGB premultiplied, 0 to 1."""
    loaded = []
    for subject in SUBJECTS:
        strip = np.asarray(Image.open(folder / f"{subject.name}.webp").convert("RGBA"), dtype=np.float32) / 255
        frames = strip.reshape(FRAME_PX, -1, FRAME_PX, 4).transpose(1, 3, 0, 2).copy()
        frames[:, :3] *= frames[:, 3:]
        loaded.append(torch.from_numpy(frames))
    return loaded


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
