"""Whether clips heed what else they were given: a reference, sound, a clip to edit; and what their own sound tells.

    python -m training.heed [--only references] [--clips 24] [--write]

Beside `evaluate.py`, with the same judge. Where a subject is, `finder.py` says; the place that a sound belongs to is
read by a linear judge of its own, which is fitted here on renders in a second. Every figure stands beside its ceiling,
what the same measure says of renders, and beside what chance or doing nothing gives.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from benchmarks._making import drummed
from benchmarks._record import Record, add_switches, table
from torch import Tensor

from rushes.models.adapter import NO_INPUTS, Frames, Inputs
from rushes.models.mini.config import PACKAGED_WEIGHTS
from rushes.models.mini.sound import OUT_RATE, RATE, heard
from rushes.models.mini.text import split
from training import finder as finders
from training import pocket, sprites
from training.captions import ACTS, PLACES, caption
from training.evaluate import KEPT, SECONDS, Studio, psnr, share
from training.plan import POCKET
from training.render import Film, draw_film, pose, render
from training.scenes import draw_scene
from training.world import CAMERAS, FPS, LIGHTS, MOTIONS, SCENES, SUBJECTS, held_out

FINDER = KEPT.with_name("finder.safetensors")
SEED = 8_000_000
SOUNDS = 1200  # renders that the judge of sounds is fitted on, and a quarter as many to ask it


def chosen(seed: int, **wanted: Sequence[str]) -> Iterator[Film]:
    """Held-out films for ever, of the `motion`, `camera` and so on that are wanted."""
    rng = torch.Generator().manual_seed(seed)
    tables = {"motion": MOTIONS, "camera": CAMERAS, "scene": SCENES, "light": LIGHTS}
    while True:
        film = draw_film(rng)
        fits = all(tables[name][getattr(film, name)] in values for name, values in wanted.items())
        if fits and held_out(*film.key):
            yield film


def drawn(film: Film, frames: int) -> Frames:
    """(frames, H, W, 3) of the film's beginning, as the model's own grid has them."""
    rows, cols = POCKET.grids["16:9"]
    pictures, _ = render(film, pocket.loops(2), rows, cols, 0.0, frames, POCKET.codec.patch, FPS)
    return np.ascontiguousarray(pictures.permute(0, 2, 3, 1).numpy())


def said(film: Film, seed: int) -> str:
    """The longest of some captions: it names the most."""
    rng = torch.Generator().manual_seed(seed)
    ways = [caption(film, rng) for _ in range(12)]
    return max((way for way in ways if len(split(way)) <= POCKET.max_words), key=lambda way: (len(split(way)), way))


def as_sound(samples: Tensor) -> Frames:
    """Mono at `RATE` → (samples, 2) at `OUT_RATE`, as a file brings it."""
    wide = F.interpolate(samples[None, None], scale_factor=OUT_RATE // RATE, mode="linear")[0, 0]
    return np.repeat(wide.numpy()[:, None], 2, 1).astype(np.float32)


def references(studio: Studio, clips: int) -> str:
    """Who is read in clips whose prompt calls their subject by a word that nobody knows."""
    loops = sprites.load(pocket.SPRITES)
    everybody = chosen(SEED)
    cells = POCKET.reference_cells * POCKET.codec.patch
    right: dict[str, list[bool]] = {}
    for number in range(clips):
        film = next(everybody)
        name = SUBJECTS[film.subject].name
        rng = torch.Generator().manual_seed(SEED + number)
        clip = pocket.reference(loops[film.subject], rng, FPS, 2 * POCKET.codec.frames)
        shown = np.ascontiguousarray(clip.permute(0, 2, 3, 1).numpy())
        assert shown.shape[1:3] == (cells, cells)
        act = ACTS.get(MOTIONS[film.motion], ("is moving",))[0]
        place = PLACES[SCENES[film.scene]][0]
        ways: list[tuple[str, str, Inputs]] = [
            ("named, no reference", f"a {name} {act} {place}", NO_INPUTS),
            ("not named, no reference", f"a character {act} {place}", NO_INPUTS),
            ("not named, a picture", f"a character {act} {place}", Inputs(references=(shown[:1],))),
            ("not named, a clip", f"a character {act} {place}", Inputs(references=(shown,))),
        ]
        for way, prompt, inputs in ways:
            read = studio.read([studio.made(studio.request(prompt, SEED + number), inputs)])[0]
            right.setdefault(way, []).append(read["subject"] == name)
    best = np.mean(right["named, no reference"])
    rows = [(way, share(float(np.mean(got))), f"{np.mean(got) / best:.2f}") for way, got in right.items()]
    text = f"## Who a reference makes it\n\n{clips} held-out combinations; the prompt says *a character*.\n\n"
    return text + table(("the subject is", "read right", "÷ named"), rows)


def features(samples: Tensor) -> Tensor:
    """(B, S) at `RATE` → (B, numbers): mean and spread of what is heard, and how it goes on from hop to hop."""
    values = heard(samples, torch).float()
    steps = values[:, 1:] - values[:, :-1]
    return torch.cat([values.mean(1), values.std(1), steps.abs().mean(1)], 1)


def sounds(studio: Studio, clips: int) -> str:
    """How often a linear judge tells the place from the sound that a clip was made with."""
    everybody = chosen(SEED + 1)

    def rendered(count: int) -> tuple[Tensor, Tensor]:
        films = [next(everybody) for _ in range(count)]
        samples = pocket.heard(films, [0.0] * count, SECONDS, RATE)
        return features(samples), torch.tensor([film.scene for film in films])

    known, places = rendered(SOUNDS)
    mean, spread = known.mean(0), known.std(0) + 1e-3
    weights = torch.linalg.lstsq(
        torch.cat([padded((known - mean) / spread), torch.eye(known.shape[1] + 1)]),
        torch.cat([F.one_hot(places, len(SCENES)).float(), torch.zeros(known.shape[1] + 1, len(SCENES))]),
    ).solution

    def told(numbers: Tensor) -> Tensor:
        return (padded((numbers - mean) / spread) @ weights).argmax(1)

    fresh, fresh_places = rendered(SOUNDS // 4)
    ceiling = float((told(fresh) == fresh_places).float().mean())
    wanted, read = [], []
    for number in range(clips):
        film = next(everybody)
        request = studio.request(said(film, number), SEED + number, generate_audio=True)
        made = studio.sound(request)
        mono = torch.from_numpy(made.mean(1).copy())[None, :: OUT_RATE // RATE]
        wanted.append(film.scene)
        read.append(int(told(features(mono))[0]))
    right = sum(one == other for one, other in zip(wanted, read, strict=True)) / clips
    chance = sum(wanted.count(value) * read.count(value) for value in set(read)) / clips**2
    rows = [
        ("renders, never fitted on", share(ceiling), f"{SOUNDS // 4}"),
        ("clips made with `generate_audio`", f"**{share(right)}**", f"{clips}"),
        ("the same clips, places dealt anew", share(chance), f"{clips}"),
    ]
    text = f"## Whether a clip sounds like its place\n\n{len(SCENES)} places, {SECONDS} s of sound each.\n\n"
    return text + table(("sound of", "place read right", "clips"), rows)


def padded(numbers: Tensor) -> Tensor:
    return torch.cat([numbers, torch.ones(len(numbers), 1)], 1)


@dataclass(frozen=True)
class Track:
    """Where a subject is in every frame: x and y, each (T,), see `finder`."""

    x: Tensor
    y: Tensor


def tracked(finder: finders.Finder, clip: Frames) -> Track:
    with torch.no_grad():
        where = finder(torch.from_numpy(clip).permute(0, 3, 1, 2)[None])[0]
    return Track(where[:, 0], where[:, 1])


def alike(one: Tensor, other: Tensor) -> float:
    """Their correlation, 0 where one of them does not move."""
    one, other = one - one.mean(), other - other.mean()
    size = float(one.norm() * other.norm())
    return float(one @ other) / size if size > 1e-6 else 0.0


def heights(film: Film, frames: int) -> Tensor:
    """Where the film's subject really is, y of every frame."""
    ground = draw_scene(SCENES[film.scene], "day", 16, 16, torch.Generator().manual_seed(0), torch.device("cpu")).ground
    return pose(film, ground, torch.arange(frames) / FPS).y


