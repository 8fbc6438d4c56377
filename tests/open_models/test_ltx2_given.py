"""What a request gives reaches the film: pictures at their own frame, clips, a sound, a rate, a firmness."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_requests import film, picture, small
from tiny_ltx2 import SECOND

from rushes.catalogue.card import Card
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.ltx2 import sound
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.given import Held, held
from rushes.models.ltx2.state import Ltx2State

QUICK = {"steps": 2, "guidance_scale": 1}


@pytest.fixture(scope="module")
def adapter(tiny_card: Callable[..., Card]) -> Ltx2Adapter:
    return Ltx2Adapter(tiny_card(SECOND))


def tone(hertz: float, seconds: float = 1.0) -> NDArray[np.float32]:
    times = np.arange(round(seconds * 48_000)) / 48_000
    return np.repeat(0.5 * np.sin(2 * np.pi * hertz * times)[:, None], 2, axis=1).astype(np.float32)


def ended(adapter: Ltx2Adapter, condition: Any) -> Ltx2State:
    state = adapter.prepare(condition, 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def made(adapter: Ltx2Adapter, inputs: Inputs = NO_INPUTS, **asked: Any) -> Ltx2State:
    return ended(adapter, adapter.encode(small(adapter.describe(), **{**QUICK, **asked}), inputs))


def own(state: Ltx2State) -> torch.Tensor:
    """The film's own tokens."""
    return state.latent_BNC[:, : state.condition.numbers.places]


def test_every_frame_is_a_place_of_its_own_for_a_picture(adapter: Ltx2Adapter) -> None:
    films = [own(made(adapter, Inputs(keyframes=((frame, picture(1)),)))) for frame in (0, 9, 10, 24)]
    films.append(own(made(adapter)))
    assert len({tuple(film.flatten().tolist()) for film in films}) == len(films)


def test_a_first_frame_stays_where_it_was_put(adapter: Ltx2Adapter) -> None:
    state = made(adapter, Inputs(keyframes=((0, picture(1)),)))
    places = state.condition.numbers.rows * state.condition.numbers.cols
    given = state.condition.given["clean"][:, :places]
    assert torch.allclose(state.latent_BNC[:, :places], given, atol=1e-5)
    assert not torch.allclose(made(adapter).latent_BNC[:, :places], given, atol=0.1)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(1, [(0, 1)]), (5, [(0, 1), (4, 1)]), (9, [(0, 9)]), (12, [(0, 9), (3, 9)]), (17, [(0, 17)])],
)
def test_a_clip_to_continue_is_held_to_its_last_frame(frames: int, expected: list[tuple[int, int]]) -> None:
    clip = film(1, frames)
    items = held(Inputs(lead_in_THWC=clip), time=8)
    assert [(item.at, len(item.frames_THWC)) for item in items] == expected
    for item in items:
        assert np.array_equal(item.frames_THWC, clip[item.at : item.at + len(item.frames_THWC)])


def test_a_clip_to_continue_is_what_the_film_begins_with(adapter: Ltx2Adapter) -> None:
    state = made(adapter, Inputs(lead_in_THWC=film(1, 9)))
    given = state.condition.given
    firm = given["held"][:, : state.condition.numbers.places, 0] == 1
    assert firm.sum() == 2 * state.condition.numbers.rows * state.condition.numbers.cols
    assert torch.allclose(own(state)[firm], given["clean"][:, : firm.shape[1]][firm], atol=1e-5)


def test_what_is_held_less_firmly_moves_more(adapter: Ltx2Adapter) -> None:
    request = small(adapter.describe(), **QUICK)

    def distance(strength: float) -> float:
        state = ended(adapter, adapter.condition(request, (Held(0, film(1, 9), strength),)))
        firm = state.condition.given["held"][..., 0] > 0
        return float((state.latent_BNC[firm] - state.condition.given["clean"][firm]).abs().mean())

    firm, half, loose = (distance(strength) for strength in (1.0, 0.5, 0.1))
    assert firm < half < loose


