"""A clip that another process goes on with ends in the same bytes, film and sound, from whichever step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from elsewhere import go_on_elsewhere, to_the_end
from small_requests import film, picture, small, sound
from tiny_ltx2 import DISTILLED, FIRST, SECOND

from rushes.catalogue.card import Card
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.state import Ltx2State

SOUND = sound(5, 0.5)
CLIPS = {
    FIRST: (NO_INPUTS, 2),
    SECOND: (Inputs(keyframes=((13, picture(1)),), lead_in_THWC=film(20, 5), sound=SOUND), 3),
    SECOND + DISTILLED: (NO_INPUTS, 8),
}


def ended(adapter: Ltx2Adapter, state: Ltx2State) -> Ltx2State:
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


@pytest.fixture(scope="module")
def adapter(tiny_card: Callable[..., Card]) -> Ltx2Adapter:
    return Ltx2Adapter(tiny_card(SECOND))


@pytest.fixture(scope="module")
def gone_on(tiny_card: Callable[..., Card], tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """By kind: the end of an undisturbed clip, and the states before each step, gone on with elsewhere."""
    clips, told = {}, []
    for number, (kind, (inputs, steps)) in enumerate(CLIPS.items()):
        place = tmp_path_factory.mktemp(f"states{number}")
        card = tiny_card(kind)
        adapter = Ltx2Adapter(card)
        state = adapter.prepare(adapter.encode(small(card, steps=steps, negative_prompt=None), inputs), 3)
        _, saved = clips[kind] = to_the_end(adapter, state, place)
        told.append((card, saved))
    go_on_elsewhere(told)
    return clips


@pytest.mark.parametrize("kind", CLIPS)
def test_a_fresh_process_goes_on_from_every_step_to_the_same_bytes(gone_on: dict[Any, Any], kind: str) -> None:
    end, saved = gone_on[kind]
    assert len(saved) == CLIPS[kind][1]
    for path in saved:
        assert path.with_suffix(".end").read_bytes() == end, f"from step {path.stem}"


def test_a_step_leaves_the_state_it_was_given_as_it_was(adapter: Ltx2Adapter) -> None:
    state = adapter.prepare(adapter.encode(small(adapter.describe()), CLIPS[SECOND][0]), 3)
    before = state.to_bytes()
    once, again = adapter.step(state, 0), adapter.step(state, 0)
    assert state.to_bytes() == before
    assert once.to_bytes() == again.to_bytes() != before


def test_two_clips_that_take_turns_end_as_each_alone(adapter: Ltx2Adapter) -> None:
    """The pipeline's scheduler, and its copy for the sound, hold one clip's step: shared by two, it would mix them."""
    card = adapter.describe()

    def begun(seed: int, steps: int) -> Ltx2State:
        return adapter.prepare(adapter.encode(small(card, steps=steps, guidance_scale=1)), seed)

    alone = [ended(adapter, begun(1, 3)), ended(adapter, begun(2, 2))]
    one, other = begun(1, 3), begun(2, 2)
    for index in range(2):
        one, other = adapter.step(one, index), adapter.step(other, index)
    one = adapter.step(one, 2)
    assert [one.to_bytes(), other.to_bytes()] == [state.to_bytes() for state in alone]


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"not a state at all, but long enough"])
def test_bytes_that_are_no_state_are_refused(adapter: Ltx2Adapter, damage: bytes) -> None:
    with pytest.raises(ValueError, match="no checkpoint of layout ltx2"):
        adapter.restore(damage)


def test_a_state_cut_short_is_refused(adapter: Ltx2Adapter) -> None:
    saved = adapter.prepare(adapter.encode(small(adapter.describe())), 3).to_bytes()
    with pytest.raises(ValueError, match="no checkpoint of layout ltx2"):
        adapter.restore(saved[: len(saved) // 2])


def test_a_longer_clip_begins_with_the_noise_of_a_shorter_one(adapter: Ltx2Adapter) -> None:
    card = adapter.describe()
    short, long = (adapter.prepare(adapter.encode(small(card, seconds=s)), 3) for s in (1.0, 2.0))
    assert torch.equal(long.latent_BNC[:, : short.latent_BNC.shape[1]], short.latent_BNC)
    assert torch.equal(long.sound_BNC[:, : short.sound_BNC.shape[1]], short.sound_BNC)


def test_the_noise_does_not_come_from_the_librarys_own_generator(adapter: Ltx2Adapter) -> None:
    """Whatever else in the process draws from it would move our clips."""
    condition = adapter.encode(small(adapter.describe(), steps=2, guidance_scale=1))
    before = torch.random.get_rng_state()
    torch.manual_seed(1)
    one = ended(adapter, adapter.prepare(condition, 3)).to_bytes()
    torch.manual_seed(2)
    assert ended(adapter, adapter.prepare(condition, 3)).to_bytes() == one
    torch.random.set_rng_state(before)
