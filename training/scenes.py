"""Scenes as three layers of pixels, drawn by formula: a still back, a far panorama and a near one with the ground.

Coordinates  `u` runs 0 to 1 once around a panorama that closes on itself; `y` runs 0 (top) to 1 (bottom);
lengths inside shapes are in picture heights. Colours are RGB from 0 to 1. Every random choice comes from `rng`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PANORAMA = 3.0  # panorama width in picture widths: a follow camera passes it in about ten seconds


@dataclass
class Layers:
    back_CHW: Tensor
    far_CHP: Tensor  # RGBA, premultiplied
    near_CHP: Tensor  # RGBA, premultiplied
    ground: float | None  # y of the line that feet stand on; None where there is no ground


class Canvas:
    """Grids for one picture size, and the shapes every scene is made of."""

    def __init__(self, height: int, width: int, rng: torch.Generator, device: torch.device) -> None:
        self.height, self.width, self.rng, self.device = height, width, rng, device
        self.panorama = int(width * PANORAMA)
        self.y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5)[:, None] / height
        self.u = ((torch.arange(self.panorama, device=device, dtype=torch.float32) + 0.5) / self.panorama)[None]
        self.x = ((torch.arange(width, device=device, dtype=torch.float32) + 0.5) / height)[None]
        self.span = self.panorama / height  # panorama width in picture heights

    def pick(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.rng))

    def soft(self, distance: Tensor) -> Tensor:
        """Coverage 0 to 1 of a shape from its signed distance in picture heights, one pixel wide at the edge."""
        return (distance * self.height + 0.5).clamp(0, 1)

    def hills(self, level: float, swing: float, waves: tuple[int, ...]) -> Tensor:
        """Coverage below a rolling line at height `level` with `swing`, (height, panorama)."""
        line = torch.full_like(self.u, level)
        for count in waves:
            line = line + swing / len(waves) * torch.sin(math.tau * (count * self.u + self.pick(0, 1)))
        return self.soft(self.y - line)

    def peaks(self, level: float, tall: float, count: int) -> tuple[Tensor, Tensor]:
        """Coverage of triangular mountains and of their snow caps."""
        across, high, _ = self.row(count, 0.25)
        top = level - tall * (0.6 + 0.4 * high)
        ragged = 0.012 * torch.sin(self.u * math.tau * count * 9) + 0.008 * torch.sin(self.u * math.tau * count * 23)
        slope = self.y - top - across.abs() * 0.95 + ragged
        snow = self.soft(slope) * self.soft(top + tall * 0.3 + 0.03 * torch.sin(self.u * math.tau * count * 7) - self.y)
        return self.soft(slope), snow

    def row(self, count: int, jitter: float) -> tuple[Tensor, Tensor, Tensor]:
        """`count` things standing in a row: distance from each one's middle, and two random numbers per thing."""
        shift = (torch.rand(count, generator=self.rng) - 0.5) * jitter
        high, other = torch.rand(2, count, generator=self.rng)
        cell = (self.u * count).floor().long().clamp(max=count - 1)[0].cpu()
        across = (self.u * count - cell.to(self.device) - 0.5 - shift[cell].to(self.device)) / count * self.span
        return across, high[cell].to(self.device)[None], other[cell].to(self.device)[None]

    def ellipse(self, across: Tensor, y: float | Tensor, wide: float | Tensor, tall: float | Tensor) -> Tensor:
        return self.soft((1 - torch.sqrt((across / wide) ** 2 + ((self.y - y) / tall) ** 2)) * 0.1)

    def box(self, across: Tensor, top: float | Tensor, bottom: float | Tensor, wide: float | Tensor) -> Tensor:
        return self.soft(torch.minimum(torch.minimum(wide / 2 - across.abs(), self.y - top), bottom - self.y))


def colour(rgb: tuple[float, float, float]) -> Tensor:
    return torch.tensor(rgb)[:, None, None]


