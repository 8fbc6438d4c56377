"""Put films of the full tier together: dice, scenery, sprites, camera, weather; a batch at a time, on any device.

Each pixel passes through three samplings of scenery (back, far, near), one or two of sprites, and some arithmetic;
there is no loop over films or frames. What stays Python per film is the dice, the words and looking up tables.
"""

from __future__ import annotations

import random
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from training import sound as hearing
from training.full import captions as words
from training.full import weather
from training.full.dice import Film, throw
from training.full.motion import Actor, Beat, View, act, column, look, times
from training.full.scenes import Scenery
from training.full.sprites import FRAME_PX, KEPT_FPS, LEVELS, MAX_FRAMES, ROWS, atlas
from training.full.world import LIGHTS, SCENES
from training.render import REFERENCE_FRAMES, REFERENCE_PX, WEIGHT_PX, Films

PIXELS_AT_ONCE = {"cuda": 1 << 27, "cpu": 1 << 22}  # of frames, to bound memory: some 100 bytes each
DRIFT = 0.006  # panoramas a second that the sky's clouds move
PARALLAX = (0.06, 0.35, 1.0)  # how much of the camera's way the back, the far and the near make
GLOW = {"day": (1.0, 1.0, 1.0), "sunset": (1.0, 0.90, 0.84), "night": (0.72, 0.75, 0.88)}


@cache
def _scenery(height: int, width: int, device: torch.device) -> Scenery:
    return Scenery(height, width, device)


def _panorama(layer: Tensor, start: Tensor, view: View, flip: Tensor, width: int) -> Tensor:
    """Windows (B, C, T, H, W) of closed panoramas (B, C, H, P): `start` (B, T) picture widths from their beginning."""
    batch, channels, height, whole = layer.shape
    frames = start.shape[1]
    closed = torch.cat([layer, layer[..., : width + 2]], 3).float()
    x = (torch.arange(width, device=layer.device) + 0.5) / width - 0.5
    y = (torch.arange(height, device=layer.device) + 0.5) / height - 0.5
    first = torch.remainder((start - 0.5 * view.scale) * width, whole)
    cols = first[..., None] + (flip[..., None] * x + 0.5) * view.scale[..., None] * width  # (B, T, W) in pixels
    rows = (view.y[..., None] + y * view.scale[..., None]) * height
    grid = torch.empty(batch, frames, height, width, 2, device=layer.device)
    grid[..., 0] = (cols / (whole + width + 2) * 2 - 1)[:, :, None]
    grid[..., 1] = (rows / height * 2 - 1)[..., None]
    seen = F.grid_sample(
        closed, grid.view(batch, frames * height, width, 2), align_corners=False, padding_mode="border"
    )
    return seen.view(batch, channels, frames, height, width)


def _sprites(strips: Tensor, frame: Tensor, actor: Actor, view: View, height: int, width: int) -> Tensor:
    """(B, 4, T, H, W): a frame of the loop laid into each picture, premultiplied, from the level that fits its size."""
    batch, frames = frame.shape
    device = strips.device
    x = (torch.arange(width, device=device) + 0.5) / width - 0.5
    y = (torch.arange(height, device=device) + 0.5) / height - 0.5
    across = (x * view.scale[..., None] + view.x[..., None] - actor.x[..., None]) * (width / height)
    down = y * view.scale[..., None] + view.y[..., None] - actor.y[..., None]
    across, down = across[:, :, None], down[..., None]  # (B, T, 1, W), (B, T, H, 1), picture heights from its middle
    cos, sin = (wave(actor.turn)[..., None, None] for wave in (torch.cos, torch.sin))
    size, wide = actor.size[..., None, None], actor.squash[..., None, None]
    u = (across * cos + down * sin) * actor.flip[..., None, None] / (size * wide) + 0.5
    v = (down * cos - across * sin) * wide / size + 0.5
    pixels = actor.size / view.scale * height  # how large it is drawn
    level = torch.log2(FRAME_PX / pixels.clamp(min=1)).floor().clamp(0, LEVELS - 1)
    side = FRAME_PX / 2**level
    top = 2 * FRAME_PX - 2 * side  # the levels above, one under the other
    inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
    grid = torch.empty(batch, frames, height, width, 2, device=device)
    grid[..., 0] = (frame[..., None, None] + u) * (side / (MAX_FRAMES * FRAME_PX) * 2)[..., None, None] - 1
    grid[..., 1] = (top[..., None, None] + v * side[..., None, None]) * (2 / ROWS) - 1
    grid = grid.masked_fill_(~inside[..., None], 2.0)  # past the edge, where there is nothing
    drawn = F.grid_sample(strips.float(), grid.view(batch, frames * height, width, 2), align_corners=False)
    drawn = drawn.view(batch, 4, frames, height, width) * (1 / 255)
    return drawn * actor.shown.float()[:, None, None, None, None]


