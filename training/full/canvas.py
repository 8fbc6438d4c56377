"""Shapes for drawing many variations of a scene at once: a leading N on every tensor, one row of dice for each.

Coordinates  `u` runs 0 to 1 once around a panorama that closes on itself; `y` runs 0 (top) to 1 (bottom);
             lengths inside shapes are in picture heights. Colours are RGB from 0 to 1.
Shapes       a cover is (N, H, P) or broadcasts to it, 0 to 1; a layer is (N, 4, H, P), RGB premultiplied.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

PANORAMA = 3.0  # panorama width in picture widths
DICE = 20000  # numbers that a variation may use

Rgb = tuple[float, float, float]


class Canvas:
    def __init__(self, seeds: list[int], height: int, width: int, device: torch.device) -> None:
        """One variation for each of `seeds`; the same seed draws the same, whatever is drawn beside it."""
        self.count, self.height, self.device = len(seeds), height, device
        self.panorama = int(width * PANORAMA)
        self.span = self.panorama / height  # its width in picture heights
        rolls = [torch.rand(DICE, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        self._dice, self._used = torch.stack(rolls).to(device), 0
        self.y = ((torch.arange(height, device=device) + 0.5) / height)[None, :, None]
        self.u = ((torch.arange(self.panorama, device=device) + 0.5) / self.panorama)[None, None]

    def roll(self, *shape: int) -> Tensor:
        """(N, *shape) fresh numbers from 0 to 1."""
        size = math.prod(shape)
        fresh = self._dice[:, self._used : self._used + size]
        assert fresh.shape[1] == size, f"a scene uses more than {DICE} dice"
        self._used += size
        return fresh.reshape(self.count, *shape)

    def pick(self, low: float, high: float) -> Tensor:
        return low + (high - low) * self.roll(1, 1)

    def soft(self, distance: Tensor) -> Tensor:
        """Coverage of a shape from its signed distance in picture heights, one pixel wide at the edge."""
        return (distance * self.height + 0.5).clamp(0, 1)

    def below(self, level: float | Tensor) -> Tensor:
        return self.soft(self.y - level)

    def line(self, level: float | Tensor, swing: float, waves: tuple[int, ...]) -> Tensor:
        """The heights of a rolling line, (N, 1, P)."""
        line = level + torch.zeros(self.count, 1, self.panorama, device=self.device)
        for count in waves:
            line = line + swing / len(waves) * torch.sin(math.tau * (count * self.u + self.roll(1, 1)))
        return line

    def hills(self, level: float | Tensor, swing: float, waves: tuple[int, ...]) -> Tensor:
        return self.below(self.line(level, swing, waves))

    def row(self, count: int, jitter: float) -> tuple[Tensor, Tensor, Tensor]:
        """`count` things in a row: distance from the middle of the nearest, and two numbers of each; all (N, 1, P)."""
        numbers = self.roll(3, count)
        cell = (self.u[0, 0] * count).floor().long().clamp(max=count - 1)
        shift, high, other = (numbers[:, i][:, cell][:, None] for i in range(3))
        across = (self.u * count - cell - 0.5 - (shift - 0.5) * jitter) / count * self.span
        return across, high, other

    def cells(self, rows: int, cols: int, spread: float = 0.7) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Things strewn over the picture, one in each cell: distance across and down, two numbers; all (N, H, P)."""
        numbers = self.roll(4, rows, cols)
        row = (self.y[0, :, 0] * rows).floor().long().clamp(max=rows - 1)
        col = (self.u[0, 0] * cols).floor().long().clamp(max=cols - 1)
        shift_x, shift_y, one, other = (numbers[:, i][:, row[:, None], col[None]] for i in range(4))
        across = (self.u * cols - col - 0.5 - (shift_x - 0.5) * spread) / cols * self.span
        down = (self.y * rows - row[:, None] - 0.5 - (shift_y - 0.5) * spread) / rows
        return across, down, one, other

    def noise(self, rows: int, cols: int) -> Tensor:
        """Smooth noise from 0 to 1 that closes on itself, (N, H, P)."""
        coarse = self.roll(rows, cols)
        closed = torch.cat([coarse[:, :, -2:], coarse, coarse[:, :, :2]], 2)[:, None]
        step = self.panorama / cols
        width = round(step * (cols + 4))
        fine = F.interpolate(closed, (self.height, width), mode="bicubic", align_corners=False)[:, 0]
        left = round(2 * step)
        return fine[:, :, left : left + self.panorama].clamp(0, 1)

    def ellipse(self, across: Tensor, y: float | Tensor, wide: float | Tensor, tall: float | Tensor) -> Tensor:
        reach = torch.sqrt((across / wide) ** 2 + ((self.y - y) / tall) ** 2)
        thin, flat = (torch.as_tensor(side, device=self.device) for side in (wide, tall))
        return self.soft((1 - reach) * torch.minimum(thin, flat))

    def disc(self, across: Tensor, y: float | Tensor, radius: float | Tensor) -> Tensor:
        return self.soft(radius - torch.hypot(across, self.y - y))

    def box(self, across: Tensor, top: float | Tensor, bottom: float | Tensor, wide: float | Tensor) -> Tensor:
        return self.soft(torch.minimum(torch.minimum(wide / 2 - across.abs(), self.y - top), bottom - self.y))

    def cone(self, across: Tensor, top: float | Tensor, bottom: float | Tensor, slope: float) -> Tensor:
        """A triangle standing on `bottom`, half as wide at each height as `slope` times the way from its top."""
        return self.soft(torch.minimum((self.y - top) * slope - across.abs(), bottom - self.y))

    def gradient(self, top: Rgb, bottom: Rgb, start: float = 0.0, end: float = 1.0) -> Tensor:
        mix = ((self.y - start) / (end - start)).clamp(0, 1)[:, None]
        return self.ink(top) * (1 - mix) + self.ink(bottom) * mix

    def ink(self, rgb: Rgb) -> Tensor:
        return torch.tensor(rgb, device=self.device)[None, :, None, None]

    def blank(self) -> Tensor:
        return torch.zeros(self.count, 4, self.height, self.panorama, device=self.device)

    def filled(self, rgb: Rgb | Tensor) -> Tensor:
        return self.paint(self.blank(), rgb, torch.ones(1, 1, 1, device=self.device))

    def paint(self, layer: Tensor, rgb: Rgb | Tensor, cover: Tensor) -> Tensor:
        """`layer` with a shape of colour `rgb` (or (N, 3, H, P)) over it where `cover` says so."""
        ink = rgb if isinstance(rgb, Tensor) else self.ink(rgb)
        cover = cover[:, None]
        colour = layer[:, :3] * (1 - cover) + ink * cover
        opaque = layer[:, 3:] * (1 - cover) + cover
        return torch.cat([colour.expand(-1, -1, self.height, self.panorama), opaque], 1)