def landings(film: Film) -> Iterator[float]:
    """When the film's jumper comes down, in seconds."""
    contacts = pocket.gait(film)
    first = math.ceil(contacts * film.phase)
    moments = ((count - contacts * film.phase) / (contacts * film.speed) for count in range(first, first + 60))
    return (moment for moment in moments if moment < SECONDS)


def onsets(studio: Studio, clips: int) -> str:
    """Whether who jumps comes down when the given sound says so."""
    finder = finders.load(FINDER)
    frames = SECONDS * FPS
    jumpers = (film for film in chosen(SEED + 2, motion=("jump",), camera=("static",)) if pocket.gait(film) > 0)
    ways = ("renders", "made to it", "drummed", "made without it", "another's")
    found: dict[str, list[float]] = {name: [] for name in ways}
    films = [next(jumpers) for _ in range(clips)]
    made_tracks = []
    for number, film in enumerate(films):
        true = heights(film, frames)
        sound = as_sound(pocket.heard([film], [0.0], SECONDS, RATE)[0])
        request = studio.request(said(film, number), SEED + number)
        made_tracks.append(tracked(finder, studio.made(request, Inputs(sound=sound))).y)
        found["renders"].append(alike(tracked(finder, drawn(film, frames)).y, true))
        found["made to it"].append(alike(made_tracks[-1], true))
        drum = studio.made(request, Inputs(sound=as_sound(torch.from_numpy(drummed(landings(film), SECONDS, RATE)))))
        found["drummed"].append(alike(tracked(finder, drum).y, true))
        found["made without it"].append(alike(tracked(finder, studio.made(request)).y, true))
    for number, track in enumerate(made_tracks):
        found["another's"].append(alike(track, heights(films[(number + 1) % clips], frames)))
    said_of = {
        "renders": "renders, found by the finder",
        "made to it": "**clips made to the sound**",
        "drummed": "the same made to a drum at the same moments, which training never heard",
        "made without it": "the same prompts and seeds without sound",
        "another's": "clips made to the sound, against another film's jumps",
    }
    rows = [(said_of[name], f"{np.mean(got):.2f}", f"{np.median(got):.2f}") for name, got in found.items()]
    text = "## Whether the picture keeps to the sound it is given\n\n"
    text += f"{clips} held-out films of jumpers: correlation of the subject's height with the jumps that are heard.\n\n"
    return text + table(("heights in", "mean", "median"), rows)