def _shadow(actor: Actor, view: View, broad: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, T, H, W): how dark the shadow under each subject is."""
    x = (torch.arange(width, device=broad.device) + 0.5) / width - 0.5
    y = (torch.arange(height, device=broad.device) + 0.5) / height - 0.5
    across = (x * view.scale[..., None] + view.x[..., None] - actor.x[..., None]) * (width / height)
    down = y * view.scale[..., None] + view.y[..., None] - actor.floor[..., None]
    wide = (0.42 * broad[:, None] * actor.size * (1 + 0.4 * actor.lift))[..., None]
    dark = 0.38 * (1 - 1.3 * actor.lift).clamp(min=0.15) * actor.shown.float()[:, None]
    across, down = torch.exp(-((across / wide) ** 2) * 1.2), torch.exp(-((down / (0.17 * wide)) ** 2) * 1.2)
    return (dark[..., None, None] * down[..., None] * across[:, :, None])[:, None]


def _dry(films: list[Film], view: View, time_s: Tensor, height: int) -> Tensor | None:
    """(B, 1, T, H, 1): what of each line is above the water; None where no film has any."""
    levels = [SCENES[film.scene].water for film in films]
    if all(level is None for level in levels):
        return None
    device = time_s.device
    surface = column([9.0 if level is None else level for level in levels], device)
    surface = surface + 0.006 * torch.sin(3.0 * time_s)
    y = (torch.arange(height, device=device) + 0.5) / height - 0.5
    line = y * view.scale[..., None] + view.y[..., None]
    return ((surface[..., None] - line) * height / 3 + 0.5).clamp(0, 1)[:, None, ..., None]


def _part(
    films: list[Film], frames: int, fps: int, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Pictures (B, T, 3, H, W) uint8 and emphasis (B, T, H / 8, W / 8) uint8."""
    time_s = times(films, frames, fps, device)
    painted = _scenery(height, width, device).take([(f.scene, f.light, f.variation) for f in films])
    strips, shapes = atlas(device).take([film.subject for film in films])
    first = act(films, False, shapes[:, 1], time_s, width / height)
    view = look(films, first, time_s)
    scroll = column([3 * film.scroll for film in films], device)
    flip = column([-1.0 if film.flipped else 1.0 for film in films], device)
    drift = 3 * DRIFT * time_s

    layers = painted.split((3, 4, 4), 1)
    starts = (scroll * 0.7 + drift, scroll * 0.9, scroll)
    back, far, near = (
        _panorama(layer, start + flip * view.x * share, view, flip, width)
        for layer, start, share in zip(layers, starts, PARALLAX, strict=True)
    )
    fog, mist = weather.veil(films, device), column(list(weather.FOG), device).view(1, 3, 1, 1, 1) * 255
    picture = back * (1 - far[:, 3:] / 255) + far[:, :3]
    picture = torch.lerp(picture, mist, fog)
    picture = picture * (1 - near[:, 3:] / 255) + near[:, :3]
    picture = torch.lerp(picture, mist, fog * 0.45)

    warmth = column([film.warmth for film in films], device)
    tints = torch.tensor([GLOW[LIGHTS[film.light]] for film in films], device=device)
    glow = (tints * 255)[:, :, None, None, None]
    dry = _dry(films, view, time_s, height)
    actors = [(first, strips, shapes)]
    if any(film.second >= 0 for film in films):
        other, other_shapes = atlas(device).take([max(film.second, 0) for film in films])
        actors.insert(0, (act(films, True, other_shapes[:, 1], time_s, width / height), other, other_shapes))
    cover = torch.zeros_like(picture[:, :1])
    for actor, sheet, shape in actors:
        count = shape[:, :1]
        at = time_s * KEPT_FPS * column([film.speed for film in films], device)
        frame = torch.remainder((at + column([film.phase for film in films], device) * count).round(), count)
        drawn = _sprites(sheet, frame, actor, view, height, width)
        shadow = _shadow(actor, view, shape[:, 2], height, width)
        if dry is not None:
            drawn = drawn * dry
            shadow = shadow * torch.tensor([SCENES[f.scene].water is None for f in films], device=device).view(
                -1, 1, 1, 1, 1
            )
        picture = picture * ((1 - shadow) * (1 - drawn[:, 3:])) + drawn[:, :3] * glow
        cover = torch.maximum(cover, drawn[:, 3:])
    picture = torch.lerp(picture, mist, fog * 0.25) / 255
    picture = weather.over(films, picture, time_s)
    tone = torch.stack([1 + 0.05 * warmth, torch.ones_like(warmth), 1 - 0.05 * warmth], 1)[..., None, None]
    picture = picture * tone
    light = weather.flash(films, time_s)[:, None, :, None, None]
    picture = picture + (1 - picture) * light
    pictures = (picture.clamp(0, 1) * 255).round().to(torch.uint8).transpose(1, 2).contiguous()
    emphasis = F.avg_pool2d(cover[:, 0], WEIGHT_PX)
    return pictures, (emphasis * 255).round().to(torch.uint8)


