"""What the embedded model promises, on random weights in miniature and on the real ones."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mini_cases import asked, film_digest, finished, states

from rushes.catalogue.cards.mini import CARD
from rushes.contract.artifact import Native
from rushes.errors import Unavailable
from rushes.models.mini.adapter import LED_ABOVE, MiniAdapter
from rushes.models.mini.windows import VIDEO


def long(adapter, steps=1):
    """A request for two latent frames more than the transformer sees at once: a window and a continuation."""
    return asked(seconds=seconds_of(adapter, adapter.config.window + 2), steps=steps)


def seconds_of(adapter, num_latents):
    return num_latents * adapter.config.frames_per_latent / adapter.config.fps


def test_the_card_names_the_class_that_describes_itself_by_it(adapter):
    module, _, name = CARD.adapter.partition(":")
    assert getattr(importlib.import_module(module), name) is MiniAdapter
    assert adapter.describe() is CARD


def test_the_same_seed_gives_the_same_film_on_any_number_of_threads(weights):
    films = set()
    for threads in (1, 2, 3):
        adapter = MiniAdapter(weights, threads=threads)
        films.add(film_digest(adapter, finished(adapter, asked())))
    assert len(films) == 1


def test_another_seed_gives_another_film(adapter):
    assert film_digest(adapter, finished(adapter, asked(seed=7))) != film_digest(
        adapter, finished(adapter, asked(seed=8))
    )


def test_other_words_give_another_film(adapter):
    assert not np.array_equal(
        finished(adapter, asked(prompt="a penguin")).latent_NPC, finished(adapter, asked(prompt="a horse")).latent_NPC
    )


def test_guidance_one_is_the_prompts_prediction_alone(adapter):
    # One step of one lands on the prediction.
    one_step = asked(steps=1, guidance_scale=1.0, negative_prompt="rain")
    state = adapter.prepare(adapter.encode(one_step), one_step.seed)
    count = state.latent_NPC.shape[0] * state.latent_NPC.shape[1]
    kinds = {"kind": np.full((1, count), VIDEO)} if adapter.config.kinds else {}
    clean = adapter._transformer.run(
        latent=state.latent_NPC.reshape(1, -1, adapter.config.channels),
        sigma=np.ones((1, count), dtype=np.float32),
        position=_positions(adapter, state),
        words=np.array([adapter.tokenizer.encode(one_step.prompt)], dtype=np.int64),
        **kinds,
    )
    assert np.allclose(adapter.step(state, 0).latent_NPC.reshape(clean.shape), clean, atol=1e-5)


def test_guidance_one_does_not_look_at_the_negative_prompt(adapter):
    alone = finished(adapter, asked(guidance_scale=1.0))
    beside_another = finished(adapter, asked(guidance_scale=1.0, negative_prompt="rain"))
    assert np.array_equal(alone.latent_NPC, beside_another.latent_NPC)


def test_guidance_leads_while_half_of_what_is_seen_is_noise_and_no_longer(adapter, monkeypatch):
    looks = []
    look = adapter._run

    def counted(state, window, sigma_N, heard_N, words):
        looks.append((sigma_N.max(), words))
        return look(state, window, sigma_N, heard_N, words)

    monkeypatch.setattr(adapter, "_run", counted)
    state = finished(adapter, asked(steps=6, guidance_scale=3.0, negative_prompt="rain"))
    sigmas = [np.float32(sigma) for sigma in state.condition.sigmas[:-1]]
    led = [sigma for sigma, words in looks if words == state.condition.negative_words]
    assert [sigma for sigma, words in looks if words == state.condition.words] == sigmas
    assert led == [sigma for sigma in sigmas if sigma >= LED_ABOVE]
    assert 0 < len(led) < len(sigmas)


def test_a_negative_prompt_changes_the_film(adapter):
    without, with_rain = asked(guidance_scale=4.0), asked(guidance_scale=4.0, negative_prompt="rain")
    assert film_digest(adapter, finished(adapter, without)) != film_digest(adapter, finished(adapter, with_rain))


def test_more_guidance_is_another_film(adapter):
    low, high = asked(guidance_scale=2.0), asked(guidance_scale=6.0)
    assert film_digest(adapter, finished(adapter, low)) != film_digest(adapter, finished(adapter, high))


def test_a_long_clip_takes_its_steps_in_every_window(adapter):
    state = adapter.prepare(adapter.encode(long(adapter, steps=3)), 7)
    assert len(state.condition.windows) == 2
    assert state.num_steps == 6


def test_a_continuation_leaves_what_it_continues_as_it_was_to_the_bit(adapter):
    before, *_, after = list(states(adapter, long(adapter)))[1:]  # after the first window, after the second
    first, second = before.condition.windows
    assert first.stop > second.start, "the second window looks at the end of the first"
    assert np.array_equal(after.latent_NPC[: first.stop], before.latent_NPC[: first.stop])
    assert not np.array_equal(after.latent_NPC[first.stop :], before.latent_NPC[first.stop :])


def test_a_longer_clip_begins_with_the_shorter_one_of_the_same_seed(adapter):
    one_window = asked(seconds=seconds_of(adapter, adapter.config.window), steps=1)
    shorter, longer = finished(adapter, one_window), finished(adapter, long(adapter))
    assert np.array_equal(longer.latent_NPC[: len(shorter.latent_NPC)], shorter.latent_NPC)


def test_a_continuation_depends_on_what_it_continues(adapter):
    *_, before, after = states(adapter, long(adapter))
    changed = before.latent_NPC.copy()
    changed[before.condition.windows[1].made_from - 1] += 0.5
    other = adapter.step(replace(before, latent_NPC=changed), before.index)
    made_from = before.condition.windows[1].made_from
    assert not np.array_equal(other.latent_NPC[made_from:], after.latent_NPC[made_from:])


def test_a_step_leaves_the_state_it_was_given_as_it_was(adapter):
    state = adapter.prepare(adapter.encode(asked()), 7)
    noise = state.latent_NPC.copy()
    adapter.step(state, 0)
    assert np.array_equal(state.latent_NPC, noise)
    assert state.index == 0


def test_a_clip_saved_after_any_step_ends_in_the_same_film(weights, adapter):
    request = asked(seconds=4.5, steps=2, negative_prompt="rain")
    *on_the_way, last = states(adapter, request)
    film = film_digest(adapter, last)
    another_process = MiniAdapter(weights)
    for saved in (state.to_bytes() for state in on_the_way):
        state = another_process.restore(saved)
        for index in range(state.index, state.num_steps):
            state = another_process.step(state, index)
        assert film_digest(another_process, state) == film


def test_a_checkpoint_holds_the_condition_too_and_no_code(adapter):
    state = finished(adapter, asked(steps=1))
    restored = adapter.restore(state.to_bytes())
    assert restored.condition == state.condition
    assert restored.index == state.index
    assert len(state.to_bytes()) < state.latent_NPC.nbytes + 10_000


def test_bytes_that_are_no_checkpoint_are_refused(adapter):
    with pytest.raises(ValueError, match="checkpoint"):
        adapter.restore(b"not an archive")


@pytest.mark.parametrize(
    ("width", "height", "grid"),
    [
        (1366, 768, (5, 9)),
        (768, 1366, (9, 5)),
        (512, 512, (7, 7)),
        (640, 480, (6, 8)),
        (480, 640, (8, 6)),
        (1920, 64, (5, 9)),
    ],
)
def test_the_grid_is_the_one_shaped_most_like_the_asked_size(adapter, width, height, grid):
    native = adapter.native(asked(width=width, height=height))
    rows, cols = grid
    assert (native.height, native.width) == (rows * adapter.config.spatial, cols * adapter.config.spatial)


@pytest.mark.parametrize(
    ("seconds", "num_frames", "num_latents"), [(0.01, 1, 1), (0.5, 6, 1), (1.0, 12, 2), (1.2, 15, 3), (2.5, 30, 5)]
)
def test_the_film_has_exactly_the_frames_that_cover_its_seconds(adapter, seconds, num_frames, num_latents):
    request = asked(seconds=seconds, steps=1)
    native = adapter.native(request)
    chunks = list(adapter.decode(finished(adapter, request)))
    assert len(chunks) == num_latents
    assert sum(len(chunk.frames_THWC) for chunk in chunks) == native.num_frames == num_frames
    assert native == Native(native.width, native.height, adapter.config.fps, num_frames)
    for chunk in chunks:
        assert chunk.frames_THWC.shape[1:] == (native.height, native.width, 3)
        assert chunk.frames_THWC.dtype == np.uint8
        assert chunk.audio is None


def test_decoding_yields_frames_before_the_whole_film_is_decoded(adapter):
    film = adapter.decode(finished(adapter, asked(seconds=1.0, steps=1)))
    assert len(next(film).frames_THWC) == adapter.config.frames_per_latent


def test_weights_that_are_not_there_are_named(tmp_path: Path):
    with pytest.raises(Unavailable, match=r"lacks the weights of rushes/mini: mini\.json was not found"):
        MiniAdapter(tmp_path)


def test_damaged_weights_are_named(tmp_path: Path):
    from tiny_mini import write_tiny_weights

    write_tiny_weights(tmp_path)
    (tmp_path / "decoder.onnx").write_bytes(b"scrambled")
    with pytest.raises(Unavailable, match=r"damaged: decoder\.onnx"):
        MiniAdapter(tmp_path)
    (tmp_path / "decoder.onnx").unlink()
    with pytest.raises(Unavailable, match=r"decoder\.onnx was not found"):
        MiniAdapter(tmp_path)
    (tmp_path / "mini.json").write_text('{"revision": "x"}')
    with pytest.raises(Unavailable, match=r"damaged: mini\.json"):
        MiniAdapter(tmp_path)


def _positions(adapter: MiniAdapter, state) -> np.ndarray:
    rows, cols = state.condition.rows, state.condition.cols
    tokens = [
        (latent * adapter.config.frames_per_latent / adapter.config.fps, row - (rows - 1) / 2, col - (cols - 1) / 2)
        for latent in range(len(state.latent_NPC))
        for row in range(rows)
        for col in range(cols)
    ]
    return np.array([tokens], dtype=np.float32)


def first_frames(adapter, state):
    return next(adapter.decode(state)).frames_THWC.astype(float)


def test_what_a_preview_shows_is_nearer_to_the_film_than_the_noisy_state_is(adapter):
    between = list(states(adapter, asked(steps=8)))
    film = first_frames(adapter, between[-1])
    for state in between[2:-1]:  # after one step of eight who is where may still change
        shown = np.abs(first_frames(adapter, adapter.foreseen(state)) - film).mean()
        noisy = np.abs(first_frames(adapter, state) - film).mean()
        assert shown < noisy, f"after step {state.index}"
    assert np.array_equal(first_frames(adapter, adapter.foreseen(between[-1])), film)


def test_a_state_that_was_kept_shows_itself_until_a_step_is_taken_here(adapter):
    state = list(states(adapter, asked(steps=4)))[2]
    restored = adapter.restore(state.to_bytes())
    assert adapter.foreseen(restored) is restored
    assert np.array_equal(
        adapter.foreseen(adapter.step(restored, 2)).latent_NPC, adapter.foreseen(adapter.step(state, 2)).latent_NPC
    )
