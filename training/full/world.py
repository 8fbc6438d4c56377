"""The tables of the full tier: who, where, what they do, in which light and weather, seen how. No tensor library.

`subjects.txt` lists the subjects and the animated emoji that plays each; `held-out-full.txt` the combinations of
subject, scene and motion that training never shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"
HELD_OUT = DATA / "held-out-full.txt"
KINDS = ("ground", "hop", "crawl", "air", "water", "wheels", "rails", "boat", "slide", "ball", "thing")


@dataclass(frozen=True)
class Subject:
    """`emoji` is a file name of the emoji packages; `kind`, one of KINDS, chooses how it moves and its verbs."""

    emoji: str
    name: str
    words: tuple[str, ...]  # what else people type for it; "~" and a letter of `number` may end one
    kind: str
    faces: str  # "l" or "r": where the drawing looks; "" at us, never mirrored
    size: float
    number: str  # "p" plural, "m" without a plural, "n" a name, "t" always with "the", "" can be counted


def _subjects() -> tuple[Subject, ...]:
    found = []
    for line in (DATA / "subjects.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        emoji, name, words, kind, faces, size, number = [*line.split("|"), ""][:7]
        others = tuple(word for word in words.split(",") if word)
        found.append(Subject(emoji, name, others, kind, faces, float(size or 1), number))
    return tuple(found)


SUBJECTS = _subjects()


@dataclass(frozen=True)
class Scene:
    """`ground` is the height that feet stand on, as a part of the picture from its top; None where all float."""

    name: str
    ground: float | None = 0.87
    outdoors: bool = True  # has day and night, and weather
    water: float | None = None  # the height of a surface that hides what is under it
    likes: str = ""  # kinds that are seen here more often


SCENES = (
    Scene("beach"),
    Scene("sea", 0.84, water=0.80, likes="boat water"),
    Scene("underwater", 0.90, outdoors=False, likes="water"),
    Scene("lake", 0.86, water=0.82, likes="boat water"),
    Scene("forest"),
    Scene("jungle"),
    Scene("desert"),
    Scene("snow", likes="slide"),
    Scene("mountains"),
    Scene("meadow"),
    Scene("farm"),
    Scene("city", likes="wheels rails"),
    Scene("street", likes="wheels rails"),
    Scene("room", 0.88, outdoors=False),
    Scene("kitchen", 0.88, outdoors=False),
    Scene("stage", 0.86, outdoors=False),
    Scene("space", None, outdoors=False, likes="air"),
    Scene("moon", outdoors=False),
    Scene("sky", None, likes="air"),
    Scene("cave", 0.87, outdoors=False),
    Scene("volcano"),
    Scene("castle"),
    Scene("playground"),
    Scene("candy land"),
)
MOTIONS = (
    *("stand", "walk left", "walk right", "run left", "run right", "jump", "bounce", "rise", "fall"),
    *("float", "spin", "circle", "approach", "leave", "shake", "dance"),
)
SIDEWAYS = MOTIONS[1:5]
LIGHTS = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "snowfall", "fog", "leaves", "storm")
CAMERAS = (
    *("static", "pan left", "pan right", "tilt up", "tilt down"),
    *("zoom in", "zoom out", "follow", "handheld"),
)

LIKED = 4.0  # how much oftener a kind is seen where it belongs
HELD_OUT_OF = 61  # one in so many combinations is held out


def floats(subject: Subject, scene: Scene) -> bool:
    """Whether the subject hangs in air or water there instead of standing on the ground."""
    swims = subject.kind == "water" and scene.name == "underwater"
    return scene.ground is None or subject.kind == "air" or swims


def choose_held_out() -> list[tuple[int, int, int]]:
    """The combinations to hold out, spread evenly: every subject, scene and motion is still seen in others."""
    return [
        (subject, scene, motion)
        for subject in range(len(SUBJECTS))
        for scene in range(len(SCENES))
        for motion in range(len(MOTIONS))
        if (subject * 7919 + scene * 104729 + motion * 1299709 + 11) % 100003 % HELD_OUT_OF == 0
    ]


def write_held_out() -> None:
    lines = [f"{SUBJECTS[s].name} | {SCENES[p].name} | {MOTIONS[m]}\n" for s, p, m in choose_held_out()]
    head = "# subject | scene | motion: never drawn in training, for measuring what was understood and not remembered\n"
    HELD_OUT.write_text(head + "".join(lines), "utf-8")


@cache
def held_out() -> frozenset[tuple[int, int, int]]:
    """The published list, as indices of subject, scene and motion."""
    subjects = {subject.name: index for index, subject in enumerate(SUBJECTS)}
    scenes = {scene.name: index for index, scene in enumerate(SCENES)}
    keys = set()
    for line in HELD_OUT.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            subject, scene, motion = line.split(" | ")
            keys.add((subjects[subject], scenes[scene], MOTIONS.index(motion)))
    return frozenset(keys)


if __name__ == "__main__":
    write_held_out()
