"""Throw the dice for films of the full tier: who, where, doing what, seen how. Plain Python, some 20 µs a film."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from training.full.world import (
    CAMERAS,
    LIGHTS,
    LIKED,
    MOTIONS,
    SCENES,
    SIDEWAYS,
    SUBJECTS,
    WEATHERS,
    held_out,
)

VARIATIONS = 16  # of each scene in each light; scroll, mirror and tint make each film's own of them
ENDING = ("rise", "fall", "approach", "leave")  # shown from near their beginning
SECOND_SHARE = 0.22  # of the films have a second subject
LEAFY = ("forest", "meadow", "farm", "city", "street", "castle", "playground", "lake", "mountains", "jungle")
SNOWLESS = ("desert", "jungle", "volcano", "beach", "candy land")


@dataclass(frozen=True, slots=True)
class Film:
    """Indices into the tables of `world`, and the numbers that make it this film."""

    subject: int
    scene: int
    motion: int
    camera: int
    light: int
    weather: int
    second: int  # another subject, -1 for none
    second_motion: int
    size: float  # height of the subject's square in picture heights
    second_size: float
    x: float  # where the subject is at the middle of its way, 0 the picture's middle, ±0.5 its edges
    second_x: float
    nearer: float  # how much lower than the scene's usual ground it stands, in picture heights
    speed: float  # 1.0 is the usual pace
    phase: float  # 0 to 1, where loops and beats start
    start_s: float  # of the film's own time at the first frame
    looks_right: bool  # while it goes nowhere
    variation: int  # of the scene
    scroll: float  # 0 to 1: where in the scene's panorama
    flipped: bool  # the scene mirrored
    warmth: float  # -1 to 1: of the picture's tint
    grain: int  # seed of what no table names: handheld tremor, drops, noise

    @property
    def key(self) -> tuple[int, int, int]:
        return self.subject, self.scene, self.motion


@cache
def _subjects_of(scene: int) -> list[float]:
    likes = SCENES[scene].likes.split()
    return list(accumulate(LIKED if subject.kind in likes else 1.0 for subject in SUBJECTS))


@cache
def _cameras_of(motion: int) -> list[float]:
    name = MOTIONS[motion]
    shares = {"static": 3.0, "pan left": 0.8, "pan right": 0.8, "tilt up": 0.5, "tilt down": 0.5}
    shares |= {"zoom in": 0.7, "zoom out": 0.7, "handheld": 0.6}
    if name in SIDEWAYS:
        shares = {"static": 1.4, "follow": 2.0, "handheld": 0.3, "zoom in": 0.15, "zoom out": 0.15}
    elif name in ("rise", "fall"):
        shares = {"static": 3.0, "handheld": 0.4, "follow": 0.8}
    elif name in ("approach", "leave"):  # a zoom would look the same
        shares = {"static": 3.0, "handheld": 0.6, "pan left": 0.4, "pan right": 0.4}
    return list(accumulate(shares.get(camera, 0.0) for camera in CAMERAS))


@cache
def _weathers_of(scene: int) -> list[float]:
    name = SCENES[scene].name
    shares = {"clear": 9.0, "rain": 1.2, "snowfall": 1.2, "fog": 0.9, "leaves": 0.9, "storm": 0.7}
    if not SCENES[scene].outdoors:
        shares = {"clear": 1.0}
    if name in SNOWLESS:
        shares["snowfall"] = 0.0
    if name not in LEAFY:
        shares["leaves"] = 0.0
    return list(accumulate(shares.get(weather, 0.0) for weather in WEATHERS))


_LIGHT_SHARES = list(accumulate((5.0, 2.0, 2.0)))
_MOTION_SHARES = list(accumulate(1.3 if name in SIDEWAYS or name == "stand" else 1.0 for name in MOTIONS))


def throw(rng: random.Random, keep_out: bool = False) -> Film:
    """A film whose combination is held out if `keep_out`, else one whose combinations all are not."""
    pick, part = rng.choices, rng.random
    while True:
        if keep_out:
            subject, scene, motion = rng.choice(_listed())
        else:
            scene = rng.randrange(len(SCENES))
            subject = pick(range(len(SUBJECTS)), cum_weights=_subjects_of(scene))[0]
            motion = pick(range(len(MOTIONS)), cum_weights=_MOTION_SHARES)[0]
            if (subject, scene, motion) in held_out():
                continue
        second, second_motion = -1, 0
        if part() < SECOND_SHARE:
            second = pick(range(len(SUBJECTS)), cum_weights=_subjects_of(scene))[0]
            second_motion = motion if part() < 0.5 else 0
            if second == subject or (second, scene, second_motion) in held_out():
                continue
        break
    outdoors = SCENES[scene].outdoors
    side = part() < 0.5
    size = 0.36 + 0.28 * part()
    middle = 0.16 if second >= 0 else 0.0
    apart = -1.0 if side else 1.0
    return Film(
        subject=subject,
        scene=scene,
        motion=motion,
        camera=pick(range(len(CAMERAS)), cum_weights=_cameras_of(motion))[0],
        light=pick(range(len(LIGHTS)), cum_weights=_LIGHT_SHARES)[0] if outdoors else 0,
        weather=pick(range(len(WEATHERS)), cum_weights=_weathers_of(scene))[0],
        second=second,
        second_motion=second_motion,
        size=(size if second < 0 else min(size, 0.46)) * SUBJECTS[subject].size,
        second_size=(0.30 + 0.14 * part()) * SUBJECTS[second].size,
        x=apart * middle + 0.30 * (part() - 0.5),
        second_x=-apart * (middle + 0.08) + 0.10 * (part() - 0.5),
        nearer=0.05 * part(),
        speed=0.7 + 0.65 * part(),
        phase=part(),
        start_s=0.0 if part() < 0.6 else part() * (0.8 if MOTIONS[motion] in ENDING else 3.0),
        looks_right=part() < 0.5,
        variation=rng.randrange(VARIATIONS),
        scroll=part(),
        flipped=part() < 0.5,
        warmth=2 * part() - 1,
        grain=rng.getrandbits(31),
    )


@cache
def _listed() -> list[tuple[int, int, int]]:
    return sorted(held_out())
