"""Draw films of the little world: who, where, doing what, seen by which camera.

`draw` is what training calls: a batch of films of one tier, ready to learn from. For the pocket tier, `draw_film`
throws the dice and `render` draws any stretch of that film; the same film gives the same pixels. The full tier is drawn
in `training.full`. Plain tensor code: it runs on whatever device it is asked for.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from training import world
from training.scenes import TINTS, draw_scene
from training.world import CAMERAS, FPS, LIGHTS, LIT_BY_SPACE, MOTIONS, POCKET, SCENES, SUBJECTS, WEATHERS

PATCH_CELLS = (
    5  # side, in latent cells, of the square that a sprite is warped into: the largest subject with room to turn
)


WEIGHT_PX = 8  # side of the square of pixels that one value of `Films.weights` speaks for
REFERENCE_PX = 64
REFERENCE_FRAMES = 8  # of a reference clip


@dataclass(frozen=True)
class Films:
    """A batch of films with all that is known about them. B films of T frames, H × W pixels; all on one device."""

    frames: Tensor  # (B, T, 3, H, W) uint8
    fps: int
    sound: Tensor | None  # (B, S) float from -1 to 1, mono; S = round(T / fps · sound_rate)
    sound_rate: int  # samples a second; 0 where there is no sound
    captions: list[list[str]]  # for each film, some ways to say it
    weights: Tensor  # (B, T, H / 8, W / 8) uint8: how much of each square of WEIGHT_PX is subject
    reference: Tensor  # (B, 3, R, R) uint8: the (first) subject at another moment and size on a plain background
    reference_clip: Tensor  # (B, REFERENCE_FRAMES, 3, R, R) uint8: the same, moving, at the films' fps
    labels: dict[str, Tensor]  # subject, scene, motion, camera, light, weather: (B,) int64 into the tier's
    # tables; in the full tier "second" too, another subject or -1

    def __len__(self) -> int:
        return len(self.captions)


def draw(
    tier: str,
    count: int,
    seed: int,
    size: tuple[int, int],
    frames: int,
    fps: int,
    device: str | torch.device,
    held_out: bool = False,
    sound_rate: int = 0,
    captions: int = 1,
) -> Films:
    """`count` films of `tier`, the same ones for the same arguments on the same kind of device.

    size        (height, width) in pixels, both multiples of WEIGHT_PX
    held_out    draw only the combinations of subject, scene and motion that training never shows, else only the others
    sound_rate  samples a second of their sound, 0 for none
    captions    how many ways to say each film
    Raises      ValueError for a tier there is none of, or a size that cannot be drawn
    """
    if size[0] % WEIGHT_PX or size[1] % WEIGHT_PX:
        raise ValueError(f"size {size}: height and width must be multiples of {WEIGHT_PX}")
    painter = world.tier(tier).painter
    films: Films = importlib.import_module(painter).draw(
        count, seed, size, frames, fps, torch.device(device), held_out, sound_rate, captions
    )
    return films


@dataclass(frozen=True)
class Film:
    """One film: indices into the tables of `world`, and the numbers that make it this one."""

    subject: int
    scene: int
    motion: int
    light: int
    weather: int
    camera: int
    size: float  # subject height in picture heights
    speed: float  # 1.0 is the usual pace
    x: float  # where the subject is at time 0, -0.5 (left edge) to 0.5
    phase: float  # 0 to 1, where its loops start
    seed: int  # of the scene's own variation

    @property
    def key(self) -> tuple[int, int, int]:
        return self.subject, self.scene, self.motion

    def mirrored(self) -> Film:
        """What this film shows when its pictures are turned left to right."""
        swap = {"left": "right", "right": "left", "pan left": "pan right", "pan right": "pan left"}
        motion, camera = MOTIONS[self.motion], CAMERAS[self.camera]
        return replace(
            self, motion=MOTIONS.index(swap.get(motion, motion)), camera=CAMERAS.index(swap.get(camera, camera))
        )


def _choose(rng: torch.Generator, weights: list[float]) -> int:
    return int(torch.multinomial(torch.tensor(weights), 1, generator=rng))


def draw_film(rng: torch.Generator) -> Film:
    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=rng))

    subject = _choose(rng, [float(each.name in POCKET) for each in SUBJECTS])
    scene = _choose(rng, [1.0] * len(SCENES))
    motion = _choose(rng, [1.0, 1.6, 1.6, 1.2, 1.0, 0.8, 0.8, 0.8])
    outdoors = SCENES[scene] not in LIT_BY_SPACE
    light = _choose(rng, [4.0, 1.0, 1.0]) if outdoors else 0
    weather = _choose(rng, [12.0, 1.0, 1.0]) if outdoors else 0
    moves = MOTIONS[motion] in ("left", "right")
    camera = _choose(rng, [1.0, 2.0, 0, 0, 0, 0] if moves else [5.0, 0.0, 1.0, 1.0, 0.7, 0.7])
    return Film(
        subject=subject,
        scene=scene,
        motion=motion,
        light=light,
        weather=weather,
        camera=camera,
        size=uniform(0.54, 0.68) * SUBJECTS[subject].size,
        speed=uniform(0.8, 1.25),
        x=uniform(-0.12, 0.12),
        phase=uniform(0, 1),
        seed=int(torch.randint(2**31, (), generator=rng)),
    )


@dataclass(frozen=True)
class Pose:
    """Where the subject is in every frame, each (frames,): middle in picture widths and heights, height, turn."""

    x: Tensor
    y: Tensor
    size: Tensor
    turn: Tensor
    mirror: bool
    ground_y: Tensor  # where its shadow falls
    scroll: Tensor  # how far the camera has gone to the right, in picture widths


def pose(film: Film, ground: float | None, time_s: Tensor) -> Pose:
    subject, motion, camera = SUBJECTS[film.subject], MOTIONS[film.motion], CAMERAS[film.camera]
    tau, beat = math.tau, (time_s * film.speed + film.phase)
    zero = torch.zeros_like(time_s)
    x, lift, size, turn, scroll = zero + film.x, zero, zero + film.size, zero, zero
    side = {"left": -1.0, "right": 1.0}.get(motion, 0.0)
    flies = subject.habitat in ("air", "water") or ground is None
    if side and camera == "follow":
        scroll = side * 0.30 * film.speed * time_s
        x = x + side * 0.05 * torch.sin(tau * beat / 5)
    elif side:  # crosses the picture and comes back in at the other side
        path = film.x + 0.25 * film.phase + side * 0.26 * film.speed * time_s
        x = torch.remainder(path + 0.75, 1.5) - 0.75
    if flies and motion in ("stand", "left", "right"):
        lift = 0.03 * torch.sin(tau * beat * 0.7)
    elif side and subject.habitat == "ground":
        lift = 0.022 * torch.sin(tau * beat * 1.8).abs()
    if motion == "jump":
        lift = 0.24 * (1 - (2 * torch.remainder(beat * 1.1, 1.0) - 1) ** 2)
    elif motion == "float":
        lift = 0.14 + 0.13 * torch.sin(tau * beat * 0.4)
        x = x + 0.05 * torch.sin(tau * beat * 0.27)
    elif motion == "spin":
        turn = tau * beat * 0.55
    elif motion == "approach":
        size = film.size * (0.40 + 0.90 * (time_s * film.speed / 4).clamp(0, 1))
    elif motion == "dance":
        turn = 0.28 * torch.sin(tau * beat * 1.1)
        lift = 0.05 * torch.sin(tau * beat * 1.1).abs()
        x = x + 0.05 * torch.sin(tau * beat * 0.55)
    if camera.startswith("pan"):
        scroll = scroll + (0.16 if camera == "pan right" else -0.16) * time_s
        x = film.x + (x - film.x)  # the camera keeps its subject; what is behind goes by
    if ground is None or flies:
        y = (0.50 if ground is None else 0.46) - lift + (0.06 if motion == "float" else 0.0)
    else:
        y = ground - size / 2 - lift
    faces_left = subject.faces == "left"
    mirror = subject.faces != "front" and ((side > 0) if faces_left else (side < 0))
    floor = zero + (ground if ground is not None else 2.0)
    return Pose(x, zero + y, size, turn, mirror, floor, scroll)


def _scrolled(layer_CHP: Tensor, scroll_px: Tensor, width: int) -> Tensor:
    """Windows of a closed panorama moved by parts of a pixel: (frames, C, H, width); one frame if nothing moves."""
    closed = torch.cat([layer_CHP, layer_CHP[:, :, : width + 1]], 2)
    start_px = torch.remainder(scroll_px, layer_CHP.shape[2])
    if bool((scroll_px == scroll_px[0]).all()):
        start_px = start_px[:1]
    windows = []
    for start in start_px.tolist():
        left = int(start)
        windows.append(
            torch.lerp(closed[:, :, left : left + width], closed[:, :, left + 1 : left + width + 1], start - left)
        )
    return torch.stack(windows)


def _over(picture: Tensor, layer: Tensor) -> Tensor:
    return picture * (1 - layer[:, 3:]) + layer[:, :3]


def _warped(sprite_frames: Tensor, where: Pose, height: int, side: int) -> Tensor:
    """The sprite scaled and turned into (frames, 4, side, side), premultiplied."""
    scale = side / (where.size * height)
    cos, sin = torch.cos(where.turn) * scale, torch.sin(where.turn) * scale
    flip = -1.0 if where.mirror else 1.0
    zero = torch.zeros_like(cos)
    affine = torch.stack([torch.stack([flip * cos, flip * sin, zero], 1), torch.stack([-sin, cos, zero], 1)], 1)
    grid = F.affine_grid(affine, [len(cos), 4, side, side], align_corners=False)
    return F.grid_sample(sprite_frames, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _stamp(picture: Tensor, patch: Tensor, x_px: int, y_px: int) -> tuple[slice, slice, slice, slice] | None:
    """Slices that lay a patch with its corner at (x_px, y_px) into a picture, or None when it is outside."""
    height, width = picture.shape[-2:]
    top, left = max(y_px, 0), max(x_px, 0)
    bottom, right = min(y_px + patch.shape[-2], height), min(x_px + patch.shape[-1], width)
    if bottom <= top or right <= left:
        return None
    return slice(top, bottom), slice(left, right), slice(top - y_px, bottom - y_px), slice(left - x_px, right - x_px)


def _weather(name: str, height: int, width: int, cell: int, time_s: Tensor, rng: torch.Generator) -> Tensor:
    """Coverage of falling rain or snow, (frames, 1, height, width), from one closed texture that slides down.

    Drawn at 32 pixels to a cell whatever the picture's size, so that drops are as thick in small pictures.
    """
    shrink = 32 // cell
    height, width = height * shrink, width * shrink
    texture = torch.zeros(height, width)
    count = 60 if name == "rain" else 50
    rows = torch.randint(height, (count,), generator=rng)
    columns = torch.randint(width, (count,), generator=rng)
    if name == "rain":
        for length in range(14):
            texture[(rows + length) % height, (columns - length // 4) % width] = 0.55
        fall, drift = 1.7, -0.40
    else:
        for dy in (0, 1, 2):
            for dx in (0, 1, 2):
                texture[(rows + dy) % height, (columns + dx) % width] = 0.95
        fall, drift = 0.28, 0.05
    down = (time_s * fall * height).round().long()
    across = (time_s * drift * height).round().long()
    frames = [torch.roll(texture, (int(d), int(a)), (0, 1)) for d, a in zip(down, across, strict=True)]
    return F.avg_pool2d(torch.stack(frames)[:, None], shrink)


def render(
    film: Film,
    sprites: list[Tensor],
    rows: int,
    cols: int,
    start_s: float,
    frames: int,
    cell: int = 32,
    fps: int = FPS,
) -> tuple[Tensor, Tensor]:
    """Frames of the film from `start_s` on, drawn with `cell` pixels to the side of a latent, `fps` of them a second.

    Returns  pictures (frames, 3, cell·rows, cell·cols), uint8, the subject's coverage (frames, cell·rows, cell·cols).
    """
    height, width, side = rows * cell, cols * cell, PATCH_CELLS * cell
    device = sprites[0].device
    rng = torch.Generator().manual_seed(film.seed)
    light = LIGHTS[film.light]
    layers = draw_scene(SCENES[film.scene], light, height, width, rng, device)
    time_s = start_s + torch.arange(frames, dtype=torch.float32, device=device) / fps
    where = pose(film, layers.ground, time_s)
    scroll_px = where.scroll * width + 0.5 * width
    picture = _over(layers.back_CHW[None], _scrolled(layers.far_CHP, scroll_px * 0.35, width))
    picture = _over(picture, _scrolled(layers.near_CHP, scroll_px, width))
    picture = picture.expand(frames, -1, -1, -1).contiguous()

    loop = sprites[film.subject]
    index = torch.remainder((time_s * FPS * film.speed + film.phase * len(loop)).round().long(), len(loop))
    patch = _warped(loop[index], where, height, side)
    glow = 0.5 + 0.5 * torch.tensor(TINTS[light], device=device)[:, None, None]
    cover = torch.zeros(frames, height, width, device=device)
    ys = torch.linspace(-1, 1, side, device=device)[:, None]
    xs = torch.linspace(-1, 1, side, device=device)[None]
    for t in range(frames):
        x_px = round(float((where.x[t] + 0.5) * width - side / 2))
        y_px = round(float(where.y[t] * height - side / 2))
        wide = float(where.size[t]) * height / side * 0.8
        floor_px = int(float(where.ground_y[t]) * height - side / 2)
        if (box := _stamp(picture[t], patch[t], x_px, floor_px)) is not None:
            shadow = (1.2 - torch.sqrt((xs / wide) ** 2 + (ys / (wide * 0.16)) ** 2) * 1.2).clamp(0, 1) * 0.35
            picture[t, :, box[0], box[1]] *= 1 - shadow[box[2], box[3]]
        if (box := _stamp(picture[t], patch[t], x_px, y_px)) is not None:
            piece = patch[t, :, box[2], box[3]]
            picture[t, :, box[0], box[1]] = picture[t, :, box[0], box[1]] * (1 - piece[3:]) + piece[:3] * glow
            cover[t, box[0], box[1]] = piece[3]
    camera = CAMERAS[film.camera]
    if camera.startswith("zoom"):
        part = (time_s / 5).clamp(0, 1)
        scale = 1 - 0.30 * (part if camera == "zoom in" else 1 - part)
        zero = torch.zeros_like(scale)
        affine = torch.stack([torch.stack([scale, zero, zero], 1), torch.stack([zero, scale, 0.2 * (1 - scale)], 1)], 1)
        grid = F.affine_grid(affine, list(picture.shape), align_corners=False)
        both = F.grid_sample(torch.cat([picture, cover[:, None]], 1), grid, align_corners=False, padding_mode="border")
        picture, cover = both[:, :3], both[:, 3]
    if film.weather:
        fall = _weather(WEATHERS[film.weather], height, width, cell, time_s.cpu(), rng).to(device)
        picture = picture * (1 - fall) + fall * 0.92
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8), cover
