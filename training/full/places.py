"""The full tier's places in nature: each draws its back, its far and its near panorama on a canvas."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.full.canvas import Canvas, clouds, lamp, sky, stars

Layers = tuple[Tensor, Tensor, Tensor]


def _ripples(c: Canvas, layer: Tensor, top: float, strength: float) -> Tensor:
    """Light on water, finer towards the horizon."""
    depth = ((c.y - top) / (1 - top)).clamp(0.02, 1)
    wave = torch.sin(math.tau * (c.u * 30 + 2.5 / depth + c.roll(1, 1))) * torch.sin(8.0 / (depth + 0.12))
    return c.paint(layer, (0.92, 0.98, 1.0), (wave - 0.55).clamp(0, 0.25) * 4 * strength * c.below(top + 0.01))


def _palms(c: Canvas, layer: Tensor, count: int, foot: float) -> Tensor:
    across, high, other = c.row(count, 0.5)
    top = 0.24 + 0.14 * high
    bend = 0.35 * (other - 0.5) * (c.y - foot) ** 2
    layer = c.paint(layer, (0.55, 0.38, 0.20), c.box(across + bend, top, foot, 0.030))
    ring = (torch.sin(c.y * 190) > 0.2).float() * c.box(across + bend, top, foot, 0.030)
    layer = c.paint(layer, (0.45, 0.30, 0.15), ring * 0.6)
    crown = across + 0.35 * (other - 0.5) * (top - foot) ** 2
    for dx, dy, dark in (
        (-0.10, 0.035, 0.0),
        (0.10, 0.035, 0.0),
        (-0.07, -0.02, 0.5),
        (0.07, -0.02, 0.5),
        (0.0, 0.0, 1.0),
    ):
        green = (0.13 + 0.05 * dark, 0.50 + 0.10 * dark, 0.24)
        layer = c.paint(layer, green, c.ellipse(crown - dx, top + dy + 1.6 * (crown - dx) ** 2, 0.10, 0.028))
    return layer


def round_trees(c: Canvas, layer: Tensor, count: int, foot: float, small: float = 1.0) -> Tensor:
    across, high, other = c.row(count, 0.5)
    crown = foot - small * (0.44 + 0.08 * high)
    layer = c.paint(layer, (0.42, 0.28, 0.16), c.box(across, crown, foot, 0.05 * small))
    for dx, dy, r, dark in (
        (-0.07, 0.05, 0.10, 0.85),
        (0.07, 0.05, 0.10, 0.9),
        (0.0, -0.02, 0.13, 1.0),
        (-0.03, -0.06, 0.06, 1.15),
    ):
        green = torch.cat([(0.16 + 0.14 * other), (0.50 + 0.06 * high), (0.20 + 0.0 * other)], 1)[:, :, None] * dark
        layer = c.paint(layer, green, c.ellipse(across - dx * small, crown + dy * small, r * small, r * 0.9 * small))
    return layer


def _pines(
    c: Canvas, layer: Tensor, count: int, foot: float, tall: float, rgb: tuple[float, float, float], snowy: bool
) -> Tensor:
    across, high, _ = c.row(count, 0.6)
    top = foot - tall * (0.7 + 0.3 * high)
    for part in (1.0, 0.72, 0.44):
        tier = c.cone(across, top, top + (foot - top) * part - 0.02, 0.34 / (0.55 + 0.45 * part))
        layer = c.paint(layer, tuple(v * (1.25 - 0.25 * part) for v in rgb), tier)  # type: ignore[arg-type]
        if snowy:
            layer = c.paint(layer, (0.96, 0.98, 1.0), tier * c.soft(top + (foot - top) * (part - 0.2) - c.y) * 0.8)
    return layer


def tufts(c: Canvas, layer: Tensor, rgb: tuple[float, float, float]) -> Tensor:
    """Grass: short strokes strewn over the ground."""
    across, down, tall, _ = c.cells(14, 90)
    blade = c.soft(torch.minimum(0.003 - (across + 0.2 * down).abs(), 0.012 + 0.012 * tall - down.abs()))
    return c.paint(layer, rgb, blade * layer[:, 3] * c.below(0.77) * 0.7)


def beach(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), c.gradient((0.10, 0.46, 0.75), (0.30, 0.80, 0.85), 0.52, 0.75), c.below(0.52))
    far = _ripples(c, far, 0.52, 0.8)
    near = c.paint(c.blank(), (0.95, 0.98, 1.0), c.hills(0.700, 0.014, (7, 11)))
    near = c.paint(near, (0.80, 0.66, 0.44), c.hills(0.715, 0.014, (7, 11)))
    near = c.paint(near, c.gradient((0.97, 0.87, 0.63), (0.90, 0.74, 0.46), 0.7), c.hills(0.735, 0.012, (5, 9)))
    speck = c.noise(60, 220)
    near = c.paint(near, (0.78, 0.60, 0.36), (speck - 0.72).clamp(0, 1) * 1.2 * c.below(0.75))
    return sky(c, light), far, _palms(c, near, 4, 0.79)


def sea(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), c.gradient((0.10, 0.40, 0.68), (0.16, 0.58, 0.78), 0.50), c.below(0.50))
    far = _ripples(c, far, 0.50, 0.7)
    near = c.blank()
    for level, swing, rgb in (
        (0.70, 0.018, (0.10, 0.44, 0.70)),
        (0.80, 0.024, (0.08, 0.38, 0.64)),
        (0.92, 0.03, (0.06, 0.32, 0.57)),
    ):
        line = c.line(level, swing, (9, 14))
        near = c.paint(near, (0.85, 0.96, 1.0), c.below(line))
        near = c.paint(near, rgb, c.below(line + 0.010))
    return sky(c, light), far, near


def lake(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.40, 0.52, 0.66), c.hills(0.40, 0.10, (3, 5, 8)))
    far = _pines(c, far, 30, 0.60, 0.20, (0.16, 0.38, 0.30), False)
    far = c.paint(far, (0.20, 0.42, 0.28), c.hills(0.575, 0.01, (6, 11)))
    far = c.paint(far, c.gradient((0.36, 0.62, 0.72), (0.18, 0.46, 0.64), 0.6), c.below(0.60))
    near = c.paint(c.blank(), c.gradient((0.24, 0.54, 0.70), (0.12, 0.36, 0.56), 0.72), c.hills(0.74, 0.004, (5, 8)))
    near = _ripples(c, near, 0.70, 0.5)
    across, high, _ = c.row(14, 0.8)
    near = c.paint(near, (0.25, 0.58, 0.30), c.ellipse(across, 0.93 + 0.05 * high, 0.05, 0.014))
    return sky(c, light), far, near


def underwater(c: Canvas, light: str) -> Layers:
    back = c.filled(c.gradient((0.22, 0.74, 0.88), (0.02, 0.20, 0.45)))
    across, lean, other = c.row(9, 0.8)
    ray = c.soft(0.02 + 0.03 * other - (across - 0.4 * (lean - 0.5) * c.y).abs()) * (0.85 - c.y).clamp(0, 1) * 0.30
    back = c.paint(back, (0.75, 0.95, 1.0), ray)
    far = c.paint(c.blank(), (0.06, 0.34, 0.54), c.hills(0.62, 0.10, (3, 5, 8)))
    far = c.paint(far, (0.05, 0.28, 0.46), c.hills(0.74, 0.06, (4, 7)))
    near = c.paint(c.blank(), c.gradient((0.82, 0.76, 0.54), (0.55, 0.50, 0.38), 0.8), c.hills(0.84, 0.02, (4, 9)))
    across, high, other = c.row(16, 0.6)
    sway = 0.02 * torch.sin(c.y * 26 + other * 6)
    near = c.paint(near, (0.08, 0.50, 0.34), c.box(across + sway, 0.80 - 0.30 * high, 0.89, 0.026))
    across, high, other = c.row(7, 0.7)
    pink = torch.cat([0.95 - 0.3 * other, 0.42 + 0.2 * high, 0.45 + 0.4 * other], 1)[:, :, None]
    for dx, tall in ((-0.04, 0.7), (0.04, 0.8), (0.0, 1.0)):
        near = c.paint(near, pink, c.ellipse(across - dx, 0.89, 0.024, tall * (0.07 + 0.08 * high)))
    return back, far, near


def forest(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.20, 0.42, 0.32), c.hills(0.46, 0.03, (5, 9)))
    far = _pines(c, far, 34, 0.72, 0.44, (0.14, 0.36, 0.26), False)
    far = _pines(c, far, 22, 0.76, 0.50, (0.10, 0.30, 0.20), False)
    near = c.paint(c.blank(), c.gradient((0.38, 0.58, 0.24), (0.22, 0.40, 0.16), 0.72), c.hills(0.74, 0.012, (6, 10)))
    near = tufts(c, near, (0.20, 0.42, 0.14))
    return sky(c, light), far, round_trees(c, near, 6, 0.79)


def jungle(c: Canvas, light: str) -> Layers:
    far = c.filled(c.gradient((0.20, 0.48, 0.34), (0.52, 0.74, 0.42), 0.0, 0.8))
    for count, level, rgb in ((13, 0.20, (0.16, 0.46, 0.28)), (10, 0.34, (0.12, 0.38, 0.22))):
        across, high, _ = c.row(count, 0.5)
        far = c.paint(far, rgb, c.ellipse(across, level + 0.2 * high, 0.16, 0.12))
        far = c.paint(far, rgb, c.hills(level + 0.28, 0.08, (7, 12)))
    across, high, other = c.row(18, 0.8)
    vine = across + 0.02 * torch.sin(c.y * 14 + other * 6)
    far = c.paint(far, (0.10, 0.30, 0.16), c.box(vine, -0.1, 0.2 + 0.4 * high, 0.010))
    near = c.paint(c.blank(), c.gradient((0.34, 0.46, 0.18), (0.20, 0.30, 0.12), 0.74), c.hills(0.76, 0.015, (5, 9)))
    near = c.paint(near, (0.09, 0.34, 0.18), c.soft(0.07 + 0.05 * c.noise(1, 40) - c.y))
    near = _palms(c, near, 5, 0.80)
    across, high, other = c.row(20, 0.7)
    for lean in (-0.9, -0.35, 0.35, 0.9):
        leaf = across - lean * (0.82 - c.y) - 0.03 * lean
        near = c.paint(
            near,
            (0.14, 0.54, 0.24),
            c.soft(torch.minimum(0.010 - leaf.abs(), c.y - 0.70 - 0.05 * high)) * c.soft(0.82 - c.y),
        )
    return sky(c, light), far, near


def desert(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.92, 0.70, 0.44), c.hills(0.56, 0.07, (2, 3, 5)))
    far = c.paint(far, (0.86, 0.60, 0.34), c.hills(0.64, 0.06, (3, 4)))
    near = c.paint(c.blank(), c.gradient((0.95, 0.76, 0.47), (0.84, 0.58, 0.30), 0.7), c.hills(0.74, 0.025, (3, 7)))
    stripe = torch.sin(c.y * 260 + 5 * torch.sin(math.tau * c.u * 5 + c.y * 9))
    near = c.paint(near, (0.80, 0.54, 0.28), (stripe - 0.6).clamp(0, 1) * 0.5 * c.below(0.78))
    across, high, other = c.row(7, 0.6)
    top, side = 0.42 + 0.14 * high, torch.where(other > 0.5, 1.0, -1.0)
    for rgb, shift, slim in (((0.16, 0.42, 0.22), 0.0, 1.0), ((0.26, 0.56, 0.30), -0.007, 0.62)):
        near = c.paint(near, rgb, c.box(across - shift, top, 0.80, 0.05 * slim))
        near = c.paint(near, rgb, c.box(across - 0.05 * side - shift, 0.60, 0.635, 0.10 * slim))
        near = c.paint(near, rgb, c.box(across - 0.085 * side - shift, 0.52, 0.63, 0.036 * slim))
    return sky(c, light), far, near


def snow(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.78, 0.86, 0.95), c.hills(0.50, 0.08, (2, 3, 5)))
    far = _pines(c, far, 18, 0.74, 0.36, (0.18, 0.42, 0.40), True)
    far = c.paint(far, (0.88, 0.93, 0.98), c.hills(0.69, 0.03, (4, 7)))
    near = c.paint(c.blank(), c.gradient((0.98, 0.99, 1.0), (0.78, 0.87, 0.97), 0.7), c.hills(0.75, 0.02, (3, 7)))
    near = _pines(c, near, 3, 0.80, 0.56, (0.16, 0.38, 0.34), True)
    drift = c.noise(10, 24)
    return sky(c, light), far, c.paint(near, (0.70, 0.80, 0.94), (drift - 0.55).clamp(0, 1) * 0.6 * c.below(0.79))


def mountains(c: Canvas, light: str) -> Layers:
    far = c.blank()
    for count, tall, rgb, cap in (
        (4, 0.62, (0.44, 0.50, 0.64), (0.97, 0.98, 1.0)),
        (7, 0.42, (0.32, 0.38, 0.50), (0.88, 0.92, 0.98)),
    ):
        across, high, _ = c.row(count, 0.25)
        top = 0.78 - tall * (0.6 + 0.4 * high)
        ragged = 0.05 * (c.noise(14, 70) - 0.5)
        slope = c.y - top - across.abs() * 0.85 + ragged
        far = c.paint(far, c.ink(rgb) * (1.0 - 0.16 * (across > ragged).float())[:, None], c.soft(slope))
        far = c.paint(far, c.ink(cap) * (1.0 - 0.14 * (across > ragged).float())[:, None],
                      c.soft(slope) * c.soft(top + tall * 0.28 + 2.2 * ragged - c.y))  # fmt: skip
    far = _pines(c, far, 46, 0.78, 0.14, (0.16, 0.34, 0.26), False)
    near = c.paint(c.blank(), c.gradient((0.48, 0.62, 0.36), (0.30, 0.42, 0.24), 0.72), c.hills(0.745, 0.02, (4, 9)))
    near = tufts(c, near, (0.26, 0.40, 0.20))
    across, high, other = c.row(11, 0.7)
    near = c.paint(near, (0.42, 0.42, 0.45), c.ellipse(across, 0.80 + 0.14 * high, 0.03 + 0.04 * other, 0.03))
    return (
        sky(c, light),
        far,
        c.paint(near, (0.62, 0.62, 0.64), c.ellipse(across + 0.008, 0.792 + 0.14 * high, 0.02 + 0.03 * other, 0.017)),
    )


def meadow(c: Canvas, light: str) -> Layers:
    far = c.paint(c.blank(), (0.56, 0.80, 0.46), c.hills(0.54, 0.06, (2, 3, 5)))
    far = round_trees(c, far, 8, 0.62, 0.35)
    far = c.paint(far, (0.44, 0.72, 0.36), c.hills(0.64, 0.04, (3, 4)))
    near = c.paint(c.blank(), c.gradient((0.42, 0.74, 0.30), (0.24, 0.54, 0.20), 0.7), c.hills(0.74, 0.012, (5, 9)))
    near = tufts(c, near, (0.20, 0.50, 0.18))
    for count, y, rgb in ((19, 0.79, (1.0, 0.85, 0.25)), (17, 0.86, (0.98, 0.45, 0.60)), (23, 0.95, (1.0, 1.0, 1.0))):
        across, high, _ = c.row(count, 0.7)
        for dx, dy in ((-0.011, 0.0), (0.011, 0.0), (0.0, -0.011), (0.0, 0.011)):
            near = c.paint(near, rgb, c.disc(across - dx, y - 0.04 * high + dy, 0.009))
        near = c.paint(near, (0.95, 0.70, 0.15), c.disc(across, y - 0.04 * high, 0.007))
    return sky(c, light), far, near


def space(c: Canvas, light: str) -> Layers:
    cloud = (c.noise(5, 12) * 0.6 + c.noise(10, 28) * 0.4 - 0.42).clamp(0, 1) * 1.5
    back = c.filled(c.gradient((0.02, 0.01, 0.09), (0.08, 0.03, 0.20)))
    tone = c.roll(1, 1)[:, None]
    back = c.paint(back, torch.cat([0.45 * tone, 0.12 + 0.0 * tone, 0.55 - 0.15 * tone], 1), cloud)
    back = stars(c, stars(c, back), 5, 13)
    far = c.blank()
    across, high, other = c.row(4, 0.3)
    y, size = 0.25 + 0.45 * high, 0.07 + 0.08 * other
    rgb = torch.cat([0.9 - 0.5 * other, 0.45 + 0.3 * high, 0.35 + 0.6 * other], 1)[:, :, None]
    shaded = (1.15 - 0.7 * ((across + c.y - y) / (2 * size)).clamp(-0.3, 1))[:, None]
    band = 1 - 0.12 * (torch.sin((c.y - y) * 90 + across * 12) > 0.3).float()[:, None]
    far = c.paint(far, rgb * shaded * band, c.disc(across, y, size))
    tilt = c.y - y + 0.25 * across
    ring = torch.sqrt((across / (1.75 * size)) ** 2 + (tilt / (0.38 * size)) ** 2)
    circle = (
        c.soft(torch.minimum(1 - ring, ring - 0.78) * 0.05) * ((tilt > 0) | (c.disc(across, y, size) < 0.5)).float()
    )
    return back, c.paint(far, (0.92, 0.84, 0.66), circle * (high > 0.45).float() * 0.9), c.blank()


def moon(c: Canvas, light: str) -> Layers:
    back = stars(c, c.filled((0.01, 0.01, 0.04)))
    across = (torch.remainder(c.u * 2 + c.roll(1, 1), 1.0) - 0.5) / 2 * c.span
    back = c.paint(back, (0.20, 0.45, 0.85), c.disc(across, 0.24, 0.11))
    land = ((c.noise(12, 40) - 0.52) * 30).clamp(0, 1) * c.disc(across, 0.24, 0.11)
    back = c.paint(back, (0.30, 0.65, 0.35), land)
    back = c.paint(
        back, (0.01, 0.01, 0.04), c.disc(across, 0.24, 0.112) * (1 - c.disc(across + 0.04, 0.21, 0.13)) * 0.75
    )
    far = c.paint(c.blank(), (0.40, 0.40, 0.44), c.hills(0.62, 0.05, (3, 5, 8)))
    near = c.paint(c.blank(), c.gradient((0.74, 0.74, 0.76), (0.52, 0.52, 0.56), 0.7), c.hills(0.72, 0.02, (3, 7)))
    for count, y in ((10, 0.79), (8, 0.93)):
        across, high, _ = c.row(count, 0.6)
        wide = 0.04 + 0.06 * high
        near = c.paint(near, (0.86, 0.86, 0.88), c.ellipse(across, y + 0.006, wide, 0.36 * wide))
        near = c.paint(near, (0.42, 0.42, 0.46), c.ellipse(across, y, wide, 0.32 * wide))
    return back, far, near


def open_sky(c: Canvas, light: str) -> Layers:
    white = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.86, 0.76), "night": (0.62, 0.66, 0.86)}[light]
    back = sky(c, light)
    far = clouds(c, c.blank(), tuple(0.94 * v for v in white), 0.66, 9, 1.5)  # type: ignore[arg-type]
    for level, rgb in ((0.80, 0.90), (0.90, 1.0)):
        across, high, other = c.row(15, 0.6)
        puffs = torch.maximum(
            c.ellipse(across, level + 0.08, 0.13 + 0.06 * high, 0.06 + 0.06 * other), c.below(level + 0.09)
        )
        far = c.paint(far, tuple(rgb * v for v in white), puffs * 0.96)  # type: ignore[arg-type]
    near = clouds(c, c.blank(), white, 1.0, 5, 1.1) * 0.9
    return back, far, near * c.soft(c.y - 0.75)[:, None]


def volcano(c: Canvas, light: str) -> Layers:
    across, high, other = c.row(3, 0.2)
    top = 0.24 + 0.08 * high
    far = c.paint(c.blank(), (0.30, 0.24, 0.26), c.hills(0.62, 0.06, (5, 8)))
    smoke = c.ellipse(
        across - 0.5 * (top - c.y).clamp(min=0) ** 1.5 + 0.02 * torch.sin(c.y * 60), top - 0.14, 0.11, 0.17
    )
    far = c.paint(far, (0.42, 0.40, 0.42), smoke * 0.8)
    slope = c.soft(torch.minimum((c.y - top) * 0.75 + 0.06 - across.abs(), torch.minimum(c.y - top, 0.80 - c.y)))
    far = c.paint(far, c.ink((0.36, 0.26, 0.25)) * (1 - 0.25 * (across > 0).float())[:, None], slope)
    flow = 0.02 * torch.sin(c.y * 24 + other * 6) + (c.y - top) * 0.3 * (other - 0.5)
    hot = lamp(light, (1.0, 0.42, 0.08))
    far = c.paint(far, hot, slope * c.soft(0.016 + 0.03 * (c.y - top) - (across - flow).abs()))
    far = c.paint(far, lamp(light, (1.0, 0.72, 0.20)), c.ellipse(across, top, 0.06, 0.02))
    near = c.paint(c.blank(), c.gradient((0.26, 0.20, 0.20), (0.16, 0.12, 0.13), 0.7), c.hills(0.73, 0.02, (5, 9)))
    crack = (c.noise(26, 60) - 0.5).abs()
    near = c.paint(near, hot, c.soft((0.022 - crack) * 0.3) * c.below(0.775))
    return sky(c, light), far, near


def cave(c: Canvas, light: str) -> Layers:
    rock = c.noise(14, 44)[:, None]
    back = c.filled(c.gradient((0.10, 0.09, 0.15), (0.20, 0.17, 0.25)) * (0.7 + 0.6 * rock))
    far = c.blank()
    across, high, other = c.row(9, 0.5)
    far = c.paint(
        far, (0.16, 0.14, 0.21), c.soft(torch.minimum((0.30 + 0.25 * high - c.y) * 0.22, c.y + 1) - across.abs())
    )
    far = c.paint(far, (0.16, 0.14, 0.21), c.cone(across - 0.1, 0.62 - 0.1 * other, 0.9, 0.4))
    glow = torch.cat([0.35 + 0.5 * other, 0.85 - 0.5 * other, 0.95 + 0 * high], 1)[:, :, None]
    across, high, other = c.row(11, 0.7)
    far = c.paint(far, glow, (1 - torch.hypot(across, c.y - 0.70) / 0.16).clamp(0, 1) ** 2 * 0.35)
    for lean in (-0.35, 0.3, 0.0):
        far = c.paint(
            far, glow * (1.0 + 0.3 * lean), c.cone(across - lean * (0.74 - c.y), 0.62 - 0.04 * high, 0.74, 0.13)
        )
    near = c.paint(c.blank(), (0.13, 0.11, 0.16), c.soft(0.09 + 0.06 * c.noise(1, 30) - c.y))
    ground = c.gradient((0.40, 0.35, 0.40), (0.22, 0.19, 0.25), 0.72) * (0.75 + 0.5 * rock)
    return back, far, c.paint(near, ground, c.hills(0.74, 0.02, (6, 11)))
