"""Films of the full tier as heard: each place told apart, each step and bounce in time with the picture."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")  # training's own library; the package and `make test` go without it

from training import sound  # noqa: E402
from training.full import world  # noqa: E402
from training.full.compose import show  # noqa: E402
from training.full.dice import Film, throw  # noqa: E402
from training.full.motion import times  # noqa: E402
from training.full.voices import AMBIENCES, VOICES  # noqa: E402

RATE = 8000
CPU = torch.device("cpu")
SUBJECTS = [subject.name for subject in world.SUBJECTS]
SCENES = [scene.name for scene in world.SCENES]


def film(scene: str, motion: str = "stand", subject: str = "rock", seed: int = 1, weather: str = "clear") -> Film:
    thrown = throw(random.Random(seed))
    return replace(
        thrown,
        scene=SCENES.index(scene),
        motion=world.MOTIONS.index(motion),
        subject=SUBJECTS.index(subject),
        weather=world.WEATHERS.index(weather),
        camera=0,
        second=-1,
        x=0.0,
        size=0.5,
        start_s=0.0,
    )


def bands(heard: torch.Tensor) -> torch.Tensor:
    """(B, S) → (B, 2 · 20): the mean level and its swing over time of each third of an octave, in nepers."""
    window = torch.hann_window(1024)
    power = torch.stft(heard, 1024, 256, window=window, return_complex=True).abs().square()
    hertz = torch.linspace(0, RATE / 2, 513)
    edges = 40 * 2 ** (torch.arange(21) / 3)
    parts = torch.stack(
        [power[:, (hertz >= low) & (hertz < max(high, low + 9))].sum(1) for low, high in pairwise(edges.tolist())],
        1,
    )
    levels = (parts + 1e-2).log()
    return torch.cat([levels.mean(2), levels.std(2)], 1)


def test_each_place_is_told_from_the_others_by_the_levels_of_its_bands() -> None:
    assert set(AMBIENCES) == set(SCENES) and set(VOICES) <= set(SUBJECTS)
    known, asked = (
        torch.stack([bands(sound.ambience(some, times(some, 3 * RATE, RATE, CPU), RATE)) for some in every])
        for every in (
            [[film(scene, seed=seed) for seed in seeds] for scene in SCENES] for seeds in (range(5), range(5, 11))
        )
    )
    nearest = torch.cdist(asked.flatten(0, 1), known.mean(1)).argmin(1).view(len(SCENES), -1)
    right = (nearest == torch.arange(len(SCENES))[:, None]).float().mean(1)
    assert float(right.mean()) > 0.95, dict(zip(SCENES, right.tolist(), strict=True))
    assert float(right.min()) > 0.5, dict(zip(SCENES, right.tolist(), strict=True))


def onsets(heard: torch.Tensor) -> list[float]:
    """Seconds at which the level leaps, at least 0.12 s apart."""
    step = RATE // 200
    level = heard[: len(heard) // step * step].view(-1, step).square().mean(1).sqrt()
    leap = level[1:] - level[:-1]
    found: list[float] = []
    for index in (leap > 0.35 * leap.max()).nonzero()[:, 0].tolist():
        second = (index + 1) * step / RATE
        if not found or second - found[-1] > 0.12:
            found.append(second)
    return found


@pytest.mark.parametrize(
    ("motion", "subject"), [("bounce", "basketball"), ("run right", "leopard"), ("walk left", "penguin")]
)
def test_feet_and_balls_are_heard_in_the_frame_in_which_they_touch_the_ground(motion: str, subject: str) -> None:
    fps, seconds = 24, 2.5
    going = replace(
        film("stage", motion, subject), phase=0.3, camera=world.CAMERAS.index("follow" if "run" in motion else "static")
    )
    seen = show([going], (160, 288), int(seconds * fps), fps, CPU, 0, [[""]])
    weight = seen.weights[0].float()
    low = (weight.sum(2) * torch.arange(weight.shape[1])).sum(1) / weight.sum((1, 2))
    touching = [t / fps for t in range(1, len(low) - 1) if low[t] >= low[t - 1] and low[t] > low[t + 1]]
    heard = sound.events([going], times([going], int(seconds * RATE), RATE, CPU), RATE)[0]
    at = [second for second in onsets(heard) if 1.5 / fps < second < seconds - 1.5 / fps]
    assert len(at) >= 2
    for second in at:
        assert min(abs(second - touch) for touch in touching) <= 1.01 / fps, (at, touching)


def test_a_landing_after_a_fall_is_heard_when_it_is_seen() -> None:
    falling = replace(film("room", "fall", "apple"), speed=1.0)
    heard = sound.events([falling], times([falling], 4 * RATE, RATE, CPU), RATE)[0]
    seen = show([falling], (160, 288), 60, 24, CPU, 0, [[""]]).weights[0].float()
    low = (seen.sum(2) * torch.arange(seen.shape[1])).sum(1) / seen.sum((1, 2)).clamp(min=1)
    step = RATE // 50
    level = heard[: 2 * RATE + RATE // 2].view(-1, step).square().mean(1).sqrt()
    loudest = (level[1:] - level[:-1]).argmax().item() / 50 + 1 / 50
    assert abs(loudest - low.argmax().item() / 24) < 1.5 / 24


def test_silence_reigns_where_nothing_happens() -> None:
    still, walking = film("room", "stand", "rock"), film("room", "walk left", "dog")
    quiet, loud = (sound.events([one], times([one], RATE, RATE, CPU), RATE).abs().max() for one in (still, walking))
    assert float(quiet) < 1e-3 and float(loud) > 0.2


def test_engines_belong_to_what_has_one_and_a_cow_is_lower_than_a_bird() -> None:
    def middle(subject: str) -> float:
        one = [film("room", "stand", subject)]
        spectrum = torch.fft.rfft(sound.events(one, times(one, 2 * RATE, RATE, CPU), RATE)[0]).abs().square()
        return float((spectrum * torch.linspace(0, RATE / 2, len(spectrum))).sum() / spectrum.sum())

    assert middle("car") < 250 and middle("cow") < 500 < 1500 < middle("bird")
    bicycle = [film("street", "stand", "bicycle")]
    assert float(sound.events(bicycle, times(bicycle, RATE, RATE, CPU), RATE).abs().max()) < 1e-3


def test_rain_is_heard_over_the_place_and_thunder_after_the_flash() -> None:
    dry, wet, storm = ([film("castle", weather=weather)] for weather in ("clear", "rain", "storm"))
    heard = [
        sound.ambience(one, times(one, 3 * RATE, RATE, CPU), RATE)[0].square().mean().sqrt()
        for one in (dry, wet, storm)
    ]
    assert float(heard[1]) > 2 * float(heard[0]) and float(heard[2]) > float(heard[1])


def test_a_film_sounds_the_same_alone_and_in_company_and_never_clips() -> None:
    one, other = film("sea", "bounce", "dog"), film("candy land", "spin", "steam train", seed=4, weather="clear")
    alone, together = sound.sound([one], 2.0, RATE, CPU)[0], sound.sound([other, one], 2.0, RATE, CPU)[1]
    assert float((alone - together).abs().max()) < 1e-3
    assert float(alone.abs().max()) < 1 and float(alone.square().mean().sqrt()) > 0.02
