"""Films of the full tier as they sound: ambience of the place and weather, and what is seen to happen, in time with it.

Plain signal arithmetic on (B, S) tensors, S samples of mono from -1 to 1, on any device; the same film always sounds
the same, whatever is in the batch beside it. Made for 8,000 samples a second: nothing here is above 3.5 kHz.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.full import weather
from training.full.dice import Film
from training.full.motion import LANDED, ROUND_S, Beat, act, column, progress, times
from training.full.voices import (
    AMBIENCES,
    ANY_SURFACE,
    ENGINES,
    MOTORS,
    MUTE,
    NO_PULSE,
    SPLASHES,
    SURFACES,
    VOICES,
    WEATHER_BANDS,
)
from training.full.world import MOTIONS, SCENES, SIDEWAYS, SUBJECTS, WEATHERS, floats

TAU = math.tau
LOUDNESS = 0.5  # of the whole, before the soft limit


def noise(films: list[Film], samples: int, salt: int, device: torch.device) -> Tensor:
    """(B, S) white noise from -1 to 1: a hash of the film's grain and the sample's number, so no generator's state."""
    grain = torch.tensor([film.grain for film in films], device=device)[:, None]
    mixed = torch.arange(samples, device=device)[None] * 747796405 + grain * 277803737 + salt * 40503
    for shift, factor in ((16, 0x45D9F3B), (15, 0x119DE1F3), (13, 0x2C1B3C6D)):
        mixed = (mixed & 0xFFFFFFFF) ^ ((mixed & 0xFFFFFFFF) >> shift)
        mixed = mixed * factor
    return ((mixed & 0xFFFFFF).float() / 0x7FFFFF) - 1


def shaped(white: Tensor, bands: list[list[tuple[float, float, float]]], rate: int) -> Tensor:
    """White noise with each film's bands, whose levels are root mean squares: (B, S)."""
    most = max(1, *(len(each) for each in bands))
    filled = [[*each, *[(100.0, 1.0, 0.0)] * (most - len(each))] for each in bands]
    numbers = torch.tensor(filled, dtype=torch.float32, device=white.device)  # (B, bands, 3)
    spectrum = torch.fft.rfft(white)
    hertz = torch.linspace(0, rate / 2, spectrum.shape[1], device=white.device).clamp(min=1)
    octaves = torch.log2(hertz) - torch.log2(numbers[..., :1])
    shape = torch.exp(-0.5 * (octaves / (0.5 * numbers[..., 1:2])) ** 2)
    energy = shape.square().mean(-1, keepdim=True).clamp(min=1e-6).sqrt()
    envelope = (shape / energy * numbers[..., 2:]).square().sum(1).sqrt()
    return torch.fft.irfft(spectrum * envelope, n=white.shape[1]) * math.sqrt(3)


def pulses(chosen: list[tuple[float, float, float, float, float]], time_s: Tensor, phase: Tensor) -> Tensor:
    """Short tones of `voices.Pulse` again and again, or one that goes on: (B, S)."""
    numbers = torch.tensor(chosen, dtype=torch.float32, device=time_s.device)
    hertz, often, decay, spread, level = (numbers[:, index : index + 1] for index in range(5))
    beat = time_s * often + phase
    since = torch.where(often > 0, torch.remainder(beat, 1.0) / often.clamp(min=1e-3), time_s)
    number = torch.floor(beat)
    wander = torch.where(often > 0, torch.sin(number * 12.9898 + phase * 78.2), torch.zeros_like(beat))
    tone = hertz * (1 + spread * wander)
    bend = 1 + 0.6 * spread * torch.exp(-6 * since)
    wave = torch.sin(TAU * tone * since * bend) + 0.3 * torch.sin(2 * TAU * tone * since * bend) * (tone < 1700)
    envelope = torch.exp(-decay * since) * torch.where(often > 0, 1 - torch.exp(-300 * since), torch.ones_like(since))
    gone = torch.where((often > 0) & (wander > 0.75), 0.0, 1.0)  # a rest now and then
    return level * wave * envelope * gone


def ambience(films: list[Film], time_s: Tensor, rate: int) -> Tensor:
    """The place and its weather alone, (B, S)."""
    device, samples = time_s.device, time_s.shape[1]
    heard = [AMBIENCES[SCENES[film.scene].name] for film in films]
    phase = column([film.phase for film in films], device)
    swell = torch.tensor([each.swell for each in heard], device=device)
    depth = swell[:, 1:]
    volume = 1 - depth * (0.5 + 0.5 * torch.sin(TAU * (swell[:, :1] * time_s + phase)))
    whole = shaped(noise(films, samples, 1, device), [list(each.bands) for each in heard], rate) * volume
    for index in range(2):
        whole = whole + pulses(
            [each.pulses[index] if index < len(each.pulses) else NO_PULSE for each in heard],
            time_s,
            phase + 0.4 * index,
        )
    outside = [WEATHER_BANDS.get(WEATHERS[film.weather]) for film in films]
    if any(outside):
        falling = shaped(noise(films, samples, 2, device), [[each[0]] if each else [] for each in outside], rate)
        often = column([each[1] if each else 0.0 for each in outside], device)
        whole = whole + falling * (0.75 + 0.25 * torch.sin(TAU * (often * time_s + phase)))
    if any(WEATHERS[film.weather] == "storm" for film in films):
        stormy = column([WEATHERS[film.weather] == "storm" for film in films], device)
        late = (weather.since_flash(films, time_s) - 0.25).clamp(min=0)  # thunder follows the flash
        roll = shaped(noise(films, samples, 3, device), [[(70.0, 1.0, 1.0)]] * len(films), rate)
        whole = whole + stormy * roll * 1.6 * torch.exp(-1.8 * late) * (late > 0)
    return whole


