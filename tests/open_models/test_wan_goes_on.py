"""A clip that another process goes on with ends in the same bytes, from whichever step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from elsewhere import go_on_elsewhere, to_the_end
from small_requests import INPUTS, small
from tiny_wan import ANY, EXPERTS, TEXT_OR_FIRST

from rushes.catalogue.card import Card
from rushes.models.adapter import NO_INPUTS
from rushes.models.wan.adapter import WanAdapter

CLIPS = [(kind, scheduler) for kind in (EXPERTS, TEXT_OR_FIRST, ANY) for scheduler in ("unipc", "euler")]


@pytest.fixture(scope="module")
def gone_on(tiny_card: Callable[..., Card], tmp_path_factory: pytest.TempPathFactory) -> dict[Any, Any]:
    """By kind and scheduler: the end of an undisturbed clip, and the states before its steps, gone on with."""
    clips, told = {}, []
    for number, (kind, scheduler) in enumerate(CLIPS):
        place = tmp_path_factory.mktemp(f"states{number}")
        card = tiny_card(kind, scheduler)
        adapter = WanAdapter(card)
        state = adapter.prepare(adapter.encode(small(card, steps=5), INPUTS.get(kind, NO_INPUTS)), 3)
        _, saved = clips[kind, scheduler] = to_the_end(adapter, state, place)
        told.append((card, saved))
    go_on_elsewhere(told)
    return clips


@pytest.mark.parametrize(("kind", "scheduler"), CLIPS)
def test_a_fresh_process_goes_on_from_every_step_to_the_same_bytes(
    gone_on: dict[Any, Any], kind: str, scheduler: str
) -> None:
    end, saved = gone_on[kind, scheduler]
    assert len(saved) == 5
    for path in saved:
        assert path.with_suffix(".end").read_bytes() == end, f"from step {path.stem}"


def test_a_step_leaves_the_state_it_was_given_as_it_was(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)
    state = adapter.prepare(adapter.encode(small(card)), 3)
    for index in range(2):
        state = adapter.step(state, index)
    before = state.to_bytes()
    once, again = adapter.step(state, 2), adapter.step(state, 2)
    assert state.to_bytes() == before
    assert once.to_bytes() == again.to_bytes()


def test_two_clips_that_take_turns_end_as_each_alone(tiny_card: Callable[..., Card]) -> None:
    """The library's scheduler holds one clip's history: shared by two, it would mix them without a word."""
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)

    def begun(seed: int, steps: int) -> Any:
        return adapter.prepare(adapter.encode(small(card, steps=steps)), seed)

    alone = []
    for seed, steps in ((1, 4), (2, 3)):
        state: Any = begun(seed, steps)
        while state.index < state.num_steps:
            state = adapter.step(state, state.index)
        alone.append(state.latent_BCTHW)
    one, other = begun(1, 4), begun(2, 3)
    for index in range(3):
        one, other = adapter.step(one, index), adapter.step(other, index)
    one = adapter.step(one, 3)
    assert torch.equal(one.latent_BCTHW, alone[0])
    assert torch.equal(other.latent_BCTHW, alone[1])


@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, b"not a state at all, but long enough"])
def test_bytes_that_are_no_state_are_refused(tiny_card: Callable[..., Card], damage: bytes) -> None:
    with pytest.raises(ValueError, match="no checkpoint of layout wan"):
        WanAdapter(tiny_card(EXPERTS)).restore(damage)


def test_a_state_cut_short_is_refused(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)
    saved = adapter.prepare(adapter.encode(small(card)), 3).to_bytes()
    with pytest.raises(ValueError, match="no checkpoint of layout wan"):
        adapter.restore(saved[: len(saved) // 2])


def test_a_longer_clip_begins_with_the_noise_of_a_shorter_one(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)
    short, long = (adapter.prepare(adapter.encode(small(card, seconds=s)), 3).latent_BCTHW for s in (1.0, 2.0))
    assert torch.equal(long[:, :, : short.shape[2]], short)