def paint(layer: Tensor, rgb: tuple[float, float, float] | Tensor, cover: Tensor) -> Tensor:
    """`layer` (RGBA premultiplied) with a shape of colour `rgb` over it where `cover` says so."""
    ink = rgb if isinstance(rgb, Tensor) else colour(rgb).to(layer.device)
    return torch.cat([layer[:3] * (1 - cover) + ink * cover, layer[3:] * (1 - cover) + cover])


def shade(canvas: Canvas, top: tuple[float, float, float], bottom: tuple[float, float, float], start: float) -> Tensor:
    """A vertical gradient from `start` to the bottom of the picture."""
    mix = ((canvas.y - start) / (1 - start)).clamp(0, 1)
    return colour(top).to(canvas.device) * (1 - mix) + colour(bottom).to(canvas.device) * mix


def stars(canvas: Canvas, back: Tensor, count: int) -> Tensor:
    for _ in range(count):
        across = canvas.x - canvas.pick(0, canvas.width / canvas.height)
        size = canvas.pick(0.004, 0.009)
        back = paint(back, (1.0, 1.0, 0.9), canvas.soft(size - torch.hypot(across, canvas.y - canvas.pick(0, 0.7))))
    return back


def clouds(canvas: Canvas, back: Tensor, rgb: tuple[float, float, float]) -> Tensor:
    for _ in range(3):
        x, y = canvas.pick(0, canvas.width / canvas.height), canvas.pick(0.08, 0.3)
        for _ in range(3):
            dx, dy = canvas.pick(-0.09, 0.09), canvas.pick(-0.02, 0.02)
            puff = canvas.ellipse(canvas.x - x - dx, y + dy, canvas.pick(0.06, 0.11), canvas.pick(0.03, 0.05))
            back = paint(back, rgb, puff * 0.9)
    return back


SKIES = {
    "day": ((0.36, 0.67, 0.96), (0.80, 0.92, 1.00)),
    "sunset": ((0.46, 0.30, 0.62), (1.00, 0.66, 0.38)),
    "night": ((0.03, 0.04, 0.16), (0.14, 0.17, 0.38)),
}


def sky(canvas: Canvas, light: str) -> Tensor:
    top, bottom = SKIES[light]
    back = torch.zeros(4, canvas.height, canvas.width, device=canvas.device)
    back = paint(back, shade(canvas, top, bottom, 0.0), torch.ones_like(back[:1]))
    x = canvas.pick(0.15, 0.85) * canvas.width / canvas.height
    if light == "day":
        back = paint(back, (1.0, 0.93, 0.55), canvas.soft(0.07 - torch.hypot(canvas.x - x, canvas.y - 0.16)))
        return clouds(canvas, back, (1.0, 1.0, 1.0))
    if light == "sunset":
        back = paint(back, (1.0, 0.80, 0.35), canvas.soft(0.11 - torch.hypot(canvas.x - x, canvas.y - 0.5)))
        return clouds(canvas, back, (1.0, 0.72, 0.62))
    back = stars(canvas, back, 24)
    moon = canvas.soft(0.07 - torch.hypot(canvas.x - x, canvas.y - 0.17))
    bite = canvas.soft(0.06 - torch.hypot(canvas.x - x - 0.035, canvas.y - 0.155))
    return paint(back, (0.98, 0.96, 0.80), moon * (1 - bite))


def _empty(canvas: Canvas) -> Tensor:
    return torch.zeros(4, canvas.height, canvas.panorama, device=canvas.device)