SKIES: dict[str, tuple[Rgb, Rgb]] = {
    "day": ((0.30, 0.62, 0.95), (0.82, 0.93, 1.00)),
    "sunset": ((0.42, 0.28, 0.62), (1.00, 0.66, 0.38)),
    "night": ((0.02, 0.03, 0.14), (0.14, 0.17, 0.38)),
}
CLOUDS: dict[str, Rgb] = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.72, 0.62), "night": (0.20, 0.22, 0.40)}


def stars(canvas: Canvas, back: Tensor, rows: int = 8, cols: int = 28) -> Tensor:
    across, down, bright, large = canvas.cells(rows, cols)
    glow = canvas.soft(0.004 + 0.006 * large**3 - torch.hypot(across, down)) * (0.4 + 0.6 * bright)
    return canvas.paint(back, (1.0, 1.0, 0.9), glow)


def clouds(canvas: Canvas, back: Tensor, rgb: Rgb, low: float = 0.34, count: int = 7, large: float = 1.0) -> Tensor:
    """Puffs with a flat foot, in two rows so that they do not stand on a string."""
    for amount, top in ((count, 0.10), (count - 2, low - 0.1)):
        across, high, other = canvas.row(amount, 0.5)
        foot, size = top + 0.10 * high, large * (0.6 + 0.6 * other)
        puffs = canvas.ellipse(across, foot, 0.10 * size, 0.045 * size)
        for dx, dy, r in ((-0.055, 0.0, 0.045), (0.05, 0.005, 0.05), (0.005, -0.03, 0.06)):
            puffs = torch.maximum(puffs, canvas.ellipse(across - dx * size, foot + dy * size, r * size, r * size))
        puffs = puffs * canvas.soft(foot + 0.022 * size - canvas.y)
        shading = 1 - 0.10 * ((canvas.y - foot + 0.05) / 0.1).clamp(0, 1)
        back = canvas.paint(back, canvas.ink(rgb) * shading[:, None], puffs * 0.92)
    return back


def sky(canvas: Canvas, light: str) -> Tensor:
    """Sky with its sun or moon, twice around the panorama, and clouds or stars."""
    top, bottom = SKIES[light]
    back = canvas.filled(canvas.gradient(top, bottom, 0.0, 0.75))
    if light == "night":
        back = stars(canvas, back)
    place = torch.remainder(canvas.u * 2 + canvas.roll(1, 1), 1.0)
    across = (place - 0.5) / 2 * canvas.span
    if light == "day":
        back = canvas.paint(back, (1.0, 0.97, 0.80), canvas.disc(across, 0.16, 0.10) * 0.35)
        back = canvas.paint(back, (1.0, 0.93, 0.55), canvas.disc(across, 0.16, 0.07))
    elif light == "sunset":
        glow = (1 - torch.hypot(across, (canvas.y - 0.5) * 1.4) / 0.6).clamp(0, 1) ** 2
        back = canvas.paint(back, (1.0, 0.75, 0.40), glow * 0.6)
        back = canvas.paint(back, (1.0, 0.86, 0.45), canvas.disc(across, 0.5, 0.11))
    else:
        moon = canvas.disc(across, 0.17, 0.07) * (1 - canvas.disc(across - 0.035, 0.155, 0.06))
        back = canvas.paint(back, (0.98, 0.96, 0.80), moon)
    return clouds(canvas, back, CLOUDS[light]) if light != "night" else back


TINTS: dict[str, Rgb] = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.80, 0.70), "night": (0.40, 0.44, 0.64)}


def lamp(light: str, rgb: Rgb = (1.0, 0.86, 0.45)) -> Rgb:
    """`rgb` so that it shines as itself after the night has been laid over it."""
    tint = TINTS[light]
    return rgb[0] / tint[0], rgb[1] / tint[1], rgb[2] / tint[2]