def test_a_given_sound_stays_as_it_is_at_every_step_and_the_film_follows_it(adapter: Ltx2Adapter) -> None:
    low, high = (Inputs(sound=tone(hertz)) for hertz in (200, 3000))
    request = small(adapter.describe(), steps=3)
    state = first = adapter.prepare(adapter.encode(request, low), 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
        assert torch.equal(state.sound_BNC, first.sound_BNC)
    other = made(adapter, high, steps=3, guidance_scale=3)
    assert not torch.equal(first.sound_BNC, other.sound_BNC)
    assert not torch.equal(own(state), own(other))


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 5000.0])
def test_a_tone_is_heard_at_its_own_pitch(adapter: Ltx2Adapter, hertz: float) -> None:
    wave = torch.from_numpy(tone(hertz)[::3].T.copy())  # at 16,000 samples a second
    spectrum = sound._spectrum(wave, adapter.layout)[0, 20:80].mean(0)
    bins = len(spectrum)
    # Slaney's scale: even up to 1,000 Hz, then even in octaves; up to 8,000 Hz.
    mels = [f * 3 / 200 if f < 1000 else 15 + 27 * np.log(f / 1000) / np.log(6.4) for f in (hertz, 8000.0)]
    assert abs(int(spectrum.argmax()) - (mels[0] / mels[1] * (bins + 1) - 1)) <= 1
    assert float(spectrum.min()) < float(spectrum.max()) - 3


def test_silence_and_a_short_sound_are_whole_sounds(adapter: Ltx2Adapter) -> None:
    numbers = adapter.encode(small(adapter.describe(), **QUICK)).numbers
    seconds = numbers.num_frames / numbers.fps
    for samples in (np.zeros((0, 2), np.float32), tone(400, 0.3), tone(400, 4.0)):
        heard = sound.heard(samples, seconds, numbers.sounds, adapter.layout, adapter.parts)
        assert heard.shape == (1, numbers.sounds, adapter.layout.sound_width)
        assert torch.isfinite(heard).all()


def test_the_sound_is_as_long_as_the_film_and_really_there(adapter: Ltx2Adapter) -> None:
    chunks = list(adapter.decode(made(adapter, generate_audio=True)))
    film_S2 = np.concatenate([chunk.audio for chunk in chunks if chunk.audio is not None])
    frames = sum(len(chunk.frames_THWC) for chunk in chunks)
    assert film_S2.shape == (frames * 48_000 // 24, 2)
    assert film_S2.dtype == np.float32
    loud = np.sqrt(np.mean(film_S2[: len(film_S2) * 9 // 10] ** 2))
    assert loud > 1e-3
    assert np.abs(film_S2).max() <= 1


def test_with_sound_or_without_the_pictures_are_the_same(adapter: Ltx2Adapter) -> None:
    heard, silent = (list(adapter.decode(made(adapter, generate_audio=on))) for on in (True, False))
    assert all(chunk.audio is None for chunk in silent)
    for one, other in zip(heard, silent, strict=True):
        assert np.array_equal(one.frames_THWC, other.frames_THWC)


def test_the_sound_follows_the_words(adapter: Ltx2Adapter) -> None:
    one, other = (made(adapter, prompt=prompt).sound_BNC for prompt in ("A penguin waddles", "A rocket flies"))
    assert not torch.equal(one, other)


def test_the_rate_is_told_and_not_only_written_into_the_file(adapter: Ltx2Adapter) -> None:
    """As many frames at another rate are another film: its tokens stand at other times."""
    slow, fast = (made(adapter, fps=fps) for fps in (25, 24))
    assert slow.condition.numbers.num_frames == fast.condition.numbers.num_frames
    assert (slow.condition.numbers.fps, fast.condition.numbers.fps) == (25, 24)
    assert not torch.equal(own(slow), own(fast))


def test_a_look_at_a_half_made_clip_is_short_silent_and_what_the_last_step_saw(adapter: Ltx2Adapter) -> None:
    state = made(adapter, generate_audio=True)
    seen = adapter.foreseen(adapter.step(adapter.prepare(state.condition, 7), 0))
    chunks = list(adapter.decode(seen))
    assert sum(len(chunk.frames_THWC) for chunk in chunks) == 9
    assert chunks[0].audio is None
    # The last step goes all the way to what it saw.
    assert torch.allclose(adapter.foreseen(state).latent_BNC, state.latent_BNC, atol=1e-4)
    assert not torch.allclose(seen.latent_BNC, state.latent_BNC, atol=1e-3)