def beach(canvas: Canvas, light: str) -> Layers:
    far = paint(
        _empty(canvas), shade(canvas, (0.12, 0.50, 0.78), (0.30, 0.80, 0.85), 0.5), canvas.soft(canvas.y - 0.52)
    )
    waves = torch.sin(math.tau * (canvas.u * 14 + 6 * canvas.y)) * torch.sin(canvas.y * 160)
    far = paint(far, (0.85, 0.97, 1.0), (waves > 0.75).float() * canvas.soft(canvas.y - 0.54) * 0.7)
    near = paint(_empty(canvas), (0.95, 0.98, 1.0), canvas.hills(0.70, 0.012, (7, 11)))
    near = paint(near, shade(canvas, (0.96, 0.86, 0.62), (0.90, 0.74, 0.46), 0.7), canvas.hills(0.72, 0.012, (7, 11)))
    across, high, _ = canvas.row(4, 0.4)
    top = 0.28 + 0.1 * high
    near = paint(near, (0.52, 0.35, 0.18), canvas.box(across + 0.08 * (canvas.y - 0.75) ** 2, top, 0.76, 0.032))
    for dx, dy in ((-0.11, 0.03), (0.11, 0.03), (-0.06, -0.03), (0.06, -0.03), (0.0, 0.0)):
        near = paint(near, (0.16, 0.58, 0.26), canvas.ellipse(across - dx, top + dy, 0.11, 0.034))
    return Layers(sky(canvas, light), far, near, 0.87)


def underwater(canvas: Canvas, light: str) -> Layers:
    back = torch.zeros(4, canvas.height, canvas.width, device=canvas.device)
    back = paint(back, shade(canvas, (0.20, 0.72, 0.86), (0.02, 0.20, 0.45), 0.0), torch.ones_like(back[:1]))
    for _ in range(3):
        x, lean = canvas.pick(0.1, 1.6), canvas.pick(-0.3, 0.3)
        ray = canvas.soft(0.05 - (canvas.x - x - lean * canvas.y).abs()) * (0.8 - canvas.y).clamp(0, 1) * 0.35
        back = paint(back, (0.75, 0.95, 1.0), ray)
    far = paint(_empty(canvas), (0.05, 0.30, 0.50), canvas.hills(0.68, 0.10, (3, 5, 8)))
    near = paint(
        _empty(canvas), shade(canvas, (0.80, 0.74, 0.52), (0.55, 0.50, 0.38), 0.8), canvas.hills(0.86, 0.02, (4, 9))
    )
    across, high, other = canvas.row(12, 0.6)
    sway = 0.02 * torch.sin(canvas.y * 30 + other * 6)
    near = paint(near, (0.10, 0.55, 0.32), canvas.box(across + sway, 0.78 - 0.22 * high, 0.9, 0.028))
    across, high, _ = canvas.row(5, 0.7)
    near = paint(near, (0.95, 0.42, 0.45), canvas.ellipse(across, 0.88, 0.05, 0.05 + 0.05 * high))
    return Layers(back, far, near, 0.88)


def forest(canvas: Canvas, light: str) -> Layers:
    far = paint(_empty(canvas), (0.14, 0.36, 0.24), canvas.hills(0.55, 0.03, (5, 9)))
    across, high, _ = canvas.row(22, 0.5)
    top = 0.22 + 0.16 * high
    far = paint(
        far, (0.10, 0.32, 0.22), canvas.soft(torch.minimum((canvas.y - top) * 0.28 - across.abs(), 0.7 - canvas.y))
    )
    near = paint(
        _empty(canvas), shade(canvas, (0.36, 0.56, 0.22), (0.22, 0.40, 0.16), 0.72), canvas.hills(0.74, 0.012, (6, 10))
    )
    across, high, _ = canvas.row(5, 0.5)
    near = paint(near, (0.40, 0.26, 0.15), canvas.box(across, 0.3, 0.78, 0.05))
    for dx, dy, r in ((-0.08, 0.06, 0.11), (0.08, 0.06, 0.11), (0.0, 0.0, 0.13)):
        near = paint(near, (0.20, 0.52, 0.22), canvas.ellipse(across - dx, 0.24 + dy + 0.06 * high, r, r * 0.85))
    return Layers(sky(canvas, light), far, near, 0.87)


