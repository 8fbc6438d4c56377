"""Batches of the pocket tier's films, drawn one by one on the CPU: few enough to be kept on disk as latents.

`training.render.draw` calls this for tier "pocket". `films.py` and `latents.py` draw single films instead.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training import sound, sprites
from training.captions import caption
from training.full import world as full
from training.full.dice import Film as HeardFilm
from training.full.motion import Beat
from training.render import REFERENCE_FRAMES, REFERENCE_PX, WEIGHT_PX, Film, Films, draw_film, render
from training.world import FPS, GRIDS, MOTIONS, SCENES, SUBJECTS, WEATHERS
from training.world import held_out as kept_out

SPRITES = Path(__file__).parent / "data" / "sprites"
FINEST_CELL = 32  # pixels to the side of a latent at which sprites and weather are drawn best


@cache
def loops(shrink: int) -> list[Tensor]:
    return [F.avg_pool2d(frames, shrink) for frames in sprites.load(SPRITES)] if shrink > 1 else sprites.load(SPRITES)


def _cells(size: tuple[int, int]) -> tuple[int, int, int]:
    """Rows, columns and pixels to a cell of a picture. Raises ValueError when none of the grids fits."""
    for rows, cols in GRIDS.values():
        cell = size[0] // rows
        if (rows * cell, cols * cell) == size and FINEST_CELL % cell == 0:
            return rows, cols, cell
    raise ValueError(f"size {size}: the pocket tier draws the grids {GRIDS} times 8, 16 or 32 pixels")


def reference(loop: Tensor, rng: torch.Generator, fps: int, frames: int = REFERENCE_FRAMES) -> Tensor:
    """The subject from a phase, in a size and on a plain colour of its own: (frames, 3, R, R) uint8."""
    phase, part, light = torch.rand(3, generator=rng).tolist()
    colour = 0.55 + 0.45 * torch.rand(3, 1, 1, generator=rng)
    at = torch.arange(frames) * FPS / fps + phase * len(loop)
    side = round(REFERENCE_PX * (0.6 + 0.38 * part))
    small = F.interpolate(loop[at.round().long() % len(loop)], (side, side), mode="bilinear", antialias=True)
    left, top = (torch.rand(2, generator=rng) * (REFERENCE_PX - side)).round().long().tolist()
    small = F.pad(small, (left, REFERENCE_PX - side - left, top, REFERENCE_PX - side - top))
    if light < 0.5:
        small = small.flip(3)
    picture = colour * (1 - small[:, 3:]) + small[:, :3]
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


GAITS = {"left": 3.6, "right": 3.6, "jump": 1.1, "dance": 2.2}
"""Contacts with the ground in a film's second, for those who stand on it: where `render.pose` comes down."""
MOVES = {"left": "walk left", "right": "walk right"}  # the others have the same name in both tiers


def heard(films: list[Film], starts_s: list[float], seconds: float, rate: int) -> Tensor:
    """What these films sound like from `starts_s` on: (B, round(seconds · rate)) float from -1 to 1."""
    told = [_told(film, start_s) for film, start_s in zip(films, starts_s, strict=True)]
    gaits = [gait(film) for film in films]
    beat = Beat(
        torch.tensor([gait * film.speed for gait, film in zip(gaits, films, strict=True)]),
        torch.tensor([gait * film.phase for gait, film in zip(gaits, films, strict=True)]),
    )
    return sound.sound(told, seconds, rate, torch.device("cpu"), beat)


def gait(film: Film) -> float:
    """Contacts with the ground in a second of the film at the usual pace; 0 for who floats or rolls."""
    stands = SUBJECTS[film.subject].habitat in ("ground", "wheels") and SCENES[film.scene] != "space"
    rolls = SUBJECTS[film.subject].habitat == "wheels" and MOTIONS[film.motion] in MOVES
    return GAITS.get(MOTIONS[film.motion], 0.0) if stands and not rolls else 0.0


def _told(film: Film, start_s: float) -> HeardFilm:
    """The same film in the full tier's terms, as far as they can be heard."""
    motion = MOTIONS[film.motion]
    speed, phase = film.speed, film.phase
    if motion == "spin":  # a pocket film spins 0.55 times a second, a full one 0.5 times
        speed, phase = 1.1 * speed, 0.55 * phase
    elif motion == "approach":
        speed = speed**2
    return HeardFilm(
        subject=_subject(SUBJECTS[film.subject].emoji),
        scene=next(index for index, scene in enumerate(full.SCENES) if scene.name == SCENES[film.scene]),
        motion=full.MOTIONS.index(MOVES.get(motion, motion)),
        camera=0,
        light=film.light,
        weather=full.WEATHERS.index(WEATHERS[film.weather]),
        second=-1,
        second_motion=0,
        size=film.size,
        second_size=0.0,
        x=film.x,
        second_x=0.0,
        nearer=0.0,
        speed=speed,
        phase=phase,
        start_s=start_s,
        looks_right=False,
        variation=0,
        scroll=0.0,
        flipped=False,
        warmth=0.0,
        grain=film.seed % (1 << 20),
    )


@cache
def _subject(emoji: str) -> int:
    return next(index for index, subject in enumerate(full.SUBJECTS) if subject.emoji == emoji)


def draw(
    count: int,
    seed: int,
    size: tuple[int, int],
    frames: int,
    fps: int,
    device: torch.device,
    held_out: bool,
    sound_rate: int,
    captions: int,
) -> Films:
    """See `training.render.draw`; drawn on the CPU whatever the device."""
    rows, cols, cell = _cells(size)
    shown = loops(FINEST_CELL // cell)
    rng = torch.Generator().manual_seed(seed)
    drawn: list[Film] = []
    starts_s: list[float] = []
    pictures, covers, references, said = [], [], [], []
    while len(drawn) < count:
        film = draw_film(rng)
        if kept_out(*film.key) != held_out:
            continue
        start_s = max(0.0, float(torch.rand((), generator=rng)) * 8 - 4)  # from the beginning half the time
        picture, cover = render(film, shown, rows, cols, start_s, frames, cell, fps)
        drawn.append(film)
        starts_s.append(start_s)
        pictures.append(picture)
        covers.append(F.avg_pool2d(cover[:, None], WEIGHT_PX)[:, 0])
        references.append(reference(shown[film.subject], rng, fps))
        said.append([caption(film, rng) for _ in range(captions)])
    clips = torch.stack(references).to(device)
    names = ("subject", "scene", "motion", "camera", "light", "weather")
    return Films(
        frames=torch.stack(pictures).to(device),
        fps=fps,
        sound=heard(drawn, starts_s, frames / fps, sound_rate).to(device) if sound_rate else None,
        sound_rate=sound_rate,
        captions=said,
        weights=(torch.stack(covers) * 255).round().to(torch.uint8).to(device),
        reference=clips[:, 0],
        reference_clip=clips,
        labels={name: torch.tensor([getattr(film, name) for film in drawn], device=device) for name in names},
    )
