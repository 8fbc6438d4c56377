"""What a person brings along, in the embedded model: which tokens are given, and what becomes of them."""

from __future__ import annotations

import numpy as np
import pytest
from mini_cases import asked, film_digest

from rushes.models.adapter import Inputs
from rushes.models.mini.adapter import MiniAdapter, MiniState
from rushes.models.mini.given import EDITED, FREE, laid_out
from rushes.models.mini.windows import windows

THREE_SECONDS = asked(seconds=3.0, steps=2, guidance_scale=2.0)  # 36 frames at 12 a second, six latent frames


def film(adapter: MiniAdapter, num_frames: int, seed: int = 0) -> np.ndarray:
    """Frames of the size that the model makes for `THREE_SECONDS`."""
    (rows, cols), side = adapter.config.grid(640, 360), adapter.config.spatial
    small = np.random.default_rng(seed).integers(0, 256, (num_frames, rows, cols, 3), dtype=np.uint8)
    return small.repeat(side, axis=1).repeat(side, axis=2)


def pictures(num_frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_frames, 8, 8, 3), dtype=np.uint8)


def made(adapter: MiniAdapter, inputs: Inputs, request=THREE_SECONDS) -> np.ndarray:
    return decoded(adapter, ended(adapter, adapter.prepare(adapter.encode(request, inputs), request.seed)))


def ended(adapter: MiniAdapter, state: MiniState) -> MiniState:
    for index in range(state.index, state.num_steps):
        state = adapter.step(state, index)
    return state


def decoded(adapter: MiniAdapter, state: MiniState) -> np.ndarray:
    return np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])


def folded(adapter: MiniAdapter, frames_FHWC: np.ndarray) -> np.ndarray:
    """Six frames as the autoencoder alone gives them back: the best that any keyframe can look."""
    latent = adapter._encoder.run(frames=np.ascontiguousarray(frames_FHWC[None]))
    return adapter._decoder.run(latent=latent)[0]


def test_a_film_from_words_alone_starts_as_noise_everywhere():
    given = laid_out(Inputs(), 15, 6)
    assert (given.levels, given.skipped, given.chunks, given.finished) == ((FREE,) * 3, 0, (), 0)


def test_a_keyframe_is_given_for_the_half_second_around_it():
    still = pictures(1)[0]
    given = laid_out(Inputs(keyframes=((14, still),)), 36, 6)
    assert given.levels == (FREE, FREE, 0.0, FREE, FREE, FREE)
    ((index, frames),) = given.chunks
    assert index == 2
    assert np.array_equal(frames, np.repeat(still[None], 6, axis=0))


def test_of_two_keyframes_in_one_half_second_each_frame_shows_the_nearer():
    first, second = pictures(2)
    given = laid_out(Inputs(keyframes=((5, second), (1, first))), 12, 6)
    ((_, frames),) = given.chunks
    assert [bool((frame == first).all()) for frame in frames] == [True, True, True, True, False, False]


@pytest.mark.parametrize("length", range(1, 30))
def test_a_clip_to_continue_ends_where_a_latent_frame_ends(length):
    clip = pictures(length)
    given = laid_out(Inputs(lead_in_THWC=clip), 36, 6)
    laid = np.concatenate([frames for _, frames in given.chunks])
    assert np.array_equal(laid[given.skipped :], clip)
    assert all((frame == clip[0]).all() for frame in laid[: given.skipped])
    assert 0 <= given.skipped < 6
    assert given.finished == len(given.chunks) == len(laid) // 6
    assert len(given.levels) * 6 >= given.skipped + 36


def test_a_clip_to_edit_is_half_given_and_what_it_lacks_is_free():
    given = laid_out(Inputs(source_THWC=pictures(16)), 36, 6)
    assert given.levels == (EDITED, EDITED, EDITED, FREE, FREE, FREE)
    assert given.finished == 0
    assert laid_out(Inputs(source_THWC=pictures(2)), 36, 6).levels[0] == EDITED
    assert laid_out(Inputs(source_THWC=pictures(99)), 9, 6).levels == (EDITED, EDITED)