def desert(canvas: Canvas, light: str) -> Layers:
    far = paint(_empty(canvas), (0.90, 0.66, 0.38), canvas.hills(0.60, 0.07, (2, 3, 5)))
    near = paint(
        _empty(canvas), shade(canvas, (0.93, 0.74, 0.45), (0.84, 0.58, 0.30), 0.7), canvas.hills(0.74, 0.025, (3, 7))
    )
    across, high, other = canvas.row(6, 0.6)
    top, side = 0.42 + 0.12 * high, torch.where(other > 0.5, 1.0, -1.0)
    green = (0.22, 0.52, 0.26)
    near = paint(near, green, canvas.box(across, top, 0.78, 0.05))
    near = paint(near, green, canvas.box(across - 0.05 * side, 0.60, 0.635, 0.10))
    near = paint(near, green, canvas.box(across - 0.085 * side, 0.50, 0.63, 0.036))
    return Layers(sky(canvas, light), far, near, 0.88)


def snow(canvas: Canvas, light: str) -> Layers:
    far = paint(_empty(canvas), (0.78, 0.86, 0.95), canvas.hills(0.55, 0.08, (2, 3, 5)))
    across, high, _ = canvas.row(10, 0.6)
    top = 0.34 + 0.12 * high
    pine = torch.minimum((canvas.y - top) * 0.35 - across.abs(), 0.72 - canvas.y)
    far = paint(far, (0.16, 0.42, 0.36), canvas.soft(pine))
    far = paint(far, (0.97, 0.99, 1.0), canvas.soft(torch.minimum(pine, top + 0.10 - canvas.y)))
    near = paint(
        _empty(canvas), shade(canvas, (0.98, 0.99, 1.0), (0.80, 0.88, 0.97), 0.7), canvas.hills(0.73, 0.02, (3, 7))
    )
    return Layers(sky(canvas, light), far, near, 0.88)


def meadow(canvas: Canvas, light: str) -> Layers:
    far = paint(_empty(canvas), (0.52, 0.78, 0.40), canvas.hills(0.56, 0.06, (2, 3, 5)))
    far = paint(far, (0.42, 0.70, 0.34), canvas.hills(0.64, 0.04, (3, 4)))
    near = paint(
        _empty(canvas), shade(canvas, (0.40, 0.72, 0.28), (0.24, 0.54, 0.20), 0.7), canvas.hills(0.74, 0.012, (5, 9))
    )
    for count, y, rgb in ((17, 0.80, (1.0, 0.85, 0.25)), (13, 0.92, (0.98, 0.45, 0.60)), (19, 0.96, (1.0, 1.0, 1.0))):
        across, high, _ = canvas.row(count, 0.7)
        near = paint(near, rgb, canvas.soft(0.018 - torch.hypot(across, canvas.y - y - 0.03 * high)))
    return Layers(sky(canvas, light), far, near, 0.87)


def city(canvas: Canvas, light: str) -> Layers:
    far = _empty(canvas)
    lamp = (1.0, 0.88, 0.45) if light != "day" else (0.80, 0.90, 0.97)
    for count, low, tall, rgb in ((16, 0.16, 0.26, (0.55, 0.62, 0.72)), (11, 0.28, 0.28, (0.42, 0.44, 0.56))):
        across, high, other = canvas.row(count, 0.0)
        top, wide = low + tall * high, 0.86 * canvas.span / count
        house = canvas.box(across, top, 0.76, wide)
        far = paint(far, colour(rgb).to(canvas.device) * (0.8 + 0.4 * other), house)
        grid = (torch.sin(canvas.y * 85) > 0.1) & (torch.sin(across * 105) > 0.1)
        far = paint(far, lamp, grid.float() * canvas.box(across, top + 0.03, 0.72, wide - 0.05) * 0.85)
    near = paint(_empty(canvas), (0.66, 0.66, 0.68), canvas.soft(canvas.y - 0.72))
    near = paint(near, (0.28, 0.29, 0.33), canvas.soft(canvas.y - 0.77))
    dashes = (torch.sin(math.tau * canvas.u * 12) > 0).float()
    near = paint(near, (0.98, 0.94, 0.80), dashes * canvas.soft(0.012 - (canvas.y - 0.93).abs()))
    return Layers(sky(canvas, light), far, near, 0.87)


