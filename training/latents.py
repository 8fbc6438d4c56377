"""Render films and keep them as latents with captions: what the transformer trains on.

    python -m training.latents RUN_FOLDER/autoencoder.pt LATENTS_FOLDER --films 20000

Instead of the run's autoencoder.pt, training/kept/encoder.safetensors will do. Shards are written whole and named by
number, so that many workers and many runs share one folder, and a trainer may read while it grows. Every film is kept
twice, the second time turned left to right, with words to match.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import sprites as sprite_store
from training.autoencoder import Autoencoder
from training.captions import caption
from training.checkpoint import averaged, kept
from training.films import SPRITES
from training.network import PATCH, Encoder
from training.render import draw_film, render
from training.world import FRAMES_PER_LATENT, GRIDS, held_out

LENGTH = 6  # latents kept of a film: three seconds, of which the transformer sees any two
SHARD_FILMS = 60
CAPTIONS = 6  # ways to say the same film, kept with it
RATIO_SHARE = {"16:9": 6, "9:16": 1, "1:1": 1, "4:3": 1, "3:4": 1}


@torch.no_grad()
def encode(encoder: Encoder, pictures: Tensor) -> Tensor:
    """(frames, 3, H, W) uint8 of `PATCH` pixels to a cell → (frames / F, C, h, w) float16."""
    chunks = pictures.unflatten(0, (-1, FRAMES_PER_LATENT)).flatten(1, 2).float() / 127.5 - 1
    with torch.autocast("cpu", torch.bfloat16):
        return encoder(chunks.contiguous(memory_format=torch.channels_last)).half()


def emphasis(cover: Tensor) -> Tensor:
    """(frames, H, W) coverage → (frames / F, h, w): how much of each token is subject, as uint8."""
    pooled = F.avg_pool2d(cover[:, None], PATCH)[:, 0].unflatten(0, (-1, FRAMES_PER_LATENT)).amax(1)
    return (pooled * 255).to(torch.uint8)


def shard(number: int, encoder: Encoder, sprites: list[Tensor]) -> dict[str, object]:
    rng = torch.Generator().manual_seed(number)
    names = [name for name, share in RATIO_SHARE.items() for _ in range(share)]
    rows, cols = GRIDS[names[number % len(names)]]
    latents, weights, captions, keys = [], [], [], []
    while len(latents) < 2 * SHARD_FILMS:
        film = draw_film(rng)
        if held_out(*film.key):
            continue
        start_s = 0.0 if float(torch.rand((), generator=rng)) < 0.5 else float(torch.rand((), generator=rng)) * 4
        pictures, cover = render(film, sprites, rows, cols, start_s, LENGTH * FRAMES_PER_LATENT, PATCH)
        turned = film.mirrored()
        for shown, images, mask in ((film, pictures, cover), (turned, pictures.flip(3), cover.flip(2))):
            if held_out(*shown.key):
                continue
            latents.append(encode(encoder, images))
            weights.append(emphasis(mask))
            captions.append([caption(shown, rng) for _ in range(CAPTIONS)])
            keys.append((*shown.key, shown.light, shown.weather, shown.camera))
    return {"latents": torch.stack(latents), "weights": torch.stack(weights), "captions": captions, "keys": keys}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=20000)
    parser.add_argument("--first", type=int, default=0, help="this worker's first shard")
    parser.add_argument("--every", type=int, default=1, help="this worker takes every n-th shard")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if arguments.autoencoder.suffix == ".safetensors":
        encoder = kept(arguments.autoencoder, Encoder()).eval()
    else:
        encoder = averaged(arguments.autoencoder, Autoencoder()).encoder
    encoder = encoder.to(memory_format=torch.channels_last)
    sprites = [F.avg_pool2d(frames, 32 // PATCH) for frames in sprite_store.load(SPRITES)]
    for number in range(arguments.first, arguments.films // SHARD_FILMS, arguments.every):
        path = arguments.folder / f"shard-{number:05d}.pt"
        if not path.exists():
            beside = path.with_suffix(".new")
            torch.save(shard(number, encoder, sprites), beside)
            beside.replace(path)
            print(f"shard {number}", flush=True)


if __name__ == "__main__":
    main()
