"""What falls and drifts before the camera: one closed texture for each kind, sliding; and fog, and lightning."""

from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from training.full.dice import Film
from training.full.motion import column
from training.full.world import SCENES, WEATHERS

FALLS: dict[str, tuple[float, float]] = {  # picture heights a second down and to the right
    "rain": (1.7, -0.35),
    "storm": (2.1, -0.80),
    "snowfall": (0.28, 0.05),
    "leaves": (0.30, 0.34),
    "bubbles": (-0.22, 0.02),
    "embers": (-0.26, 0.06),
}
INKS = {
    "rain": (0.86, 0.92, 1.0),
    "storm": (0.80, 0.86, 0.98),
    "snowfall": (1.0, 1.0, 1.0),
    "bubbles": (0.80, 0.96, 1.0),
    "embers": (1.0, 0.55, 0.12),
}
TILE = 2.0  # the texture's side in picture heights
FOG = (0.82, 0.85, 0.88)


@cache
def texture(kind: str, height: int, device: torch.device) -> Tensor:
    """(4, TILE · height, TILE · height) RGBA, premultiplied; closes on itself in both directions."""
    fine = 4  # drawn larger, for soft edges
    side = int(TILE * height)
    full = side * fine
    rng = torch.Generator().manual_seed(sum(kind.encode()))
    cover = torch.zeros(full, full)
    rgb = torch.tensor(INKS.get(kind, (0.0, 0.0, 0.0)))[:, None, None].expand(3, full, full).clone()
    unit = full / TILE  # pixels to a picture height
    count = {"rain": 260, "storm": 420, "snowfall": 170, "leaves": 60, "bubbles": 40, "embers": 60}[kind]
    rows, cols = torch.randint(full, (2, count), generator=rng).tolist()
    parts = torch.rand(count, 2, generator=rng).tolist()
    for row, col, (one, other) in zip(rows, cols, parts, strict=True):
        if kind in ("rain", "storm"):
            long = 0.05 + 0.03 * one
            down, across = torch.meshgrid(
                torch.arange(int(long * unit)), torch.arange(max(2, int(0.005 * unit))), indexing="ij"
            )
            lean = FALLS[kind][1] / FALLS[kind][0]
            cover[(row + down) % full, (col + across + (down * lean).long()) % full] = 0.35 + 0.3 * other
            continue
        radius = {"snowfall": 0.006 + 0.008 * one, "leaves": 0.022, "bubbles": 0.008 + 0.014 * one, "embers": 0.006}[
            kind
        ]
        reach = int(radius * unit) + 1
        at = torch.arange(-reach, reach + 1)
        down, across = torch.meshgrid(at / (radius * unit), at / (radius * unit), indexing="ij")
        if kind == "leaves":
            angle = torch.tensor(other * 6.28)
            down, across = down * angle.cos() - across * angle.sin(), (down * angle.sin() + across * angle.cos()) * 1.9
        distance = torch.hypot(down, across)
        shape = (distance < 1).float()
        if kind == "bubbles":
            shape = shape * (0.25 + 0.6 * (distance > 0.72).float())
        where = ((row + at) % full)[:, None], ((col + at) % full)[None]
        cover[where] = torch.maximum(cover[where], shape * 0.95)
        if kind == "leaves":
            tone = torch.tensor([(0.90, 0.45, 0.12), (0.96, 0.72, 0.16), (0.78, 0.24, 0.12)][int(one * 3) % 3])
            rgb[:, where[0], where[1]] = torch.where(shape > 0, tone[:, None, None], rgb[:, where[0], where[1]])
    packed = F.avg_pool2d(torch.cat([rgb * cover, cover[None]])[None], fine)[0]
    return packed.to(device)


def falling(film: Film) -> str:
    """Which texture falls in that film, "" for none."""
    weather, scene = WEATHERS[film.weather], SCENES[film.scene].name
    if weather in FALLS:
        return weather
    return {"underwater": "bubbles", "volcano": "embers"}.get(scene, "")


def over(films: list[Film], picture: Tensor, time_s: Tensor) -> None:
    """Lay over `picture` (B, 3, T, H, W), from 0 to 255, what falls in each film, and lightning."""
    height, width = picture.shape[-2:]
    device = picture.device
    kinds = [falling(film) for film in films]
    for kind in sorted(set(kinds) - {""}):
        which = [index for index, other in enumerate(kinds) if other == kind]
        sheet = texture(kind, height, device)
        side = sheet.shape[-1]
        down, across = FALLS[kind]
        chosen = torch.tensor(which, device=device)
        start = column([films[index].phase * 7.3 for index in which], device) + time_s[chosen]
        rows = torch.arange(height, device=device) - (start * down * height).round().long()[..., None]
        cols = torch.arange(width, device=device) - (start * across * height).round().long()[..., None]
        drops = sheet[:, (rows % side)[..., None], (cols % side)[:, :, None]].movedim(0, 1)  # (b, 4, T, H, W)
        some = torch.addcmul(drops[:, :3] * 255, picture[chosen], torch.rsub(drops[:, 3:], 1))
        if kind == "storm":
            light = 0.75 * torch.exp(-5.0 * since_flash([films[index] for index in which], time_s[chosen]))
            some = torch.lerp(some, torch.full_like(some, 255.0), light[:, None, :, None, None])
        picture[chosen] = some


def veil(films: list[Film], device: torch.device) -> Tensor:
    """How thick the fog of each film is, 0 to 1: (B, 1, 1, 1)."""
    thick = {"fog": 0.52, "storm": 0.10, "rain": 0.08, "snowfall": 0.10}
    return column([thick.get(WEATHERS[film.weather], 0.0) for film in films], device)[..., None, None]


def since_flash(films: list[Film], time_s: Tensor) -> Tensor:
    """Seconds since the last lightning, (B, T): one every 2.3 s."""
    offset = column([film.phase for film in films], time_s.device)
    return torch.remainder(time_s / 2.3 + offset, 1.0) * 2.3
