"""Render many films into plain arrays on disk, half-second chunks for the autoencoder, with several processes.

    python -m training.films FOLDER --films 1200

Called again it begins anew: what lay in the folder is written over.
"""

from __future__ import annotations

import argparse
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import torch

from training import sprites as sprite_store
from training.render import draw_film, render
from training.world import FRAMES_PER_LATENT, GRIDS

SPRITES = Path(__file__).parent / "data" / "sprites"
CHUNKS = 3  # consecutive latents kept per film: the autoencoder sees each alone


def _begin() -> None:
    global _sprites
    torch.set_num_threads(1)
    _sprites = sprite_store.load(SPRITES)


def chunks(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(CHUNKS·F, 3, H, W) uint8 and the subject's coverage as uint8."""
    rng = torch.Generator().manual_seed(seed)
    film = draw_film(rng)
    start_s = float(torch.rand((), generator=rng)) * 5
    rows, cols = GRIDS["16:9"]
    pictures, cover = render(film, _sprites, rows, cols, start_s, CHUNKS * FRAMES_PER_LATENT)
    return pictures.numpy(), (cover * 255).to(torch.uint8).numpy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=1200)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    frames = arguments.films * CHUNKS * FRAMES_PER_LATENT
    rows, cols = GRIDS["16:9"]
    shape = (frames, 3, rows * 32, cols * 32)
    pictures = np.lib.format.open_memmap(arguments.folder / "pictures.npy", "w+", np.uint8, shape)
    cover = np.lib.format.open_memmap(arguments.folder / "cover.npy", "w+", np.uint8, (frames, *shape[2:]))
    with Pool(arguments.workers, _begin) as pool:
        for index, (film, mask) in enumerate(
            pool.imap(chunks, range(1_000_000, 1_000_000 + arguments.films), chunksize=4)
        ):
            at = slice(index * CHUNKS * FRAMES_PER_LATENT, (index + 1) * CHUNKS * FRAMES_PER_LATENT)
            pictures[at], cover[at] = film, mask
            if index % 100 == 0:
                print(f"{index} of {arguments.films} films", flush=True)


if __name__ == "__main__":
    main()