def space(canvas: Canvas, light: str) -> Layers:
    back = torch.zeros(4, canvas.height, canvas.width, device=canvas.device)
    back = paint(back, shade(canvas, (0.02, 0.01, 0.09), (0.10, 0.04, 0.22), 0.0), torch.ones_like(back[:1]))
    back = stars(canvas, stars(canvas, back, 30), 10)
    far = _empty(canvas)
    across, high, other = canvas.row(3, 0.3)
    rgb = torch.stack(
        [(0.9 - 0.5 * other).expand_as(across), 0.45 + 0.3 * high + 0 * across, 0.35 + 0.6 * other + 0 * across]
    )
    y = 0.25 + 0.45 * high
    far = paint(far, rgb, canvas.soft(0.13 - torch.hypot(across, canvas.y - y)))
    ring = canvas.ellipse(across, y, 0.22, 0.045) * (1 - canvas.ellipse(across, y, 0.18, 0.03))
    far = paint(far, (0.92, 0.84, 0.66), ring * (canvas.y > y).float())
    return Layers(back, far, _empty(canvas), None)


def mountains(canvas: Canvas, light: str) -> Layers:
    far = _empty(canvas)
    body, caps = canvas.peaks(0.75, 0.62, 4)
    far = paint(paint(far, (0.42, 0.46, 0.58), body), (0.97, 0.98, 1.0), caps)
    body, caps = canvas.peaks(0.78, 0.42, 6)
    far = paint(paint(far, (0.34, 0.38, 0.48), body), (0.92, 0.95, 1.0), caps)
    near = paint(
        _empty(canvas), shade(canvas, (0.46, 0.60, 0.36), (0.30, 0.42, 0.26), 0.72), canvas.hills(0.74, 0.02, (4, 9))
    )
    across, high, _ = canvas.row(9, 0.7)
    near = paint(near, (0.50, 0.50, 0.52), canvas.ellipse(across, 0.80 + 0.12 * high, 0.05, 0.03))
    return Layers(sky(canvas, light), far, near, 0.87)


def moon(canvas: Canvas, light: str) -> Layers:
    back = torch.zeros(4, canvas.height, canvas.width, device=canvas.device)
    back = paint(back, (0.01, 0.01, 0.04), torch.ones_like(back[:1]))
    back = stars(canvas, back, 34)
    x = canvas.pick(0.3, 0.8) * canvas.width / canvas.height
    back = paint(back, (0.20, 0.45, 0.85), canvas.soft(0.10 - torch.hypot(canvas.x - x, canvas.y - 0.22)))
    back = paint(back, (0.30, 0.65, 0.35), canvas.ellipse(canvas.x - x - 0.02, 0.20, 0.05, 0.03))
    far = paint(_empty(canvas), (0.40, 0.40, 0.44), canvas.hills(0.62, 0.05, (3, 5, 8)))
    near = paint(
        _empty(canvas), shade(canvas, (0.72, 0.72, 0.74), (0.52, 0.52, 0.56), 0.7), canvas.hills(0.72, 0.02, (3, 7))
    )
    for count, y in ((8, 0.80), (7, 0.93)):
        across, high, _ = canvas.row(count, 0.6)
        near = paint(near, (0.46, 0.46, 0.50), canvas.ellipse(across, y, 0.05 + 0.05 * high, 0.022))
    return Layers(back, far, near, 0.87)


SCENES: dict[str, Callable[[Canvas, str], Layers]] = {
    "beach": beach,
    "underwater": underwater,
    "forest": forest,
    "desert": desert,
    "snow": snow,
    "meadow": meadow,
    "city": city,
    "space": space,
    "mountains": mountains,
    "moon": moon,
}

TINTS = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.80, 0.70), "night": (0.42, 0.46, 0.66)}


def draw_scene(name: str, light: str, height: int, width: int, rng: torch.Generator, device: torch.device) -> Layers:
    """The layers of scene `name` in that light; the back is lit already, the other layers are tinted here."""
    canvas = Canvas(height, width, rng, device)
    layers = SCENES[name](canvas, light)
    tint = colour(TINTS[light]).to(device)
    layers.back_CHW = layers.back_CHW[:3]
    for layer in (layers.far_CHP, layers.near_CHP):
        layer[:3] *= tint
    return layers
