"""Denoisers whose blocks visit the device one at a time: loaded elsewhere, counted by what visits, and gone afterwards.

The device is `ACCELERATOR`: the CPU by another name, so that what is brought there can be told from what is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import tiny_kandinsky6
import torch
from blocks_cases import card_of
from diffusers import (
    Kandinsky6Transformer3DModel,
    LTX2VideoTransformer3DModel,
    LTXVideoTransformer3DModel,
    WanTransformer3DModel,
)
from small_requests import small
from test_wan_eight_bits import bits_of
from tiny_blocks import LTX
from tiny_cards import each_of, published_card
from tiny_ltx2 import SECOND
from tiny_wan import TEXT

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.engine.residency import KeptParts
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.parts import INT8, How
from rushes.models.wan.adapter import WanAdapter

ACCELERATOR, HOST = torch.device("cpu", 0), torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A family by its card, what runs it, its denoiser's class, and how that is asked for."""

    card: Callable[..., Card]
    adapter: Any
    kind: Any
    denoiser: Callable[[Any], Any]
    how: How = How(apart=True, blocks=True)  # noqa: RUF009 - frozen


WAN = Case(
    lambda cards, path: cards(TEXT), WanAdapter, WanTransformer3DModel, lambda of: of.parts.expert("transformer")
)
LTX_2 = Case(
    lambda cards, path: cards(SECOND), Ltx2Adapter, LTX2VideoTransformer3DModel, lambda of: of.parts.transformer
)
CASES = {
    "wan": WAN,
    "wan in eight bits": replace(WAN, how=How(apart=True, matrices=INT8, blocks=True)),
    "ltx-2": LTX_2,
    "ltx-2 in eight bits": replace(LTX_2, how=How(apart=True, matrices=INT8, blocks=True)),
    "kandinsky 6": Case(
        lambda cards, path: published_card(tiny_kandinsky6.KANDINSKY_6).in_folder(tiny_kandinsky6.built(path)),
        KandinskyAdapter,
        Kandinsky6Transformer3DModel,
        lambda of: of.parts.transformer,
    ),
    "blocks": Case(
        lambda cards, path: card_of(LTX, path),
        BlocksAdapter,
        LTXVideoTransformer3DModel,
        lambda of: of.networks.get("transformer"),
    ),
}


case, card = each_of(CASES)


def asked_of(adapter: Any, how: How, card: Card) -> Any:
    adapter.accelerate(how, Dress(how))
    return small(card, steps=2)


def made(adapter: Any, how: How, card: Card) -> bytes:
    request = asked_of(adapter, how, card)
    state = adapter.prepare(adapter.encode(request), request.seed)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return bytes(state.to_bytes())


def visits(network: Any) -> set[tuple[torch.device, torch.device]]:
    """Between which devices parts of `network` go to and fro."""
    hooks = (module._diffusers_hook.get_hook("group_offloading") for module in network.modules() if hooked(module))
    return {(hook.group.offload_device, hook.group.onload_device) for hook in hooks if hook is not None}


def hooked(module: Any) -> bool:
    return hasattr(module, "_diffusers_hook")


def test_it_is_loaded_into_the_hosts_memory_and_counts_by_what_visits(
    case: Case, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ACCELERATOR != HOST
    brought: list[torch.device] = []
    to = case.kind.to

    def watched(network: Any, *given: Any, **more: Any) -> Any:
        brought.extend(where for where in given if isinstance(where, torch.device))
        return to(network, *given, **more)

    monkeypatch.setattr(case.kind, "to", watched)
    kept = KeptParts(1 << 40)
    adapter = case.adapter(card, device=ACCELERATOR, residency=kept)
    request = asked_of(adapter, case.how, card)
    state = adapter.prepare(adapter.encode(request), request.seed)
    before_bytes = kept.loaded_bytes
    adapter.step(state, 0)
    assert set(brought) == {HOST}, "all of it at once has no room elsewhere"
    assert visits(case.denoiser(adapter)) == {(HOST, ACCELERATOR)}
    steps = next(stage for stage in adapter.needs(request, case.how).stages if stage.name == "steps")
    assert kept.loaded_bytes - before_bytes == sum(steps.parts.values()), "as foretold"
    plain = next(s for s in adapter.needs(request, replace(case.how, blocks=False)).stages if s.name == "steps")
    assert sum(steps.parts.values()) <= sum(plain.parts.values())


def test_bytes_are_the_same_and_whoever_has_room_afterwards_has_the_plain_one(case: Case, card: Card) -> None:
    adapter = case.adapter(card, device=ACCELERATOR, residency=KeptParts(1 << 40))
    roomy = replace(case.how, blocks=False)
    whole = made(adapter, roomy, card)
    plain = case.denoiser(adapter)
    bits = bits_of(plain)
    assert made(adapter, case.how, card) == whole
    assert visits(case.denoiser(adapter)), "it did take turns"
    assert made(adapter, roomy, card) == whole
    assert case.denoiser(adapter) is plain
    assert not visits(plain)
    assert bits_of(plain) == bits


def test_blocks_are_compiled_around_their_visits(tiny_card: Callable[..., Card], traced: list[Any]) -> None:
    """The library brings and takes them in code that it forbids to compile."""
    card = tiny_card(TEXT)
    adapter = WanAdapter(card, device=ACCELERATOR)
    how = How(apart=True, blocks=True, compiled=True)
    ends = []
    for way in (How(), how):
        state = adapter.restore(made(adapter, way, card))
        ends.append(state.latent_BCTHW)
    assert traced
    assert visits(adapter.parts.expert("transformer"))
    assert (ends[0] - ends[1]).abs().max() < 1e-3
