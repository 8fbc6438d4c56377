"""Render films and keep them as latents with sound and captions: what the transformer trains on.

    python -m training.latents RUN_FOLDER/autoencoder.pt LATENTS_FOLDER --films 20000

Instead of the run's autoencoder.pt, training/kept/encoder.safetensors will do. Shards are written whole and named by
number, so that many workers and many runs share one folder, and a trainer may read while it grows. Every film is kept
twice, the second time turned left to right, with words to match. `references.pt` holds latents of each subject alone.
With `--landing` only films in which somebody jumps and lands are drawn: what `train --follow` learns to keep to a given
sound from. Give those shards numbers of their own (`--first`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from rushes.models.mini.sound import RATE
from rushes.models.mini.sound import heard as heard_hops
from training import sprites as sprite_store
from training.autoencoder import Autoencoder
from training.captions import caption
from training.checkpoint import averaged, kept
from training.films import SPRITES
from training.network import PATCH, Encoder
from training.pocket import gait, heard, reference
from training.render import Film, draw_film, render
from training.world import FPS, FRAMES_PER_LATENT, GRIDS, MOTIONS, POCKET, SUBJECTS, held_out

LENGTH = 6  # latents kept of a film: three seconds, of which the transformer sees any two
SHARD_FILMS = 60
CAPTIONS = 6  # ways to say the same film, kept with it
REFERENCES = 64  # of each subject
REFERENCE_LATENTS = 2  # of a moving one
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


@dataclass(frozen=True)
class Thrown:
    """A film as its shard has it: shown from `start_s` on, `turned` when it is the one before in a mirror."""

    film: Film
    start_s: float
    captions: list[str]
    turned: bool


def lands(film: Film) -> bool:
    """Whether the ground is heard each time that somebody comes down."""
    return MOTIONS[film.motion] == "jump" and gait(film) > 0


def thrown(number: int, *, landing: bool = False) -> Iterator[Thrown]:
    """The films of a shard, the same ones for its number; `landing` leaves out those in which nobody lands."""
    rng = torch.Generator().manual_seed(number)
    count = 0
    while count < 2 * SHARD_FILMS:
        film = draw_film(rng)
        if held_out(*film.key) or (landing and not lands(film)):
            continue
        start_s = 0.0 if float(torch.rand((), generator=rng)) < 0.5 else float(torch.rand((), generator=rng)) * 4
        for shown, turned in ((film, False), (film.mirrored(), True)):
            if held_out(*shown.key):
                continue
            yield Thrown(shown, start_s, [caption(shown, rng) for _ in range(CAPTIONS)], turned)
            count += 1


def sounds(films: list[Thrown]) -> Tensor:
    """What is heard in them, which is the same in a mirror: (B, hops, values of a hop) float16."""
    seconds = LENGTH * FRAMES_PER_LATENT / FPS
    straight = [each for each in films if not each.turned]
    samples = heard([each.film for each in straight], [each.start_s for each in straight], seconds, RATE)
    hops: Tensor = heard_hops(samples, torch)
    turned = torch.tensor([each.turned for each in films])
    return hops.half()[torch.cumsum(~turned, 0) - 1]


def shard(number: int, encoder: Encoder, sprites: list[Tensor], *, landing: bool = False) -> dict[str, object]:
    names = [name for name, share in RATIO_SHARE.items() for _ in range(share)]
    rows, cols = GRIDS[names[number % len(names)]]
    films = list(thrown(number, landing=landing))
    latents: list[Tensor] = []
    weights: list[Tensor] = []
    shown: tuple[Tensor, Tensor] | None = None
    for each in films:
        if shown is not None and each.turned:
            shown = shown[0].flip(3), shown[1].flip(2)
        else:
            shown = render(each.film, sprites, rows, cols, each.start_s, LENGTH * FRAMES_PER_LATENT, PATCH)
        pictures, cover = shown
        latents.append(encode(encoder, pictures))
        weights.append(emphasis(cover))
    return {
        "latents": torch.stack(latents),
        "weights": torch.stack(weights),
        "sound": sounds(films),
        "captions": [each.captions for each in films],
        "subjects": [each.film.subject for each in films],
        "lands": torch.tensor([lands(each.film) for each in films]),
    }


def references(encoder: Encoder, sprites: list[Tensor]) -> dict[int, tuple[Tensor, Tensor]]:
    """By subject: still ones (REFERENCES, 1, C, h, w) and moving ones (REFERENCES, REFERENCE_LATENTS, C, h, w)."""
    made = {}
    for index in (index for index, subject in enumerate(SUBJECTS) if subject.name in POCKET):
        rng = torch.Generator().manual_seed(index)
        clips = [reference(sprites[index], rng, FPS, REFERENCE_LATENTS * FRAMES_PER_LATENT) for _ in range(REFERENCES)]
        still = torch.stack([encode(encoder, clip[:1].expand(FRAMES_PER_LATENT, -1, -1, -1)) for clip in clips])
        made[index] = (still, torch.stack([encode(encoder, clip) for clip in clips]))
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("autoencoder", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--films", type=int, default=20000)
    parser.add_argument("--first", type=int, default=0, help="this worker's first shard")
    parser.add_argument("--landing", action="store_true", help="only films in which somebody jumps and lands")
    parser.add_argument("--every", type=int, default=1, help="this worker takes every n-th shard")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if arguments.autoencoder.suffix == ".safetensors":
        encoder = kept(arguments.autoencoder, Encoder()).eval()
    else:
        encoder = averaged(arguments.autoencoder, Autoencoder()).encoder
    encoder = encoder.to(memory_format=torch.channels_last)
    full_size = sprite_store.load(SPRITES)
    sprites = [F.avg_pool2d(frames, 32 // PATCH) for frames in full_size]
    if arguments.first == 0:
        torch.save(references(encoder, full_size), arguments.folder / "references.pt")
    for number in range(arguments.first, arguments.films // SHARD_FILMS, arguments.every):
        path = arguments.folder / f"shard-{number:05d}.pt"
        if not path.exists():
            beside = path.with_suffix(".new")
            torch.save(shard(number, encoder, sprites, landing=arguments.landing), beside)
            beside.replace(path)
            print(f"shard {number}", flush=True)


if __name__ == "__main__":
    main()
