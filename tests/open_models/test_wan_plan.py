"""Each technique does what its label says: exact ones change no bit, near and lossy ones by a measured difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from small_requests import INPUTS, small
from tiny_wan import ANY, EXPERTS, FIRST_AND_LAST, FIRST_SEEN, TEXT, TEXT_OR_FIRST

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.contract.request import ResolvedRequest
from rushes.models.adapter import NO_INPUTS
from rushes.models.parts import INT8, How
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.film import decoded, decoded_in_tiles


def adapter_of(card: Card, how: How = How()) -> WanAdapter:  # noqa: B008 - frozen
    adapter = WanAdapter(card)
    adapter.accelerate(how, Dress(how))
    return adapter


def made(adapter: WanAdapter, request: ResolvedRequest) -> Any:
    state = adapter.prepare(adapter.encode(request), 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def psnr_db(one: Any, other: Any) -> float:
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def test_words_that_were_read_before_are_not_read_again_and_change_no_bit(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    adapter = adapter_of(card)
    fresh = adapter.encode(small(card))
    reads: list[int] = []
    adapter.parts.text_encoder.register_forward_pre_hook(lambda *told: reads.append(1))
    again = adapter.encode(small(card, seed=8))
    assert reads == []
    other = adapter.encode(small(card, prompt="A horse"))
    assert reads == [1]
    assert torch.equal(fresh.prompt_PW, again.prompt_PW)
    assert torch.equal(fresh.negative_PW, again.negative_PW)
    assert fresh.prompt_PW.shape != other.prompt_PW.shape or not torch.equal(fresh.prompt_PW, other.prompt_PW)


@pytest.mark.parametrize("kind", [TEXT, TEXT_OR_FIRST, FIRST_SEEN, FIRST_AND_LAST, ANY])
def test_guidance_in_one_pass_is_near_and_taken_off_again(tiny_card: Callable[..., Card], kind: str) -> None:
    card = tiny_card(kind)
    adapter = adapter_of(card)
    passes: list[int] = []
    adapter.parts.expert("transformer").register_forward_pre_hook(
        lambda network, given, named: passes.append(len(named["hidden_states"])), with_kwargs=True
    )

    def after_a_step(how: How, scale: float = 5.0) -> torch.Tensor:
        adapter.accelerate(how, Dress(how))
        condition = adapter.encode(small(card, steps=2, guidance_scale=scale), INPUTS.get(kind, NO_INPUTS))
        return adapter.step(adapter.prepare(condition, 7), 0).latent_BCTHW

    together = How(together=True)
    apart = after_a_step(How())
    difference = float((after_a_step(together) - apart).abs().max())
    assert 0 < difference < 1e-4, "if it is 0, one pass of two is exact here too: offer it"
    assert torch.equal(after_a_step(How()), apart)
    assert passes == [1, 1, 2, 1, 1]
    assert torch.equal(after_a_step(together, scale=1.0), after_a_step(How(), scale=1.0)), "no guidance, one prompt"


def test_nobody_goes_on_in_two_passes_with_what_was_begun_in_one(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    formats = {
        adapter_of(card, how).state_format() for how in (How(), How(together=True), How(pieces=8), How(matrices=INT8))
    }
    assert len(formats) == 4


@pytest.mark.parametrize("kind", [TEXT, EXPERTS])
def test_steps_that_take_the_velocity_before_leave_passes_out_and_stay_close(
    tiny_card: Callable[..., Card], kind: str
) -> None:
    card = tiny_card(kind)
    plain, reusing = adapter_of(card), adapter_of(card, How(reuse=0.2))
    request = small(card, steps=12)
    passes: list[int] = []
    for expert in reusing.parts.experts:
        expert.register_forward_pre_hook(lambda *told: passes.append(1))
    exact, lossy = made(plain, request), made(reusing, request)
    assert 2 * 3 <= len(passes) < 2 * 12
    films = [
        np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
        for adapter, state in ((plain, exact), (reusing, lossy))
    ]
    assert 20 < psnr_db(*films) < float("inf")  # weights by chance, and a drift three times what a plan allows


def test_what_is_reused_belongs_to_the_clip_and_is_saved_with_it(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    request = small(card, steps=8)
    whole = made(adapter_of(card, How(reuse=0.2)), request)
    one, other = adapter_of(card, How(reuse=0.2)), adapter_of(card, How(reuse=0.2))
    mine, theirs = (one.prepare(one.encode(request), seed) for seed in (7, 9))
    for index in range(8):
        mine, theirs = one.step(mine, index), one.step(theirs, index)  # two clips take turns
        mine = other.restore(mine.to_bytes())  # and one goes on elsewhere after each step
        one, other = other, one
        theirs = one.restore(theirs.to_bytes())
    assert torch.equal(mine.latent_BCTHW, whole.latent_BCTHW)


def test_without_reuse_nothing_is_remembered(tiny_card: Callable[..., Card]) -> None:
    assert made(adapter_of(tiny_card(TEXT)), small(tiny_card(TEXT))).computed is None


def test_blocks_that_visit_the_device_one_at_a_time_change_no_bit(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    plain = made(adapter_of(card), small(card))
    taking_turns = made(adapter_of(card, How(blocks=True)), small(card))
    assert torch.equal(plain.latent_BCTHW, taking_turns.latent_BCTHW)


def test_a_pass_in_pieces_is_near_and_makes_room(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    adapter = adapter_of(card)
    plain = made(adapter, small(card))
    adapter.accelerate(How(pieces=8), Dress(How(pieces=8)))
    pieces = made(adapter, small(card))
    assert (plain.latent_BCTHW - pieces.latent_BCTHW).abs().max() < 1e-4
    adapter.accelerate(How(), Dress(How()))
    assert torch.equal(made(adapter, small(card)).latent_BCTHW, plain.latent_BCTHW), "taken off again"


def test_decoding_by_tiles_is_lossy_and_hands_out_the_same_runs(tiny_card: Callable[..., Card]) -> None:
    adapter = adapter_of(tiny_card(TEXT))
    latent = torch.randn(1, 16, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    whole = list(decoded(latent, adapter.parts.vae))
    tiles = list(decoded_in_tiles(latent, adapter.parts.vae, 8))
    assert [len(run) for run in tiles] == [len(run) for run in whole] == [1, 4, 4]
    assert tiles[0].shape == whole[0].shape
    assert 20 < psnr_db(np.concatenate(whole), np.concatenate(tiles)) < float("inf")
    one = list(decoded_in_tiles(latent, adapter.parts.vae, 32))
    assert np.abs(np.concatenate(one).astype(int) - np.concatenate(whole)).max() <= 1, "one tile is the whole"


@pytest.mark.parametrize("scheduler", ["unipc", "euler"])
def test_a_look_at_a_clip_shows_where_it_is_heading(tiny_card: Callable[..., Card], scheduler: str) -> None:
    card = tiny_card(TEXT, scheduler)
    adapter = adapter_of(card)
    state = adapter.prepare(adapter.encode(small(card, steps=6)), 7)
    assert adapter.foreseen(state) is state
    looks = []
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
        looks.append(adapter.foreseen(state).latent_BCTHW)
    distance = [float((look - state.latent_BCTHW).abs().mean()) for look in looks]
    start = adapter.prepare(state.condition, 7).latent_BCTHW
    assert distance[0] < float((start - state.latent_BCTHW).abs().mean()), "nearer to the end than the noise is"
    assert distance[-1] < distance[0]
    assert torch.equal(adapter.foreseen(state).latent_BCTHW.isfinite().all(), torch.tensor(True))
