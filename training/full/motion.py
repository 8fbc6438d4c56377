"""Where everybody is at every moment, and where the camera looks: the films' numbers as tensors, (B, T).

World      x in picture widths (0 is where the camera looks at time 0), y and sizes in picture heights, y from the top.
Contacts   feet, balls and jumpers touch the ground when their beat passes a whole number; `Beat` tells the sound when.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from training.full.dice import Film
from training.full.world import CAMERAS, MOTIONS, SCENES, SUBJECTS, floats

ROUND_S = 4.0  # seconds that a rise, a fall, an approach or a leaving takes
WALK, RUN = 0.13, 0.29  # picture widths of a 16:9 picture a second
STEPS, FAST_STEPS = 1.6, 2.6  # a second
LANDED = 0.45  # part of a fall's round after which it lies on the ground
FLEET = ("ground", "hop", "crawl")  # kinds with steps


def progress(time_s: Tensor, speed: Tensor) -> Tensor:
    """How much of what has an end is done, 0 to 1: a rise, a fall, an approach, a leaving."""
    return (time_s * speed.sqrt() / ROUND_S).clamp(max=1)


@dataclass(frozen=True)
class Beat:
    """Contacts with the ground: at time t the beat is rate · t + offset, a contact at each whole number; all (B,)."""

    rate: Tensor  # a second; 0 for none
    offset: Tensor

    def since(self, time_s: Tensor) -> Tensor:
        """Seconds since the last contact at each of `time_s` (B, T); huge where there is none."""
        rate = self.rate[:, None]
        part = torch.remainder(rate * time_s + self.offset[:, None], 1.0)
        return torch.where(rate > 0, part / rate.clamp(min=1e-3), torch.full_like(part, 1e3))


@dataclass(frozen=True)
class Actor:
    """One subject of each film through time, each (B, T): middle, height of its square, squash, turn, look."""

    x: Tensor
    y: Tensor
    size: Tensor
    squash: Tensor  # 1 as drawn, above 1 wider and lower
    turn: Tensor  # radians, clockwise
    flip: Tensor  # -1 mirrored, 1 as drawn
    floor: Tensor  # y where its shadow lies
    lift: Tensor  # how far its feet are above it
    beat: Beat
    shown: Tensor  # (B,) bool


@dataclass(frozen=True)
class View:
    """The camera: middle of what it sees and the part of the picture's size that it sees, each (B, T)."""

    x: Tensor
    y: Tensor
    scale: Tensor


def column(values: list[float] | list[int] | list[bool], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)[:, None]


def times(films: list[Film], frames: int, rate: float, device: torch.device) -> Tensor:
    """Seconds of each film's own time at `frames` moments, `rate` of them a second: (B, T)."""
    return column([film.start_s for film in films], device) + torch.arange(frames, device=device)[None] / rate