def _contacts(films: list[Film], second: bool, beat: Beat, time_s: Tensor, rate: int) -> Tensor:
    """Steps, landings and bounces: a burst whenever the beat passes a whole number."""
    device = time_s.device
    shown = [film.second_motion if second else film.motion for film in films]
    names = [MOTIONS[motion] for motion in shown]
    since = beat.since(time_s)
    places = [SCENES[film.scene].name for film in films]
    surfaces = [(2400.0, 60.0) if place in SPLASHES else SURFACES.get(place, ANY_SURFACE) for place in places]
    wet = column([place in SPLASHES for place in places], device)
    heavy = column([1.0 if name in ("jump", "bounce") else 0.55 for name in names], device)
    grain = shaped(
        noise(films, time_s.shape[1], 4 + second, device), [[(hertz, 1.2, 1.0)] for hertz, _ in surfaces], rate
    )
    body = column([hertz for _, hertz in surfaces], device)
    attack = 1 - torch.exp(-900 * since)
    thud = torch.sin(TAU * body * since) * torch.exp(-28 * since) * (1 - wet)
    burst = grain * torch.exp(-(60 - 42 * wet) * since) * 0.55
    springs = column([name == "bounce" for name in names], device)
    boing = torch.sin(TAU * (180 * since + 240 * since**2)) * torch.exp(-9 * since) * springs * 0.5
    return (thud + burst + boing) * attack * heavy


def _whoosh(films: list[Film], time_s: Tensor, rate: int) -> Tensor:
    """Air: around what spins or circles, under what rises, before what falls, its landing included."""
    device = time_s.device
    names = [MOTIONS[film.motion] for film in films]
    speed, phase = (column([getattr(film, what) for film in films], device) for what in ("speed", "phase"))

    def are(*some: str) -> Tensor:
        return column([name in some for name in names], device)

    air = shaped(noise(films, time_s.shape[1], 6, device), [[(700.0, 1.0, 1.0)]] * len(films), rate)
    turns = torch.sin(TAU * (torch.where(are("spin") > 0, 0.5, 0.45) * time_s * speed + phase)) ** 4
    way = progress(time_s, speed)
    moving = way < 1
    blow = are("spin", "circle") * turns * 0.5 + moving * (are("rise") * way * 0.5 + are("approach") * way**2 * 0.4)
    blow = blow + are("leave") * (1 - way) ** 2 * 0.4
    drop = way < LANDED
    tone = 900 - 1100 * way + are("rise") * (1800 * way - 500)
    whistle = torch.sin(TAU * tone * time_s) * (are("fall") * drop * 0.22 + are("rise") * moving * 0.16)
    landed = (time_s - LANDED * ROUND_S / speed.sqrt()).clamp(min=0)
    thud = are("fall") * (landed > 0) * torch.exp(-22 * landed)
    return air * blow + whistle + thud * (torch.sin(TAU * 75 * landed) + 0.5 * air)


def _voice(films: list[Film], second: bool, time_s: Tensor, shown: Tensor) -> Tensor:
    """Engines and voices of those who have one."""
    device = time_s.device
    who = [SUBJECTS[film.second if second else film.subject] for film in films]
    motions = [MOTIONS[film.second_motion if second else film.motion] for film in films]
    phase = column([(film.phase + 0.5 * second) % 1 for film in films], device)
    said = pulses([VOICES.get(each.name, NO_PULSE) for each in who], time_s, phase)
    quiet = [each.name in MUTE or (floats(each, SCENES[film.scene]) and each.kind in ENGINES)
             for each, film in zip(who, films, strict=True)]  # fmt: skip
    lowest = [
        0.0 if mute else MOTORS.get(each.name, ENGINES.get(each.kind, 0.0))
        for each, mute in zip(who, quiet, strict=True)
    ]
    busy = [1.7 if name.startswith("run") else 1.25 if name in SIDEWAYS else 1.0 for name in motions]
    hertz = column([low * much for low, much in zip(lowest, busy, strict=True)], device)
    turn = TAU * (hertz * time_s + 0.4 * torch.sin(TAU * 1.3 * time_s))
    motor = sum(torch.sin(n * turn + n) / n for n in (1, 2, 3, 4, 6)) * (hertz > 0) * 0.28
    return (said + motor) * shown.float()[:, None]


def events(films: list[Film], time_s: Tensor, rate: int, beat: Beat | None = None) -> Tensor:
    """What is seen to happen, alone: (B, S). `beat` is the first subjects' where they keep another than their own."""
    device = time_s.device
    foot = torch.full((len(films),), 0.95, device=device)
    whole = _whoosh(films, time_s, rate)
    for second in (False, True) if any(film.second >= 0 for film in films) else (False,):
        actor = act(films, second, foot, time_s[:, :1], 16 / 9)  # for its beat, which does not depend on the rest
        kept = beat if beat is not None and not second else actor.beat
        steps = _contacts(films, second, kept, time_s, rate) * actor.shown.float()[:, None]
        whole = whole + steps + 0.8 * _voice(films, second, time_s, actor.shown)
    return whole


@torch.no_grad()
def sound(films: list[Film], seconds: float, rate: int, device: torch.device, beat: Beat | None = None) -> Tensor:
    """(B, round(seconds · rate)) float from -1 to 1: what is heard from each film's first frame on; see `events`."""
    time_s = times(films, round(seconds * rate), rate, device)
    return torch.tanh(LOUDNESS * (0.45 * ambience(films, time_s, rate) + 0.9 * events(films, time_s, rate, beat)))