def edits(studio: Studio, clips: int) -> str:
    """Another subject in the place and with the motion of a clip that is there."""
    finder = finders.load(FINDER)
    frames = SECONDS * FPS
    movers = chosen(SEED + 3, motion=("left", "right", "jump"), camera=("static",))
    rng = random.Random(5)
    got: dict[str, list[float]] = {name: [] for name in ("subject", "was", "scene", "motion", "free", "psnr")}
    for number in range(clips):
        film = next(movers)
        names = [name for name in studio.adapter.config.subjects if name != SUBJECTS[film.subject].name]
        other = rng.choice(names)
        act = {"left": "moves to the left", "right": "moves to the right"}.get(MOTIONS[film.motion], "jumps")
        prompt = f"a {other} {act} {PLACES[SCENES[film.scene]][0]}"
        source = drawn(film, frames)
        request = studio.request(prompt, SEED + number)
        made, free = studio.made(request, Inputs(source_THWC=source)), studio.made(request)
        read = studio.read([made])[0]
        got["subject"].append(read["subject"] == other)
        got["was"].append(read["subject"] == SUBJECTS[film.subject].name)
        got["scene"].append(read["scene"] == SCENES[film.scene])
        got["psnr"].append(psnr(made, source))
        axis = "y" if MOTIONS[film.motion] == "jump" else "x"
        before = getattr(tracked(finder, source), axis)
        got["motion"].append(alike(getattr(tracked(finder, made), axis), before))
        got["free"].append(alike(getattr(tracked(finder, free), axis), before))
    rows = [
        ("the subject is the prompt's", share(float(np.mean(got["subject"])))),
        ("the subject is still the clip's", share(float(np.mean(got["was"])))),
        ("the place is the clip's", share(float(np.mean(got["scene"])))),
        ("correlation of the subject's way with the clip's", f"{np.mean(got['motion']):.2f}"),
        ("the same of clips made from the prompt alone", f"{np.mean(got['free']):.2f}"),
        ("PSNR to the clip", f"{np.mean(got['psnr']):.1f} dB"),
    ]
    text = f"## What an edit changes and keeps\n\n{clips} renders, each with a prompt that names another subject.\n\n"
    return text + table(("", "mean"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts: dict[str, Callable[[Studio, int], str]] = {
        "references": references,
        "sounds": sounds,
        "onsets": onsets,
        "edits": edits,
    }
    parser.add_argument("--only", choices=tuple(parts))
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--judge", type=Path, default=KEPT)
    add_switches(parser)
    asked = parser.parse_args()
    torch.manual_seed(0)
    studio = Studio(asked.weights or PACKAGED_WEIGHTS, asked.judge, "pocket", None, None)
    for name in [asked.only] if asked.only else list(parts):
        record = Record(f"heed-{name}", asked, (asked.only,), program="training.heed")
        record.keep(parts[name](studio, asked.clips))


if __name__ == "__main__":
    main()