def _references(films: list[Film], fps: int, device: torch.device) -> Tensor:
    """Clips (B, REFERENCE_FRAMES, 3, R, R) of each film's subject on a plain colour, from another phase and size."""
    strips, shapes = atlas(device).take([film.subject for film in films])
    rolls = torch.tensor(
        [[(film.grain >> shift) % 256 / 255 for shift in (0, 4, 8, 12, 16, 20)] for film in films], device=device
    )
    part, phase, x, y, look_, _ = rolls[:, :, None].unbind(1)
    zero = torch.zeros(len(films), REFERENCE_FRAMES, device=device)
    size = 0.62 + 0.36 * part + zero
    room = (1 - size) / 2
    time_s = torch.arange(REFERENCE_FRAMES, device=device)[None] / fps
    frame = torch.remainder((time_s * KEPT_FPS + phase * shapes[:, :1] * 0.99).floor(), shapes[:, :1])
    shown = torch.ones(len(films), dtype=torch.bool, device=device)
    silent = Beat(zero[:, 0], zero[:, 0])
    flip = torch.where(look_ < 0.5, -1.0, 1.0) + zero
    still = Actor((2 * x - 1) * room, 0.5 + (2 * y - 1) * room, size, zero + 1, zero, flip, zero, zero, silent, shown)
    view = View(zero, zero + 0.5, zero + 1)
    drawn = _sprites(strips, frame, still, view, REFERENCE_PX, REFERENCE_PX)
    colour = 0.5 + 0.5 * rolls[:, [0, 2, 5], None, None, None]
    picture = colour * (1 - drawn[:, 3:]) + drawn[:, :3]
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8).transpose(1, 2).contiguous()


def draw(
    count: int,
    seed: int,
    size: tuple[int, int],
    frames: int,
    fps: int,
    device: torch.device,
    held_out: bool,
    sound_rate: int,
    captions: int,
) -> Films:
    """See `training.render.draw`."""
    rng = random.Random(seed)
    films = [throw(rng, held_out) for _ in range(count)]
    return show(
        films, size, frames, fps, device, sound_rate, [[words.caption(f, rng) for _ in range(captions)] for f in films]
    )


@torch.no_grad()
def show(
    films: list[Film],
    size: tuple[int, int],
    frames: int,
    fps: int,
    device: torch.device,
    sound_rate: int,
    said: list[list[str]],
) -> Films:
    """These very films with these captions."""
    height, width = size
    at_once = max(1, PIXELS_AT_ONCE[device.type] // (height * width * frames))
    groups = [films[first : first + at_once] for first in range(0, len(films), at_once)]
    drawn = [_part(group, frames, fps, height, width, device) for group in groups]
    clips = _references(films, fps, device)
    names = ("subject", "scene", "motion", "camera", "light", "weather", "second")
    return Films(
        frames=torch.cat([pictures for pictures, _ in drawn]),
        fps=fps,
        sound=hearing.sound(films, frames / fps, sound_rate, device) if sound_rate else None,
        sound_rate=sound_rate,
        captions=said,
        weights=torch.cat([emphasis for _, emphasis in drawn]),
        reference=clips[:, 0],
        reference_clip=clips,
        labels={name: torch.tensor([getattr(film, name) for film in films], device=device) for name in names},
    )