def test_a_keyframe_in_a_clip_to_edit_is_given_whole():
    given = laid_out(Inputs(keyframes=((20, pictures(1)[0]),), source_THWC=pictures(36)), 36, 6)
    assert given.levels == (EDITED, EDITED, EDITED, 0.0, EDITED, EDITED)


@pytest.mark.parametrize("num_latents", range(1, 24))
@pytest.mark.parametrize("given", [0, 1, 2, 3, 7])
def test_windows_make_what_is_not_given_and_each_in_one(num_latents, given):
    if given > num_latents:
        with pytest.raises(ValueError, match="can be given"):
            windows(num_latents, 4, 1, given)
        return
    found = windows(num_latents, 4, 1, given)
    assert [frame for w in found for frame in range(w.made_from, w.stop)] == list(range(given, num_latents))
    assert all(0 <= w.start <= w.made_from and w.stop - w.start <= 4 for w in found)
    assert found[0].start == max(0, given - 2)


def test_keyframes_come_out_as_the_autoencoder_alone_gives_them_back(adapter):
    first, middle, last = film(adapter, 3)
    frames = made(adapter, Inputs(keyframes=((0, first), (13, middle), (35, last))))
    for frame, still in ((0, first), (13, middle), (35, last)):
        kept = folded(adapter, np.repeat(still[None], 6, axis=0))[frame % 6].astype(int)
        assert np.abs(frames[frame].astype(int) - kept).max() <= 1


def test_a_continued_clip_comes_first_and_what_follows_depends_on_it(adapter):
    clip = film(adapter, 15)
    padded = np.concatenate([np.repeat(clip[:1], 3, axis=0), clip])
    frames = made(adapter, Inputs(lead_in_THWC=clip))
    alone = np.concatenate([folded(adapter, padded[start : start + 6]) for start in (0, 6, 12)])[3:]
    assert len(frames) == 36
    assert np.abs(frames[:15].astype(int) - alone.astype(int)).max() <= 1
    assert not np.array_equal(frames[15:], made(adapter, Inputs(lead_in_THWC=255 - clip))[15:])


def test_a_clip_that_is_edited_keeps_more_of_itself_than_a_free_one_has_of_it(adapter):
    source = film(adapter, 36, seed=4)
    folded_source = np.concatenate([folded(adapter, source[start : start + 6]) for start in range(0, 36, 6)])

    def distance(frames: np.ndarray) -> float:
        return float(np.square(frames.astype(float) - folded_source).mean())

    edited, free = made(adapter, Inputs(source_THWC=source)), made(adapter, Inputs())
    assert distance(edited) < distance(free)
    assert not np.array_equal(edited, folded_source)


def test_what_was_given_survives_a_checkpoint_and_the_film_is_the_same(adapter, weights):
    inputs = Inputs(keyframes=((35, film(adapter, 1)[0]),), lead_in_THWC=film(adapter, 8))
    state = adapter.prepare(adapter.encode(THREE_SECONDS, inputs), 3)
    whole = film_digest(adapter, ended(adapter, state))
    elsewhere = MiniAdapter(weights)
    for _ in range(2):
        restored = elsewhere.restore(state.to_bytes())
        assert restored.condition == state.condition
        assert film_digest(elsewhere, ended(elsewhere, restored)) == whole
        state = adapter.step(state, state.index)


def test_pictures_fold_into_the_same_latents_on_any_number_of_threads(weights):
    digests = set()
    for threads in (1, 2, 3):
        adapter = MiniAdapter(weights, threads=threads)
        frames = film(adapter, 6)
        digests.add(adapter._encoded(frames).tobytes())
    assert len(digests) == 1


def test_a_film_that_is_given_whole_still_comes_to_its_end(adapter):
    request = asked(seconds=0.5, steps=2)
    still = film(adapter, 1)[0]
    state = adapter.prepare(adapter.encode(request, Inputs(keyframes=((0, still),))), 1)
    assert state.num_steps > 0
    assert len(decoded(adapter, ended(adapter, state))) == 6


def test_words_alone_do_not_load_the_encoder(weights):
    adapter = MiniAdapter(weights)
    adapter.prepare(adapter.encode(asked()), 1)
    assert "_encoder" not in vars(adapter)
