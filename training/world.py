"""The little world the embedded model learns: who is in it, where, and what they do.

Tables only. `render.py` draws them, `captions.py` speaks of them, `sprites.py` fetches the animated emoji they name.
The *pocket* world is small enough for two CPU cores to learn overnight; the *full* world widens these tables.
"""

from __future__ import annotations

from dataclasses import dataclass

FPS = 12  # frames a second of a film: animated emoji run at 24, every second frame is enough for a walk cycle
FRAMES_PER_LATENT = 6  # half a second
GRIDS = {"16:9": (5, 9), "9:16": (9, 5), "1:1": (7, 7), "4:3": (6, 8), "3:4": (8, 6)}  # latent rows, columns


@dataclass(frozen=True)
class Subject:
    """`emoji` is the file name in the emoji packages; `habitat` chooses verbs: ground, air, water, wheels."""

    name: str
    emoji: str
    habitat: str
    words: tuple[str, ...] = ()  # what else people type for it
    faces: str = "left"  # where the drawing looks; "front" is never mirrored by a motion
    size: float = 1.0


SUBJECTS = (
    Subject("penguin", "1f427", "ground", ("little penguin",), "front"),
    Subject("horse", "1f40e", "ground", ("brown horse", "pony"), size=1.1),
    Subject("dinosaur", "1f996", "ground", ("t-rex", "green dinosaur", "tyrannosaurus"), size=1.1),
    Subject("rocket", "1f680", "air", ("spaceship", "rocket ship"), "right"),
    Subject("butterfly", "1f98b", "air", ("orange butterfly",), "front"),
    Subject("dog", "1f415", "ground", ("puppy",)),
    Subject("cat", "1f408", "ground", ("kitten", "orange cat")),
    Subject("rabbit", "1f407", "ground", ("bunny", "white rabbit")),
    Subject("elephant", "1f418", "ground", ("grey elephant",), size=1.1),
    Subject("fish", "1f420", "water", ("tropical fish", "blue fish")),
    Subject("octopus", "1f419", "water", ("squid",), "front"),
    Subject("bird", "1f426", "air", ("red bird",)),
    Subject("bee", "1f41d", "air", ("honeybee", "bumblebee"), "right"),
    Subject("dragon", "1f409", "air", ("green dragon",)),
    Subject("ghost", "1f47b", "air", ("spook",), "front"),
    Subject("car", "1f697", "wheels", ("red car",)),
    Subject("taxi", "1f695", "wheels", ("yellow taxi", "cab")),
    Subject("bus", "1f68c", "wheels", ("school bus",), size=1.1),
    Subject("train", "1f682", "wheels", ("locomotive", "steam train"), size=1.1),
    Subject("crab", "1f980", "ground", ("red crab",), "front"),
    Subject("whale", "1f433", "water", ("blue whale",), size=1.1),
    Subject("duck", "1f986", "ground", ("mallard",)),
    Subject("cow", "1f404", "ground", ("spotted cow",), size=1.1),
    Subject("pig", "1f416", "ground", ("piglet", "pink pig")),
    Subject("tiger", "1f405", "ground", ("striped tiger",), size=1.1),
    Subject("snowman", "26c4", "ground", (), "front"),
    Subject("giraffe", "1f992", "ground", (), size=1.15),
    Subject("zebra", "1f993", "ground", (), size=1.1),
    Subject("ufo", "1f6f8", "air", ("flying saucer",), "front"),
    Subject("monkey", "1f412", "ground", ("ape",)),
    Subject("robot", "1f916", "ground", (), "front", 0.9),
    Subject("pumpkin", "1f383", "ground", ("jack-o-lantern",), "front", 0.9),
)

POCKET = (
    *("penguin", "horse", "dinosaur", "rocket", "butterfly", "rabbit"),
    *("fish", "taxi", "robot", "ghost", "cat", "elephant"),
)
"""The subjects of the pocket tier: few enough that two CPU cores learn to draw them in an hour or two."""

SCENES = ("beach", "underwater", "forest", "desert", "snow", "meadow", "city", "space", "mountains", "moon")
MOTIONS = ("stand", "left", "right", "jump", "float", "spin", "approach", "dance")
LIGHTS = ("day", "sunset", "night")
WEATHERS = ("clear", "rain", "snowfall")
CAMERAS = ("static", "follow", "pan left", "pan right", "zoom in", "zoom out")

LIT_BY_SPACE = ("space", "moon", "underwater")
"""Scenes with one light of their own: no sunset there, and no rain."""


@dataclass(frozen=True)
class Tier:
    """One size of the world: the names that the labels of its films point into, and the module that draws it."""

    name: str
    subjects: tuple[str, ...]
    scenes: tuple[str, ...]
    motions: tuple[str, ...]
    cameras: tuple[str, ...]
    lights: tuple[str, ...]
    weathers: tuple[str, ...]
    painter: str


def tier(name: str) -> Tier:
    """The tier of that name. Raises ValueError for any but "pocket" and "full"."""
    if name == "pocket":
        return Tier(
            name, tuple(s.name for s in SUBJECTS), SCENES, MOTIONS, CAMERAS, LIGHTS, WEATHERS, "training.pocket"
        )
    if name == "full":
        from training.full import world as full

        subjects, scenes = (tuple(each.name for each in table) for table in (full.SUBJECTS, full.SCENES))
        return Tier(
            name, subjects, scenes, full.MOTIONS, full.CAMERAS, full.LIGHTS, full.WEATHERS, "training.full.compose"
        )
    raise ValueError(f"tier {name!r}: there are pocket and full")


def held_out(subject: int, scene: int, motion: int) -> bool:
    """Whether this combination never appears in training: about one in ten, the same ones for ever."""
    return (subject * 7919 + scene * 104729 + motion * 1299709 + 5) % 1009 < 101