def act(films: list[Film], second: bool, foot: Tensor, time_s: Tensor, aspect: float) -> Actor:
    """The first or second subjects. `foot` (B,) is how far down its square a subject's lowest line is, 0 to 1."""
    device, tau = time_s.device, math.tau
    who = [SUBJECTS[film.second if second else film.subject] for film in films]
    motions = [MOTIONS[film.second_motion if second else film.motion] for film in films]
    scenes = [SCENES[film.scene] for film in films]
    cameras = [CAMERAS[film.camera] for film in films]

    def are(*names: str) -> Tensor:
        return torch.tensor([motion in names for motion in motions], device=device)[:, None]

    def numbers(values: list[float] | list[int] | list[bool]) -> Tensor:
        return column(values, device)

    speed = numbers([film.speed * (1.06 if second else 1.0) for film in films])
    phase = numbers([(film.phase + 0.37 * second) % 1.0 for film in films])
    size = numbers([film.second_size if second else film.size for film in films])
    middle = numbers([film.second_x if second else film.x for film in films])
    nearer = numbers([-0.045 if second else film.nearer for film in films])
    hangs = torch.tensor([floats(s, p) for s, p in zip(who, scenes, strict=True)], device=device)[:, None]
    alone = torch.tensor([p.ground is None for p in scenes], device=device)[:, None]
    ground = numbers([p.ground or 0.88 for p in scenes]) + nearer
    fleet = torch.tensor([s.kind in FLEET for s in who], device=device)[:, None] & ~hangs
    hops = torch.tensor([s.kind == "hop" for s in who], device=device)[:, None]
    followed = torch.tensor([camera == "follow" for camera in cameras], device=device)[:, None]

    left, right = are("walk left", "run left"), are("walk right", "run right")
    runs, sideways = are("run left", "run right"), are("walk left", "walk right", "run left", "run right")
    side = right.float() - left.float()
    zero = torch.zeros_like(time_s)
    beat_s = time_s * speed

    # Beats: steps, bounces and jumps, each a lift that is zero at whole numbers.
    steps = torch.where(runs, FAST_STEPS, STEPS) * (1 - 0.25 * hops.float())
    rate = torch.where(sideways & fleet, steps, 0.0)
    rate = torch.where(are("bounce"), 1.25, rate)
    rate = torch.where(are("jump"), 0.80, rate)
    rate = (rate * speed).squeeze(1)
    beat = Beat(rate, phase.squeeze(1))
    part = torch.remainder(rate[:, None] * time_s + phase, 1.0)
    arc = 1 - (2 * part - 1) ** 2
    air = ((part - 0.30) / 0.70).clamp(min=0)  # a jumper gathers itself first
    leap = (1 - (2 * air - 1) ** 2).clamp(min=0)
    lift = torch.where(sideways & fleet, arc * torch.where(hops, 0.075, torch.where(runs, 0.034, 0.020)), zero)
    lift = torch.where(are("bounce"), 0.26 * arc, lift)
    lift = torch.where(are("jump"), 0.30 * leap, lift)
    near = (1 - 12 * part.minimum(1 - part)).clamp(min=0)
    squash = 1 + torch.where(are("bounce"), 0.22 * near, zero)
    crouch = torch.sin((part / 0.30).clamp(max=1) * math.pi)
    squash = squash + torch.where(are("jump"), 0.16 * crouch, zero)

    # What has a beginning and an end.
    way = progress(time_s, speed)
    lift = torch.where(are("rise"), 1.35 * way**1.4, lift)
    drop = (way / LANDED).clamp(max=1)
    after = ((way - LANDED) / 0.25).clamp(0, 1)
    lift = torch.where(
        are("fall"), 0.70 * (1 - drop**2) + torch.where(drop < 1, 0.0, 0.14) * 4 * after * (1 - after), lift
    )
    grown = torch.where(
        are("approach"), 0.40 * (1.45 / 0.40) ** way, torch.where(are("leave"), 1.45 * (0.40 / 1.45) ** way, 1.0)
    )
    grown = torch.where(are("approach", "leave"), grown, zero + 1)
    size_BT = size * grown
    floor = ground + torch.where(are("approach", "leave") & ~alone, 0.16 * (grown - 1).clamp(-0.7, 0.4), zero)

    x = middle + zero
    pace = torch.where(runs, RUN, WALK) * min(1.25, (16 / 9) / aspect) * speed
    path = middle + side * pace * (time_s - 1.9)
    sway = 0.04 * torch.sin(tau * (beat_s / 4 + phase))
    x = torch.where(
        sideways,
        torch.where(followed, middle * 0.5 + side * pace * time_s + sway, torch.remainder(path + 0.8, 1.6) - 0.8),
        x,
    )
    lift = torch.where(are("float"), 0.16 + 0.10 * torch.sin(tau * (0.42 * beat_s + phase)), lift)
    x = torch.where(are("float"), x + 0.05 * torch.sin(tau * (0.27 * beat_s + phase)), x)
    turning = tau * (0.45 * beat_s + phase)
    lift = torch.where(are("circle"), 0.20 + 0.20 * torch.sin(turning), lift)
    x = torch.where(are("circle"), x + 0.20 * min(1.0, 16 / 9 / aspect) * torch.cos(turning), x)
    shiver = torch.sin(tau * (2.7 * time_s + phase))
    x = torch.where(are("shake"), x + 0.018 * shiver, x)
    tilt = torch.where(are("shake"), 0.07 * torch.sin(tau * (2.7 * time_s + phase + 0.2)), zero)
    rock = torch.sin(tau * (0.9 * beat_s + phase))
    tilt = torch.where(are("dance"), 0.26 * rock, tilt)
    lift = torch.where(are("dance"), 0.035 * (1 - rock**2), lift)
    x = torch.where(are("dance"), x + 0.035 * torch.sin(tau * (0.45 * beat_s + phase)), x)
    rolls = torch.tensor([s.kind == "ball" for s in who], device=device)[:, None] & sideways & ~hangs
    tilt = torch.where(rolls, side * pace * aspect * time_s / (size / 2), tilt)
    turn = torch.where(are("spin"), tau * (0.5 * beat_s + phase), tilt)

    # Looks: mirrored drawings turn with their way.
    going = torch.where(
        sideways, side, torch.tensor([1.0 if f.looks_right else -1.0 for f in films], device=device)[:, None]
    )
    going = torch.where(are("circle"), -torch.sign(torch.sin(turning) + 1e-6), going + zero)
    drawn = numbers([{"l": -1.0, "r": 1.0}.get(s.faces, 0.0) for s in who])
    flip = torch.where(drawn == 0, torch.ones_like(going), torch.sign(drawn * going))

    bob = 0.022 * torch.sin(tau * (0.6 * beat_s + phase))
    hang = torch.where(alone, 0.50, 0.44) + torch.where(are("rise"), 0.30, 0.0) + torch.where(are("fall"), 0.12, 0.0)
    hang = hang + torch.where(are("bounce", "jump"), 0.16, 0.0) + torch.where(are("float", "circle"), 0.16, 0.0)
    low = (foot[:, None] - 0.5) * size_BT
    y = torch.where(hangs, hang - lift + bob, floor - low / squash - lift)
    wet = torch.tensor([p.water is not None for p in scenes], device=device)[:, None] & ~hangs
    y = y + torch.where(wet, 0.012 * torch.sin(tau * (0.5 * time_s + phase)), zero)
    lift = torch.where(hangs, (floor - y - low).clamp(min=0), lift)
    floor = torch.where(alone, zero + 3, floor)
    shown = torch.tensor([not second or film.second >= 0 for film in films], device=device)
    return Actor(x, y, size_BT, squash, turn, flip, floor, lift, beat, shown)


