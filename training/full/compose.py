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

PIXELS_AT_ONCE = 1 << 26  # of frames, to bound memory: some 100 bytes each
PIXELS_AT_ONCE_ON_CPU = 1 << 22
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
    closed = torch.cat([layer, layer[..., : width + 2]], 3)
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


def _lines(view: View, count: int, down: bool) -> Tensor:
    """Where in the world each column, or each line if `down`, of every frame lies: (B, T, count)."""
    middle = view.y if down else view.x
    at = (torch.arange(count, device=middle.device) + 0.5) / count - 0.5
    return at * view.scale[..., None] + middle[..., None]


def _sprites(
    strips: Tensor, frame: Tensor, actor: Actor, view: View, height: int, width: int, hidden: Tensor | None = None
) -> Tensor:
    """(B, 4, T, H, W): a frame of the loop laid into each picture, from the level of the pyramid that fits its size.

    Sums of a column's and a line's part, so that each coordinate of each pixel costs one addition. `hidden` (B, T, H)
    says which lines show nothing of it.
    """
    batch, frames = frame.shape
    across = (_lines(view, width, False) - actor.x[..., None]) * (width / height)  # picture heights from its middle
    down = _lines(view, height, True) - actor.y[..., None]
    cos, sin = torch.cos(actor.turn)[..., None], torch.sin(actor.turn)[..., None]
    size, wide, flip = actor.size[..., None], actor.squash[..., None], actor.flip[..., None]
    pixels = actor.size / view.scale * height  # how large it is drawn
    level = torch.log2(FRAME_PX / pixels.clamp(min=1)).floor().clamp(0, LEVELS - 1)
    side = (FRAME_PX / 2**level)[..., None]
    top = 2 * FRAME_PX - 2 * side  # the levels above, one under the other
    left = frame[..., None] * side
    to_x, to_y = 2 / (MAX_FRAMES * FRAME_PX), 2 / ROWS
    grid = torch.empty(batch, frames, height, width, 2, device=strips.device)
    u, v = grid.unbind(-1)
    turned = flip * side / (size * wide)
    torch.add(
        ((across * cos * turned + 0.5 * side + left) * to_x - 1)[:, :, None],
        (down * sin * turned * to_x)[..., None],
        out=u,
    )
    turned = wide * side / size
    torch.add(
        (-across * sin * turned * to_y)[:, :, None],
        ((down * cos * turned + 0.5 * side + top) * to_y - 1)[..., None],
        out=v,
    )
    edge = 0.5  # the outermost pixels of every frame are empty, so what lies outside may be read there
    u.clamp_(((left + edge) * to_x - 1)[..., None], ((left + side - edge) * to_x - 1)[..., None])
    v.clamp_(((top + edge) * to_y - 1)[..., None], ((top + side - edge) * to_y - 1)[..., None])
    if hidden is not None:
        u.masked_fill_(hidden[..., None], 2.0)  # past the strip, where there is nothing
    drawn = F.grid_sample(strips, grid.view(batch, frames * height, width, 2), align_corners=False)
    return drawn.view(batch, 4, frames, height, width)


def _shadow(actor: Actor, view: View, broad: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, T, H, W): how dark the shadow under each subject is."""
    across = (_lines(view, width, False) - actor.x[..., None]) * (width / height)
    down = _lines(view, height, True) - actor.floor[..., None]
    wide = (0.42 * broad[:, None] * actor.size * (1 + 0.4 * actor.lift))[..., None]
    dark = 0.38 * (1 - 1.3 * actor.lift).clamp(min=0.15)[..., None]
    across, down = torch.exp(-((across / wide) ** 2) * 1.2), dark * torch.exp(-((down / (0.17 * wide)) ** 2) * 1.2)
    return (down[..., None] * across[:, :, None])[:, None]


def _under_water(films: list[Film], view: View, time_s: Tensor, height: int) -> Tensor | None:
    """(B, T, H) bool: which lines lie under a surface that hides what is there; None where no film has one."""
    levels = [SCENES[film.scene].water for film in films]
    if all(level is None for level in levels):
        return None
    surface = column([9.0 if level is None else level for level in levels], time_s.device)
    return _lines(view, height, True) > (surface + 0.006 * torch.sin(3.0 * time_s))[..., None]


def _lit_scenery(painted: Tensor, fog: Tensor, tone: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The bytes of the panoramas as back (0 to 255), far and near (RGB to 255, opacity to 1), in their tone and fog.

    Fog and tone are linear, so they may be laid over a panorama once instead of over each of its windows.
    """
    mist = torch.tensor(weather.FOG, device=painted.device).view(1, 3, 1, 1) * 255
    layers = []
    for layer, share in zip(painted.float().split((3, 4, 4), 1), (1.45, 1.2, 0.7), strict=True):
        opaque = layer[:, 3:] / 255
        thick = (fog * share).clamp(max=0.8)
        veil = thick * mist * (opaque if layer.shape[1] == 4 else 1.0)
        layers.append(torch.cat([(layer[:, :3] * (1 - thick) + veil) * tone, opaque], 1))
    return layers[0], layers[1], layers[2]


