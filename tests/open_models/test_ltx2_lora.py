"""LoRAs on LTX-2: film and sound follow them, for one clip alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_requests import small
from tiny_lora import ORIGINAL, linears, registered, saved, tensors

from rushes.catalogue.card import Card
from rushes.contract.request import Lora
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.lora import networks, published
from rushes.models.parts import How
from rushes.weights.lora import read

KIND = "LTX-2.3"


def end(adapter: Ltx2Adapter, card: Card, *loras: Lora) -> Any:
    """The state behind the last step of a clip made with `loras`."""
    state: Any = adapter.prepare(adapter.encode(replace(small(card, steps=2), loras=loras)), 3)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def test_film_and_sound_follow_one_and_nothing_of_it_is_left(tiny_card: Callable[..., Card], tmp_path: Path) -> None:
    card = tiny_card(KIND)
    network = Ltx2Adapter(card).parts.transformer
    file = saved(tmp_path / "a.safetensors", tensors(network, {name: name for name in linears(network)}, size=0.1))
    card, lora = registered(card, "penguins", transformer=file)
    adapter = Ltx2Adapter(card)
    weights = {name: tensor.clone() for name, tensor in adapter.parts.transformer.state_dict().items()}
    before, with_it, after = (end(adapter, card, *loras) for loras in ((), (lora,), ()))
    assert torch.equal(before.latent_BNC, after.latent_BNC)
    assert torch.equal(before.sound_BNC, after.sound_BNC)
    assert not torch.equal(before.latent_BNC, with_it.latent_BNC)
    assert not torch.equal(before.sound_BNC, with_it.sound_BNC)
    now = adapter.parts.transformer.state_dict()
    assert list(now) == list(weights)
    assert all(torch.equal(now[name], tensor) for name, tensor in weights.items())
    begun: Any = adapter.prepare(adapter.encode(replace(small(card, steps=2), loras=(lora,))), 3)
    other = Ltx2Adapter(card)
    state: Any = other.restore(adapter.step(begun, 0).to_bytes())
    assert torch.equal(other.step(state, 1).latent_BNC, with_it.latent_BNC), "gone on with by what the state names"
    request = small(card, steps=2)
    plain, more = (adapter.needs(replace(request, loras=loras), How()).stages for loras in ((), (lora,)))
    grown = {one.name for one, other in zip(plain, more, strict=True) if other.size_bytes > one.size_bytes}
    assert grown == {"steps"}


@pytest.mark.parametrize("kind", ["LTX-2", "LTX-2.3"])
def test_the_makers_own_names_are_read_as_diffusers_reads_them(
    tiny_card: Callable[..., Card], tmp_path: Path, kind: str
) -> None:
    from diffusers.loaders import lora_conversion_utils as theirs

    adapter = Ltx2Adapter(tiny_card(kind))
    network = adapter.parts.transformer
    given = tensors(network, {name: published(name) for name in linears(network)}, ORIGINAL)
    file = saved(tmp_path / "original.safetensors", given)
    (changes,) = read(file, networks(adapter.layout.checkpoint.folder)).values()
    expected = theirs._convert_non_diffusers_ltx2_lora_to_diffusers(dict(given))
    assert sorted(change.layer for change in changes) == sorted(linears(network))
    for change in changes:
        for half, key in (("down", change.down), ("up", change.up)):
            assert torch.equal(expected[f"transformer.{change.layer}.lora_{half}.weight"], given[key]), change.layer