def look(films: list[Film], first: Actor, time_s: Tensor) -> View:
    """Where each film's camera looks."""
    device, zero = time_s.device, torch.zeros_like(time_s)
    cameras = [CAMERAS[film.camera] for film in films]

    def are(*names: str) -> Tensor:
        return torch.tensor([camera in names for camera in cameras], device=device)[:, None]

    part = (time_s / 4.5).clamp(0, 1)
    x = torch.where(are("pan right"), 0.11 * (time_s - 1.9), torch.where(are("pan left"), -0.11 * (time_s - 1.9), zero))
    scale = torch.where(are("zoom in"), 1 - 0.36 * part, torch.where(are("zoom out"), 0.64 + 0.36 * part, zero + 1))
    scale = torch.where(are("tilt up", "tilt down"), 0.74, scale)
    slope = 0.26 * (part - 0.5) * torch.where(are("tilt down"), 1.0, -1.0)
    y = torch.where(are("tilt up", "tilt down"), 0.5 + slope, 0.5 + 0.30 * (1 - scale))
    walks = torch.tensor([MOTIONS[film.motion].split()[-1] in ("left", "right") for film in films], device=device)[
        :, None
    ]
    climbs = torch.tensor([MOTIONS[film.motion] in ("rise", "fall") for film in films], device=device)[:, None]
    x = torch.where(are("follow") & walks, _smooth(first.x, films, time_s), x)
    scale = torch.where(are("follow") & climbs, 0.62, scale)
    y = torch.where(are("follow") & climbs, first.y.clamp(0.31, 0.69), y)
    grain = column([film.grain % 1009 / 1009 for film in films], device) * math.tau
    scale = torch.where(are("handheld"), 0.90, scale)
    tremor = (
        torch.sin(7.1 * time_s + 5 * grain)
        + 0.6 * torch.sin(12.7 * time_s + 3 * grain)
        + 0.8 * torch.sin(3.1 * time_s + grain)
    )
    x = torch.where(are("handheld"), x + 0.011 * tremor, x)
    jolt = torch.sin(8.3 * time_s + 2 * grain) + 0.7 * torch.sin(4.1 * time_s + 7 * grain)
    y = torch.where(are("handheld"), 0.52 + 0.014 * jolt, y)
    return View(x, y, scale)


def _smooth(x: Tensor, films: list[Film], time_s: Tensor) -> Tensor:
    """The straight way through `x`: a camera on rails does not sway with what it follows."""
    speed = column([film.speed for film in films], x.device)
    phase = column([film.phase for film in films], x.device)
    middle = column([film.x for film in films], x.device)
    return x - 0.04 * torch.sin(math.tau * (time_s * speed / 4 + phase)) - middle * 0.5