def _lay(picture: Tensor, films: list[Film], second: bool, time_s: Tensor, view: View, tone: Tensor) -> Tensor:
    """Lay the first or second subjects with their shadows into `picture` (B, 3, T, H, W); returns how they cover it."""
    device = picture.device
    height, width = picture.shape[-2:]
    strips, shapes = atlas(device).take([film.second if second else film.subject for film in films])
    actor = act(films, second, shapes[:, 1], time_s, width / height)
    tints = torch.tensor([GLOW[LIGHTS[film.light]] for film in films], device=device)[..., None, None]
    sheet = strips.float()
    sheet[:, :3] *= tints * tone
    sheet[:, 3:] /= 255
    count = shapes[:, :1]
    at = time_s * KEPT_FPS * column([film.speed for film in films], device)
    frame = torch.remainder((at + column([film.phase for film in films], device) * count).round(), count)
    hidden = _under_water(films, view, time_s, height)
    drawn = _sprites(sheet, frame, actor, view, height, width, hidden)
    shadow = _shadow(
        actor,
        view,
        shapes[:, 2] * column([SCENES[f.scene].water is None for f in films], device)[:, 0].clamp(min=1e-3),
        height,
        width,
    )
    keep = torch.rsub(drawn[:, 3:], 1)
    keep.addcmul_(keep, shadow, value=-1)
    picture.mul_(keep).add_(drawn[:, :3])
    return drawn[:, 3:]


def _part(
    films: list[Film], frames: int, fps: int, height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Pictures (B, T, 3, H, W) uint8 and emphasis (B, T, H / 8, W / 8) uint8."""
    time_s = times(films, frames, fps, device)
    painted = _scenery(height, width, device).take([(f.scene, f.light, f.variation) for f in films])
    foot = torch.full((len(films),), 0.95, device=device)
    view = look(films, act(films, False, foot, time_s, width / height), time_s)
    scroll = column([3 * film.scroll for film in films], device)
    flip = column([-1.0 if film.flipped else 1.0 for film in films], device)
    warmth = column([film.warmth for film in films], device)
    tone = torch.stack([1 + 0.06 * warmth.clamp(max=0), 1 + 0 * warmth, 1 - 0.06 * warmth.clamp(min=0)], 1)[..., None]
    fog = weather.veil(films, device)

    starts = (scroll * 0.7 + 3 * DRIFT * time_s, scroll * 0.9, scroll)
    back, far, near = (
        _panorama(layer, start + flip * view.x * share, view, flip, width)
        for layer, start, share in zip(_lit_scenery(painted, fog, tone), starts, PARALLAX, strict=True)
    )
    picture = back
    for layer in (far, near):
        picture = torch.addcmul(layer[:, :3], picture, torch.rsub(layer[:, 3:], 1))

    pairs = [index for index, film in enumerate(films) if film.second >= 0]
    cover = torch.zeros_like(picture[:, :1])
    if pairs:
        which = torch.tensor(pairs, device=device)
        some = picture[which]
        seen = View(view.x[which], view.y[which], view.scale[which])
        cover[which] = _lay(some, [films[index] for index in pairs], True, time_s[which], seen, tone[which])
        picture[which] = some
    cover = torch.maximum(cover, _lay(picture, films, False, time_s, view, tone))
    weather.over(films, picture, time_s)
    pictures = torch.empty(len(films), frames, 3, height, width, dtype=torch.uint8, device=device)
    pictures.copy_(picture.transpose(1, 2))
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
    drawn = _sprites(strips.float() / 255, frame, still, view, REFERENCE_PX, REFERENCE_PX)
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
    pixels = PIXELS_AT_ONCE_ON_CPU if device.type == "cpu" else PIXELS_AT_ONCE
    at_once = max(1, pixels // (height * width * frames))
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
