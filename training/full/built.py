"""The full tier's places that somebody built: each draws its back, its far and its near panorama on a canvas."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.full.canvas import Canvas, Rgb, lamp, sky
from training.full.places import Layers, round_trees, tufts

PASTELS: tuple[Rgb, ...] = (
    (0.93, 0.62, 0.50),
    (0.98, 0.84, 0.56),
    (0.66, 0.80, 0.90),
    (0.78, 0.88, 0.66),
    (0.90, 0.72, 0.82),
)


def choice(colours: tuple[Rgb, ...], number: Tensor) -> Tensor:
    """One of the colours for each number from 0 to 1: (N, 1, P) → (N, 3, 1, P)."""
    table = torch.tensor(colours, device=number.device)
    chosen = table[(number * len(colours)).long().clamp(max=len(colours) - 1)]
    return chosen.movedim(-1, 1)


def _panes(c: Canvas, across: Tensor, top: float | Tensor, pitch: float) -> Tensor:
    """Windows in a grid, `pitch` picture heights apart."""
    inside = (torch.remainder(across / pitch + 0.5, 1) - 0.5).abs() < 0.30
    return (inside & ((torch.remainder((c.y - top) / pitch, 1) - 0.5).abs() < 0.30)).float()


def farm(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.62, 0.80, 0.44), c.hills(0.54, 0.05, (2, 3)))
    stripes = (torch.sin(c.u * 240 + (c.y - 0.5) * 30) > 0).float()
    far = c.paint(far, (0.86, 0.78, 0.40), c.hills(0.62, 0.03, (3, 4)) * (0.75 + 0.25 * stripes))
    near = c.paint(c.blank(), c.gradient((0.50, 0.70, 0.32), (0.34, 0.52, 0.22), 0.7), c.hills(0.75, 0.010, (5, 9)))
    near = tufts(c, near, (0.28, 0.48, 0.18))
    across, _, _ = c.row(2, 0.4)
    near = c.paint(near, (0.74, 0.20, 0.16), c.box(across, 0.42, 0.78, 0.44))
    near = c.paint(near, (0.74, 0.20, 0.16), c.cone(across, 0.26, 0.43, 1.36))
    near = c.paint(
        near, (0.40, 0.16, 0.15), c.soft(0.02 - (c.y - 0.27 - across.abs() * 0.68).abs()) * c.soft(0.26 - across.abs())
    )
    near = c.paint(near, (0.95, 0.92, 0.88), c.box(across, 0.56, 0.78, 0.17))
    near = c.paint(near, (0.62, 0.15, 0.13), c.box(across, 0.575, 0.78, 0.14))
    cross = torch.minimum((across - (c.y - 0.68) * 0.62).abs(), (across + (c.y - 0.68) * 0.62).abs())
    near = c.paint(near, (0.95, 0.92, 0.88), c.soft(0.008 - cross) * c.box(across, 0.575, 0.78, 0.14))
    posts = (torch.remainder(c.u * 40, 1) - 0.5).abs() < 0.06
    beyond = c.soft(across.abs() - 0.25)
    near = c.paint(near, (0.96, 0.94, 0.90), posts.float() * c.soft(torch.minimum(c.y - 0.66, 0.80 - c.y)) * beyond)
    for y in (0.70, 0.75):
        near = c.paint(near, (0.96, 0.94, 0.90), c.soft(0.008 - (c.y - y).abs()) * beyond)
    return sky(c, light), far, near


def city(c: Canvas, light: str) -> Layers:
    far = c.blank()
    panes = lamp(light) if light != "day" else (0.80, 0.90, 0.97)
    for count, low, tall, rgb in ((17, 0.12, 0.30, (0.58, 0.66, 0.78)), (12, 0.26, 0.30, (0.42, 0.47, 0.60))):
        across, high, other = c.row(count, 0.0)
        top, wide = low + tall * high, 0.88 * c.span / count
        house = c.box(across, top, 0.78, wide)
        shaded = (0.8 + 0.4 * other)[:, None] * (1 - 0.12 * (across > 0.22 * wide).float()[:, None])
        far = c.paint(far, c.ink(rgb) * shaded, house)
        far = c.paint(far, tuple(0.8 * v for v in rgb), c.box(across, top - 0.05, top, 0.016))  # type: ignore[arg-type]
        lit = _panes(c, across, top, 0.042) * c.box(across, top + 0.02, 0.75, wide - 0.04)
        on = (
            torch.sin((across / 0.042).round() * 12.9 + ((c.y - top) / 0.042).floor() * 78.2 + other * 50) > -0.3
        ).float()
        far = c.paint(far, panes, lit * (0.35 + 0.55 * on))
    near = c.paint(c.blank(), (0.68, 0.68, 0.70), c.below(0.735))
    near = c.paint(near, (0.55, 0.55, 0.58), c.soft(0.004 - (c.y - 0.755).abs()))
    near = c.paint(near, c.gradient((0.26, 0.27, 0.31), (0.36, 0.37, 0.41), 0.78), c.below(0.78))
    dashes = (torch.sin(math.tau * c.u * 14) > 0).float()
    near = c.paint(near, (0.98, 0.94, 0.80), dashes * c.soft(0.010 - (c.y - 0.945).abs()))
    across, _, _ = c.row(5, 0.2)
    near = c.paint(near, (0.22, 0.24, 0.28), c.box(across, 0.36, 0.77, 0.016))
    near = c.paint(near, (0.22, 0.24, 0.28), c.box(across - 0.03, 0.355, 0.37, 0.075))
    near = c.paint(
        near, lamp(light) if light != "day" else (0.95, 0.95, 0.90), c.ellipse(across - 0.06, 0.38, 0.026, 0.016)
    )
    return sky(c, light), far, near


def street(c: Canvas, light: str) -> Layers:
    far = round_trees(c, c.blank(), 14, 0.70, 0.55)
    near = c.blank()
    across, high, other = c.row(7, 0.0)
    top, wide = 0.36 + 0.08 * high, 0.80 * c.span / 7
    wall = choice(PASTELS, other)
    near = c.paint(near, wall, c.box(across, top, 0.75, wide))
    near = c.paint(near, wall * 0.86, c.box(across, top, 0.75, wide) * (across > 0.3 * wide).float())
    roof = c.soft(
        torch.minimum(
            (c.y - top + 0.16) * 2.2 - across.abs() + 0.02,
            torch.minimum(top + 0.012 - c.y, wide / 2 + 0.04 - across.abs()),
        )
    )
    near = c.paint(near, choice(((0.62, 0.26, 0.20), (0.42, 0.34, 0.36), (0.34, 0.42, 0.52)), high), roof)
    glass = lamp(light) if light != "day" else (0.66, 0.84, 0.94)
    for dx, y in ((-0.30, 0.07), (0.30, 0.07), (-0.30, 0.20), (0.30, 0.20)):
        near = c.paint(near, (0.98, 0.98, 0.96), c.box(across - dx * wide, top + y - 0.01, top + y + 0.085, 0.090))
        near = c.paint(near, glass, c.box(across - dx * wide, top + y, top + y + 0.075, 0.072))
    near = c.paint(near, (0.40, 0.24, 0.18), c.box(across, 0.58, 0.75, 0.09))
    near = c.paint(near, (0.72, 0.71, 0.70), c.below(0.745))
    near = c.paint(near, (0.58, 0.57, 0.57), c.soft(0.005 - (c.y - 0.79).abs()))
    near = c.paint(near, c.gradient((0.30, 0.31, 0.34), (0.40, 0.41, 0.44), 0.8), c.below(0.80))
    dashes = (torch.sin(math.tau * c.u * 14) > 0).float()
    near = c.paint(near, (0.96, 0.96, 0.94), dashes * c.soft(0.009 - (c.y - 0.955).abs()))
    return sky(c, light), far, near


def room(c: Canvas, light: str) -> Layers:
    tone = choice(PASTELS, c.roll(1, 1))
    stripes = (torch.sin(math.tau * c.u * 46) > 0).float()[:, None]
    far = c.filled((0.45 + 0.5 * tone) * (1 - 0.04 * stripes) + 0 * c.y[:, None])
    near = c.blank()
    across, high, other = c.row(4, 0.2)
    near = c.paint(near, (0.98, 0.97, 0.94), c.box(across, 0.14, 0.48, 0.34))
    near = c.paint(near, (0.62, 0.84, 0.98), c.box(across, 0.16, 0.46, 0.30))
    near = c.paint(near, (0.50, 0.76, 0.42), c.box(across, 0.16, 0.46, 0.30) * c.below(0.40 + 0.2 * across**2))
    near = c.paint(near, (0.98, 0.97, 0.94), c.box(across, 0.16, 0.46, 0.014) + c.box(across, 0.305, 0.318, 0.30))
    curtain = choice(((0.84, 0.42, 0.40), (0.40, 0.58, 0.78), (0.92, 0.74, 0.42)), other)
    for side in (-0.20, 0.20):
        near = c.paint(
            near, curtain * (0.9 + 0.1 * torch.sin(across * 160))[:, None], c.box(across - side, 0.11, 0.56, 0.09)
        )
    across, high, other = c.row(4, 0.3)
    aside = torch.remainder(across + c.span / 8, c.span / 4) - c.span / 8  # between the windows
    near = c.paint(near, (0.55, 0.38, 0.24), c.box(aside - 0.45, 0.22, 0.42, 0.18))
    near = c.paint(near, choice(PASTELS, high) * 0.9, c.box(aside - 0.45, 0.24, 0.40, 0.15))
    near = c.paint(near, (0.98, 0.98, 0.96), c.soft(torch.minimum(c.y - 0.715, 0.755 - c.y)))
    planks = (torch.remainder(c.u * 30 + torch.floor(c.y * 22) * 0.37, 1) < 0.025).float() + (
        torch.remainder(c.y * 22, 1) < 0.08
    ).float()
    floor = c.gradient((0.74, 0.52, 0.32), (0.60, 0.40, 0.23), 0.75) * (1 - 0.16 * planks.clamp(max=1))[:, None]
    near = c.paint(near, floor, c.below(0.755))
    across, _, other = c.row(3, 0.3)
    rug = choice(((0.76, 0.30, 0.32), (0.30, 0.46, 0.66), (0.42, 0.60, 0.46)), other)
    near = c.paint(near, rug, c.ellipse(across, 0.90, 0.44, 0.075))
    return (
        far,
        c.blank(),
        c.paint(near, rug * 1.25, c.ellipse(across, 0.90, 0.37, 0.055) - c.ellipse(across, 0.90, 0.34, 0.047)),
    )


def kitchen(c: Canvas, light: str) -> Layers:
    tiles = ((torch.remainder(c.u * 66, 1) < 0.07) | (torch.remainder(c.y * 15, 1) < 0.07)).float()
    back = c.filled(c.ink((0.93, 0.95, 0.93)) * (1 - 0.10 * tiles)[:, None])
    near = c.blank()
    wood = choice(((0.45, 0.66, 0.66), (0.86, 0.66, 0.42), (0.80, 0.46, 0.40), (0.92, 0.90, 0.84)), c.roll(1, 1))
    across, high, other = c.row(12, 0.0)
    for top, bottom in ((0.04, 0.28), (0.54, 0.75)):
        near = c.paint(near, wood + 0 * c.y[:, None], c.soft(torch.minimum(c.y - top, bottom - c.y)))
        near = c.paint(
            near,
            wood * 0.82,
            c.soft(torch.minimum(c.y - top - 0.02, bottom - 0.02 - c.y))
            * (
                c.soft(0.5 * c.span / 12 - 0.02 - across.abs()) - c.soft(0.5 * c.span / 12 - 0.032 - across.abs())
            ).clamp(0, 1),
        )
        near = c.paint(
            near, (0.30, 0.30, 0.32), c.box(across - 0.09, (top + bottom) / 2 - 0.03, (top + bottom) / 2 + 0.03, 0.010)
        )
    near = c.paint(near, (0.36, 0.34, 0.34), c.soft(torch.minimum(c.y - 0.51, 0.545 - c.y)))
    across, high, other = c.row(5, 0.6)
    pot = choice(((0.80, 0.26, 0.22), (0.66, 0.68, 0.72), (0.30, 0.50, 0.70)), other)
    near = c.paint(near, pot, c.box(across, 0.44 - 0.03 * high, 0.51, 0.13))
    near = c.paint(near, pot * 0.8, c.box(across, 0.425 - 0.03 * high, 0.44 - 0.03 * high, 0.14))
    near = c.paint(near, (0.22, 0.22, 0.24), c.disc(across, 0.415 - 0.03 * high, 0.012))
    near = c.paint(near, (0.30, 0.28, 0.28), c.soft(torch.minimum(c.y - 0.74, 0.765 - c.y)))
    depth = 1 / (c.y - 0.60).clamp(min=0.05)
    check = torch.remainder(torch.floor(c.u * 45) + torch.floor(depth * 1.6), 2)
    floor = c.gradient((0.80, 0.78, 0.74), (0.90, 0.88, 0.84), 0.76) * (1 - 0.22 * check)[:, None]
    return back, c.blank(), c.paint(near, floor, c.below(0.765))


def stage(c: Canvas, light: str) -> Layers:
    folds = 0.72 + 0.28 * torch.sin(math.tau * c.u * 34 + 1.5 * torch.sin(math.tau * c.u * 5))
    tone = choice(((0.70, 0.10, 0.14), (0.40, 0.12, 0.46), (0.12, 0.24, 0.55)), c.roll(1, 1))
    back = c.filled(tone * folds[:, None] * (1.05 - 0.45 * c.y)[:, None])
    near = c.paint(c.blank(), c.gradient((0.66, 0.44, 0.25), (0.42, 0.26, 0.14), 0.74), c.below(0.745))
    near = c.paint(near, (0.30, 0.18, 0.10), (torch.remainder(c.y * 26, 1) < 0.1).float() * c.below(0.75) * 0.5)
    across, _, other = c.row(3, 0.2)
    beam = c.soft((0.04 + 0.26 * c.y - (across - 0.3 * (other - 0.5) * (0.9 - c.y)).abs()) * 0.25) * c.soft(0.86 - c.y)
    near = c.paint(near, (1.0, 0.95, 0.75), beam * 0.16)
    near = c.paint(near, (1.0, 0.95, 0.72), c.ellipse(across, 0.87, 0.36, 0.07) * 0.45)
    swag = 0.10 + 0.05 * torch.sin(math.tau * c.u * 12).abs()
    near = c.paint(near, tone * 0.8 + 0 * c.y[:, None], c.soft(swag - c.y))
    near = c.paint(near, (0.95, 0.78, 0.30), c.soft(0.008 - (c.y - swag).abs()))
    across, _, other = c.row(24, 0.0)
    return back, c.blank(), c.paint(near, (1.0, 0.86, 0.5), c.disc(across, 0.975, 0.014))


def castle(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.50, 0.68, 0.62), c.hills(0.56, 0.08, (3, 5)))
    across, high, other = c.row(2, 0.2)
    stone, dark = (0.76, 0.74, 0.76), (0.62, 0.60, 0.64)
    roof = choice(((0.34, 0.40, 0.70), (0.74, 0.28, 0.28), (0.46, 0.30, 0.60)), other)
    merlon = 0.014 * (torch.sin(across * 130) > 0).float()
    far = c.paint(far, dark, c.box(across, 0.46 - merlon, 0.76, 0.80))
    glass = lamp(light) if light != "day" else (0.30, 0.32, 0.42)
    for dx, top, wide in (
        (-0.40, 0.34, 0.11),
        (0.40, 0.36, 0.11),
        (-0.20, 0.26, 0.10),
        (0.20, 0.28, 0.10),
        (0.0, 0.18, 0.14),
    ):
        here = across - dx
        far = c.paint(
            far, c.ink(stone) * (1 - 0.12 * (here > 0.2 * wide).float())[:, None], c.box(here, top, 0.76, wide)
        )
        far = c.paint(far, roof, c.cone(here, top - 0.15, top + 0.005, 0.5 * wide / 0.15 * 1.2))
        far = c.paint(far, glass, c.box(here, top + 0.05, top + 0.10, 0.028))
        flag = c.soft(torch.minimum(0.022 - (c.y - top + 0.165).abs(), torch.minimum(here, 0.05 - here)))
        far = c.paint(far, (0.92, 0.30, 0.26), flag)
    far = c.paint(far, (0.34, 0.22, 0.16), torch.maximum(c.box(across, 0.62, 0.76, 0.12), c.disc(across, 0.62, 0.06)))
    near = c.paint(c.blank(), c.gradient((0.44, 0.70, 0.34), (0.28, 0.52, 0.24), 0.7), c.hills(0.74, 0.012, (4, 7)))
    near = tufts(c, near, (0.24, 0.48, 0.20))
    near = c.paint(near, (0.86, 0.78, 0.60), c.soft(0.035 - (c.y - 0.88 - 0.02 * torch.sin(math.tau * c.u * 4)).abs()))
    across, high, _ = c.row(9, 0.6)
    return sky(c, light), far, c.paint(near, (0.22, 0.50, 0.28), c.ellipse(across, 0.76, 0.05 + 0.03 * high, 0.045))


def playground(c: Canvas, light: str) -> Layers:
    far = round_trees(c, c.paint(c.blank(), (0.56, 0.78, 0.46), c.hills(0.60, 0.03, (3, 5))), 12, 0.68, 0.7)
    near = c.paint(c.blank(), c.gradient((0.50, 0.76, 0.38), (0.36, 0.62, 0.28), 0.7), c.hills(0.73, 0.010, (4, 7)))
    near = c.paint(near, c.gradient((0.93, 0.82, 0.58), (0.86, 0.72, 0.46), 0.78), c.hills(0.80, 0.006, (3, 5)))
    across, _, _ = c.row(3, 0.2)
    red, blue, yellow = (0.90, 0.26, 0.24), (0.22, 0.48, 0.84), (0.98, 0.80, 0.24)
    for side in (-1.0, 1.0):  # the swing
        for lean in (-0.22, 0.22):
            leg = across + 0.34 - side * 0.16 - lean * (c.y - 0.34)
            near = c.paint(near, red, c.soft(torch.minimum(0.009 - leg.abs(), torch.minimum(c.y - 0.34, 0.82 - c.y))))
        for rope in (-0.03, 0.03):
            near = c.paint(near, (0.35, 0.35, 0.38), c.box(across + 0.34 - side * 0.07 - rope, 0.34, 0.66, 0.006))
        near = c.paint(near, yellow, c.box(across + 0.34 - side * 0.07, 0.655, 0.675, 0.08))
    near = c.paint(near, red, c.box(across + 0.34, 0.33, 0.35, 0.36))
    for dx in (0.12, 0.22):  # the slide
        near = c.paint(near, blue, c.box(across - dx, 0.34, 0.82, 0.014))
    near = c.paint(
        near, blue, c.soft(0.006 - (torch.remainder(c.y, 0.06) - 0.03).abs()) * c.box(across - 0.17, 0.44, 0.80, 0.10)
    )
    near = c.paint(near, yellow, c.box(across - 0.17, 0.43, 0.45, 0.13))
    chute = c.y - 0.44 - 0.75 * (across - 0.23)
    near = c.paint(
        near, yellow, c.soft(torch.minimum(0.022 - chute.abs(), torch.minimum(across - 0.22, 0.70 - across)))
    )
    near = c.paint(
        near,
        (0.95, 0.62, 0.16),
        c.soft(torch.minimum(0.008 - (chute - 0.018).abs(), torch.minimum(across - 0.22, 0.70 - across))),
    )
    return sky(c, light), far, near


def candy_land(c: Canvas, light: str) -> Layers:
    back = c.paint(sky(c, light), (1.0, 0.72, 0.86), torch.full((1, 1, 1), 0.42, device=c.device))
    far = c.paint(c.blank(), (0.99, 0.78, 0.86), c.hills(0.54, 0.09, (3, 4)))
    far = c.paint(far, (0.74, 0.90, 0.84), c.hills(0.63, 0.06, (4, 5)))
    drip = c.line(0.75, 0.012, (9, 14))
    near = c.paint(c.blank(), c.gradient((0.66, 0.42, 0.26), (0.50, 0.30, 0.18), 0.75), c.below(drip))
    near = c.paint(
        near, (1.0, 0.96, 0.97), c.soft(drip + 0.05 + 0.03 * torch.sin(math.tau * c.u * 24) - c.y) * c.below(drip)
    )
    across, down, one, other = c.cells(16, 90)
    speck = c.soft(torch.minimum(0.004 - (down + (one - 0.5) * across).abs(), 0.013 - across.abs())) * c.below(
        drip + 0.01
    )
    colours: tuple[Rgb, ...] = (
        (0.95, 0.35, 0.50),
        (0.98, 0.80, 0.30),
        (0.40, 0.70, 0.95),
        (0.55, 0.85, 0.50),
        (1.0, 1.0, 1.0),
    )
    near = c.paint(near, choice(colours, other), speck)
    across, high, other = c.row(7, 0.5)
    y, size = 0.34 + 0.12 * high, 0.085 + 0.04 * other
    near = c.paint(near, (0.98, 0.98, 0.96), c.box(across, y, 0.78, 0.016))
    swirl = (torch.sin(torch.atan2(c.y - y, across) * 2 + torch.hypot(across, c.y - y) * 85) > 0).float()[:, None]
    colour = choice(colours[:4], other)
    near = c.paint(near, colour * swirl + (1 - swirl) * (0.55 + 0.45 * colour), c.disc(across, y, size))
    across, high, other = c.row(6, 0.5)
    cane = (torch.sin((c.y - across) * 120) > 0).float()[:, None]
    stripes = c.ink((0.90, 0.20, 0.24)) * cane + (1 - cane) * 0.98
    return back, far, c.paint(near, stripes, c.box(across, 0.60 - 0.06 * high, 0.80, 0.028))
