"""How well the shipped model does what it is told, read by a judge that never saw it: `judge.py`.

    python -m training.evaluate [--only reads] [--clips 96] [--write]

Clips are made by the installed package, from prompts about combinations that training never showed; the judge says what
each shows. Beside them stand renders of the same combinations, as drawn and through the model's own autoencoder: what
the judge misses there, no model can be blamed for. `--weights` and `--guidance` compare before anything ships.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from benchmarks._record import Record, add_switches, table
from numpy.typing import NDArray
from torch import Tensor

from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.models.adapter import NO_INPUTS, Chunk, Frames, Inputs
from rushes.models.mini.adapter import MiniAdapter, MiniState
from rushes.models.mini.config import PACKAGED_WEIGHTS
from rushes.models.mini.text import split
from training import judge as judges
from training.captions import PLACES
from training.render import Films, draw
from training.world import tier

KEPT = Path(__file__).parent / "kept" / "judge.safetensors"
READ = tuple(judges.READS)
SECONDS = 2
SIZE = {"width": 320, "height": 180}  # small enough to be quick: it only says which grid of latents is filled
WAYS = 12  # to say a film, of which the longest is asked for: it names the most
SEED = 9_000_000  # of films that no training ever drew
GUIDANCES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
STEPS = (10, 20, 50)
CATALOGUE = Catalogue((CARD,))


@dataclass(frozen=True)
class Asked:
    """A prompt, what a film that keeps to it shows, and the seed of the clip."""

    prompt: str
    true: dict[str, str]
    seed: int


class Studio:
    """The model and its judge, and what they are asked."""

    def __init__(self, weights: Path, judge: Path, tier_name: str, guidance: float | None, steps: int | None) -> None:
        self.adapter = MiniAdapter(weights)
        self.judge = judges.load(judge)
        self.tier = tier_name
        self.defaults = {"guidance_scale": guidance, "steps": steps}

    @property
    def native(self) -> tuple[int, int]:
        """Height and width of a clip."""
        size = self.adapter.native(self.request("a", 0))
        return size.height, size.width

    def request(self, prompt: str, seed: int, **fields: object) -> ResolvedRequest:
        given = {**self.defaults, **SIZE, "seconds": SECONDS, **fields}
        asked = VideoRequest(model=CARD.id, prompt=prompt, seed=seed, **given)  # type: ignore[arg-type]
        return resolve(asked, CATALOGUE.find(asked.model), lambda: seed)

    def made(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> Frames:
        """The clip of `request` at the model's own size and rate: (T, H, W, 3)."""
        return np.concatenate([chunk.frames_THWC for chunk in self._chunks(request, inputs)])

    def sound(self, request: ResolvedRequest) -> NDArray[np.float32]:
        """What is heard in the clip of `request`, which asks for sound: (samples, 2) at 48 kHz."""
        return np.concatenate([chunk.audio for chunk in self._chunks(request) if chunk.audio is not None])

    def _chunks(self, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> Iterator[Chunk]:
        state = self.adapter.prepare(self.adapter.encode(request, inputs), request.seed)
        for index in range(state.num_steps):
            state = self.adapter.step(state, index)
        yield from self.adapter.decode(state)

    def folded(self, clip: Frames) -> Frames:
        """`clip` of `SECONDS` through the model's autoencoder, untouched in between."""
        return np.concatenate([chunk.frames_THWC for chunk in self.adapter.decode(self._given(clip))])

    def latent(self, clip: Frames) -> Tensor:
        """`clip` of `SECONDS` as the transformer sees it: (T, C, h, w)."""
        state = self._given(clip)
        grid = (state.condition.rows, state.condition.cols, self.adapter.config.channels)
        return torch.from_numpy(state.latent_NPC.reshape(-1, *grid).transpose(0, 3, 1, 2).copy())

    def _given(self, clip: Frames) -> MiniState:
        """A clip all of whose frames are given: nothing is left to make."""
        stills = tuple(enumerate(clip))
        return self.adapter.prepare(self.adapter.encode(self.request("a", 0), Inputs(keyframes=stills)), 0)

    def films(self, count: int, seed: int = SEED) -> Films:
        """Renders of held-out combinations, as long and as large as the clips made."""
        fps = self.adapter.config.fps
        return draw(self.tier, count, seed, self.native, SECONDS * fps, fps, "cpu", held_out=True, captions=WAYS)

    def read(self, clips: Sequence[Frames]) -> list[dict[str, str]]:
        every = round(self.adapter.config.fps / judges.SEEN_FPS)
        told = []
        for clip in clips:
            frames = torch.from_numpy(np.ascontiguousarray(clip[::every])).permute(0, 3, 1, 2)
            told += self.judge.read(frames[None])
        return told

    def asked(self, films: Films) -> list[Asked]:
        most, table = self.adapter.config.max_words, tier(self.tier)
        names = {
            name: getattr(table, {"light": "lights", "weather": "weathers"}.get(name, f"{name}s")) for name in READ
        }
        found = []
        for index, ways in enumerate(films.captions):
            fitting = [way for way in ways if len(split(way)) <= most] or ways
            true = {name: names[name][int(films.labels[name][index])] for name in READ}
            found.append(Asked(max(fitting, key=lambda way: (len(split(way)), way)), true, SEED + index))
        return found

    def answered(self, asked: Sequence[Asked], **fields: object) -> list[dict[str, str]]:
        return self.read([self.made(self.request(each.prompt, each.seed, **fields)) for each in asked])


def pictures(films: Films) -> list[Frames]:
    clips: Tensor = films.frames.permute(0, 1, 3, 4, 2)
    return [np.ascontiguousarray(clip.numpy()) for clip in clips]


def share(rate: float) -> str:
    return f"{100 * rate:.0f} %"


def by_chance(told: Sequence[dict[str, str]], true: Sequence[dict[str, str]], name: str) -> float:
    """How often what was read would fit a prompt dealt at random from the others."""
    read, wanted = Counter(each[name] for each in told), Counter(each[name] for each in true)
    return sum(count * wanted[value] for value, count in read.items()) / len(told) / len(true)


def reads(studio: Studio, clips: int) -> str:
    films = studio.films(clips)
    asked = studio.asked(films)
    true = [each.true for each in asked]
    drawn = pictures(films)
    on_renders = judges.agreement(studio.read(drawn), true)
    on_folded = judges.agreement(studio.read([studio.folded(clip) for clip in drawn]), true)
    told = studio.answered(asked)
    on_made = judges.agreement(told, true)
    for name in READ[:3]:
        print(f"{name}:", by_value(told, true, name), file=sys.stderr)
    rows = [
        (
            name,
            share(on_renders[name]),
            share(on_folded[name]),
            f"**{share(on_made[name])}**",
            f"{on_made[name] / on_renders[name]:.2f}" if on_renders[name] else "–",
            share(by_chance(told, true, name)),
        )
        for name in READ
    ]
    head = ("", "renders", "renders through the autoencoder", "clips made", "made ÷ renders", "by chance")
    text = "## How well the clips keep to what was asked\n\n"
    text += f"{clips} combinations that training never showed, {SECONDS} s each; shares are exact to "
    text += f"±{98 / clips**0.5:.0f} points or better. *By chance*: the same clips, prompts dealt anew.\n\n"
    return text + table(head, rows)


def by_value(told: Sequence[dict[str, str]], true: Sequence[dict[str, str]], name: str) -> str:
    """How often each value of `name` came out when asked for, and what came instead most often."""
    parts = []
    for value in sorted({each[name] for each in true}):
        got = [one[name] for one, other in zip(told, true, strict=True) if other[name] == value]
        wrong = Counter(each for each in got if each != value).most_common(1)
        parts.append(
            f"{value} {len([g for g in got if g == value])}/{len(got)}" + "".join(f" (→ {w})" for w, _ in wrong)
        )
    return ", ".join(parts)


def sweep(studio: Studio, clips: int, field: str, values: Sequence[float]) -> str:
    asked = studio.asked(studio.films(clips))
    rows = []
    for value in values:
        rates = judges.agreement(studio.answered(asked, **{field: value}), [each.true for each in asked])
        rows.append((f"{value:g}", *(share(rates[name]) for name in READ)))
        print(field, *rows[-1], file=sys.stderr)
    return f"## What `{field}` does\n\nThe same {clips} prompts and seeds.\n\n" + table((field, *READ), rows)


def negatives(studio: Studio, clips: int) -> str:
    """Each place in turn as the negative prompt of clips whose prompt names no place.

    Summed over all places the rate without is known beforehand, one in their number, however unevenly the model likes
    them: what the negative prompt does is the difference to that.
    """
    subjects, scenes = studio.adapter.config.subjects, studio.adapter.config.scenes
    asked = [Asked(f"a {subjects[index % len(subjects)]}", {}, SEED + index) for index in range(clips)]
    without = [each["scene"] for each in studio.answered(asked)]
    rows, before, after = [], 0, 0
    for scene in scenes:
        read = [each["scene"] for each in studio.answered(asked, negative_prompt=PLACES[scene][0])]
        named, left = without.count(scene), read.count(scene)
        rows.append((f"`{PLACES[scene][0]}`", f"{named} of {clips}", f"{left} of {clips}"))
        print(*rows[-1], file=sys.stderr)
        before, after = before + named, after + left
    rows.append(("all", share(before / clips / len(scenes)), share(after / clips / len(scenes))))
    text = "## What `negative_prompt` does\n\n"
    text += f"{clips} prompts that name a subject only; how often the place is read.\n\n"
    return text + table(("negative prompt", "without", "with it"), rows)


def psnr(one: Frames, other: Frames) -> float:
    error = float(np.square(one.astype(np.float64) - other).mean())
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def given(studio: Studio, clips: int) -> str:
    """Keyframes and a clip to continue, taken from renders, against what the autoencoder alone makes of them."""
    films = studio.films(clips, SEED + 500_000)
    length = studio.adapter.config.frames_per_latent
    at_key: dict[str, list[float]] = {"first": [], "middle": [], "last": []}
    ceiling: list[float] = []
    seam: list[float] = []
    among: dict[str, list[float]] = {"given": [], "made": []}
    for each, clip in zip(studio.asked(films), pictures(films), strict=True):
        request = studio.request(each.prompt, each.seed)
        middle = len(clip) // 2
        keys = {"first": 0, "middle": middle, "last": len(clip) - 1}
        made = studio.made(request, Inputs(keyframes=tuple((at, clip[at]) for at in keys.values())))
        for name, at in keys.items():
            still = studio.folded(np.repeat(clip[at][None], len(clip), 0))[at]
            at_key[name].append(psnr(made[at], clip[at]))
            ceiling.append(psnr(still, clip[at]))
        lead_in = clip[: 2 * length]
        made = studio.made(request, Inputs(lead_in_THWC=lead_in))
        steps = np.abs(np.diff(made.astype(np.float32), axis=0)).mean((1, 2, 3))
        seam.append(float(steps[2 * length - 1]))
        for at in range(length, len(made), length):
            if at != 2 * length:
                among["given" if at < 2 * length else "made"].append(float(steps[at - 1]))
    rows = [(f"keyframe, {name}", f"{np.mean(rates):.1f} dB") for name, rates in at_key.items()]
    rows += [
        ("the same pictures through the autoencoder alone", f"{np.mean(ceiling):.1f} dB"),
        ("continuation: change from the last given frame to the first made", f"{np.mean(seam):.2f}"),
        ("continuation: change where made latent frames meet", f"{np.mean(among['made']):.2f}"),
        ("continuation: change where given latent frames meet", f"{np.mean(among['given']):.2f}"),
    ]
    text = f"## What is given stays\n\n{clips} renders of held-out combinations; change in levels of 255.\n\n"
    return text + table(("", "mean"), rows)


def nearest(studio: Studio, clips: int, latents: Path) -> str:
    """How near the clips made come to films trained on, in the model's own latents, and how near fresh renders come.

    Each distance is divided by that to a training film of middling distance: a copy would be near 0, and a clip that is
    like any other near 1. Fresh renders show how near two films of this world come by themselves.
    """
    films = studio.films(clips)
    asked = studio.asked(films)
    made = [studio.made(studio.request(each.prompt, each.seed)) for each in asked]
    sought = torch.stack([studio.latent(clip) for clip in [*made, *pictures(films)]])
    found = distances(sought, latents)
    own = found.amin(1) / found.median(1).values
    rows = [
        (what, f"{part.median():.2f}", f"{part.min():.2f}")
        for what, part in (("clips made", own[:clips]), ("fresh renders of the same combinations", own[clips:]))
    ]
    text = f"## How near to the nearest of {found.shape[1]} stretches of film trained on\n\n"
    return text + table(("", "median", "nearest of all"), rows)


def distances(sought: Tensor, folder: Path) -> Tensor:
    """Root mean square differences between `sought` (S, T, C, h, w) and every stretch of T latents in `folder`."""
    found = []
    length = sought.shape[1]
    wanted = sought.flatten(1).float()
    for path in sorted(folder.glob("shard-*.pt")):
        stored = torch.load(path, weights_only=True)["latents"]
        if stored.shape[-2:] != sought.shape[-2:]:
            continue
        stretches = stored.unfold(1, length, 1).movedim(-1, 2).flatten(0, 1).flatten(1).float()
        squares = wanted.square().sum(1)[:, None] + stretches.square().sum(1)[None] - 2 * wanted @ stretches.T
        found.append((squares.clamp(min=0) / wanted.shape[1]).sqrt())
    return torch.cat(found, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("reads", "guidance", "steps", "negative", "given", "nearest"))
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--tier", default="pocket")
    parser.add_argument("--judge", type=Path, default=KEPT)
    parser.add_argument("--guidance", type=float, help="instead of the card's default")
    parser.add_argument("--steps", type=int, help="instead of the card's default")
    parser.add_argument("--latents", type=Path, help="the films that the model trained on: how near the clips come")
    add_switches(parser)
    asked = parser.parse_args()
    torch.manual_seed(0)
    studio = Studio(asked.weights or PACKAGED_WEIGHTS, asked.judge, asked.tier, asked.guidance, asked.steps)
    few = max(8, asked.clips // 2)
    parts: dict[str, Callable[[], str]] = {
        "reads": lambda: reads(studio, asked.clips),
        "guidance": lambda: sweep(studio, few, "guidance_scale", GUIDANCES),
        "steps": lambda: sweep(studio, few, "steps", STEPS),
        "negative": lambda: negatives(studio, max(8, asked.clips // 4)),
        "given": lambda: given(studio, max(4, asked.clips // 4)),
    }
    if asked.latents:
        parts["nearest"] = lambda: nearest(studio, few, asked.latents)
    for name in [asked.only] if asked.only else list(parts):
        # Each part is a section of its own: some take minutes, others an hour.
        record = Record(f"evaluate-{name}", asked, (asked.only,), program="training.evaluate")
        record.keep(parts[name]())


if __name__ == "__main__":
    main()
