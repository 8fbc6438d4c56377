"""References and sound: weights that know them use them, and those that do not are driven as ever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mini_cases import asked
from tiny_mini import write_tiny_weights

from rushes.models.adapter import Inputs
from rushes.models.mini.adapter import MiniAdapter, MiniState
from rushes.models.mini.sound import OUT_RATE

SQUARE = np.full((1, 40, 40, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> MiniAdapter:
    return MiniAdapter(write_tiny_weights(tmp_path_factory.mktemp("kinds"), kinds=True))


def film(adapter: MiniAdapter, inputs: Inputs, **changes: object) -> MiniState:
    request = asked(**changes)
    state = adapter.prepare(adapter.encode(request, inputs), request.seed)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def sound_of(adapter: MiniAdapter, state: MiniState) -> np.ndarray:
    chunks = list(adapter.decode(state))
    assert all(chunk.audio is not None for chunk in chunks)
    return np.concatenate([chunk.audio for chunk in chunks])


def beep(seconds: float, hertz: float = 600.0) -> np.ndarray:
    time_s = np.arange(round(seconds * OUT_RATE)) / OUT_RATE
    return np.repeat((0.3 * np.sin(2 * np.pi * hertz * time_s))[:, None], 2, 1).astype(np.float32)


@pytest.mark.parametrize("seconds", [1.0, 1.3, 4.0])
def test_a_film_with_sound_has_a_sample_for_every_moment(adapter: MiniAdapter, seconds: float) -> None:
    state = film(adapter, Inputs(), generate_audio=True, seconds=seconds)
    sound = sound_of(adapter, state)
    frames = adapter.config.num_frames(seconds)
    assert sound.shape == (round(frames * OUT_RATE / adapter.config.fps), 2) and sound.dtype == np.float32
    assert np.isfinite(sound).all() and np.abs(sound).max() <= 1


def test_a_film_without_sound_has_none_and_another_seed_sounds_otherwise(adapter: MiniAdapter) -> None:
    assert all(chunk.audio is None for chunk in adapter.decode(film(adapter, Inputs())))
    one, same, other = (
        sound_of(adapter, film(adapter, Inputs(), generate_audio=True, seed=seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_given_sound_stays_as_it_is_and_moves_the_picture(adapter: MiniAdapter) -> None:
    request = asked()
    given = adapter.prepare(adapter.encode(request, Inputs(sound=beep(1.0))), request.seed)
    made = film(adapter, Inputs(sound=beep(1.0)))
    assert np.array_equal(given.sound_NKC, made.sound_NKC) and given.sound_NKC.any()
    other = film(adapter, Inputs(sound=beep(1.0, 2000.0)))
    assert not np.array_equal(made.latent_NPC, other.latent_NPC)
    assert all(chunk.audio is None for chunk in adapter.decode(made)), "the file takes the sound that was sent"


def test_a_reference_is_seen_and_not_shown(adapter: MiniAdapter) -> None:
    without, dark, light = (film(adapter, Inputs(references=given)) for given in ((), (SQUARE,), (SQUARE + 100,)))
    assert without.latent_NPC.shape == dark.latent_NPC.shape
    assert not np.array_equal(dark.latent_NPC, without.latent_NPC)
    assert not np.array_equal(dark.latent_NPC, light.latent_NPC)


def test_a_clip_to_refer_to_is_seen_in_its_beginning(adapter: MiniAdapter) -> None:
    length = adapter.config.frames_per_latent
    clip = np.random.default_rng(1).integers(255, size=(5 * length, 30, 30, 3)).astype(np.uint8)
    condition = adapter.encode(asked(), Inputs(references=(clip,)))
    side = adapter.config.reference_cells * adapter.config.spatial
    assert [chunk.shape for chunk in condition.references] == [(length, side, side, 3)] * 2


def test_a_keyframe_at_the_beginning_sounds_too_and_a_clip_to_continue_stays_silent(adapter: MiniAdapter) -> None:
    native = adapter.native(asked())
    picture = np.full((native.height, native.width, 3), 120, np.uint8)
    keyed = film(adapter, Inputs(keyframes=((0, picture),)), generate_audio=True)
    length = adapter.config.frames_per_latent
    continued = film(adapter, Inputs(lead_in_THWC=np.repeat(picture[None], length, 0)), generate_audio=True)
    half = OUT_RATE * length // adapter.config.fps
    silent, loud = (np.abs(sound_of(adapter, state)[: half // 2]).max() for state in (continued, keyed))
    assert silent < 3e-3 < loud


def test_a_checkpoint_holds_sound_and_references(adapter: MiniAdapter) -> None:
    request = asked(generate_audio=True, seconds=2.0)
    state = adapter.prepare(adapter.encode(request, Inputs(references=(SQUARE,))), request.seed)
    state = adapter.step(state, 0)
    again = adapter.restore(state.to_bytes())
    one, other = adapter.step(state, 1), adapter.step(again, 1)
    assert np.array_equal(one.latent_NPC, other.latent_NPC) and np.array_equal(one.sound_NKC, other.sound_NKC)


def test_pictures_begin_from_the_same_noise_with_sound_or_without(adapter: MiniAdapter) -> None:
    request, loud = asked(), asked(generate_audio=True)
    silent = adapter.prepare(adapter.encode(request), request.seed)
    with_sound = adapter.prepare(adapter.encode(loud), loud.seed)
    assert np.array_equal(silent.latent_NPC, with_sound.latent_NPC)


def test_weights_that_know_video_only_make_a_silent_film(tmp_path: Path) -> None:
    plain = MiniAdapter(write_tiny_weights(tmp_path))
    state = film(plain, Inputs(), generate_audio=True)
    assert all(chunk.audio is None for chunk in plain.decode(state))


@pytest.mark.parametrize("given", [{"references": (SQUARE,)}, {"sound": beep(1.0)}], ids=["reference", "sound"])
def test_guidance_leads_towards_what_was_given_and_not_only_towards_the_words(
    adapter: MiniAdapter, given: dict[str, object]
) -> None:
    request = asked(guidance_scale=3.0, negative_prompt="rain")
    with_it, without = (
        adapter.prepare(adapter.encode(request, inputs), request.seed) for inputs in (Inputs(**given), Inputs())
    )
    window, count = with_it.condition.windows[0], len(with_it.latent_NPC)
    noisy = np.ones(count, np.float32), np.zeros(count, np.float32)
    towards, _ = adapter._run(with_it, window, *noisy, with_it.condition.words)
    away_from, _ = adapter._run(without, window, *noisy, with_it.condition.negative_words)
    led, _ = adapter._predict_clean(with_it, window, *noisy)
    assert np.allclose(led, away_from + 3.0 * (towards - away_from), atol=1e-4)
