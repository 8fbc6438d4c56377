"""Denoisers whose blocks visit the device: the host is asked first, and what a broken pass left comes home.

The device is the CPU by another name, as in `test_blocks_visit`, whose families these are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import published
import pytest
import torch
from diffusers.hooks.group_offloading import ModuleGroup
from test_blocks_visit import ACCELERATOR, CASES, Case, asked_of, made
from tiny_cards import each_of
from tiny_wan import TEXT

from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.engine import residency
from rushes.engine.residency import HOST_RESERVE_BYTES, KeptParts, NoHostRoom
from rushes.models.parts import INT8
from rushes.models.wan.adapter import WanAdapter

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "run-on-one-gpu.md"
GPU = torch.device("cuda")  # nothing is loaded there: headers are read


case, card = each_of(CASES)


def begun(case: Case, card: Card, kept: KeptParts) -> tuple[Any, Any]:
    """An adapter by turns, and the state before its first step."""
    adapter = case.adapter(card, device=ACCELERATOR, residency=kept)
    request = asked_of(adapter, case.how, card)
    return adapter, adapter.prepare(adapter.encode(request), request.seed)


def test_where_the_host_has_no_room_nothing_is_loaded_and_with_room_it_is(
    case: Case, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_bytes, loads, load = [1 << 40], list[Any](), case.kind.from_pretrained

    def watched(*given: Any, **how: Any) -> Any:
        loads.append(given)
        return load(*given, **how)

    monkeypatch.setattr(residency, "host_bytes", lambda: free_bytes[0])
    monkeypatch.setattr(case.kind, "from_pretrained", watched)
    adapter, state = begun(case, card, KeptParts(1 << 40))
    assert not loads
    free_bytes[0] = HOST_RESERVE_BYTES
    with pytest.raises(NoHostRoom) as full:
        adapter.step(state, 0)
    assert not loads
    free_bytes[0] = full.value.needed_bytes
    adapter.step(state, 0)
    assert loads
    held = sum(tensor.nbytes for tensor in case.denoiser(adapter).state_dict().values())
    assert full.value.needed_bytes - HOST_RESERVE_BYTES == held, "foretold by the headers of its files"


def test_for_a_gpu_what_is_pinned_counts_by_powers_of_two_beside_what_was_made_anew(
    tiny_card: Callable[..., Card],
) -> None:
    """The files are in float32: read as such they cost nothing, and in bfloat16 they are numbers of their own."""
    for dtype in (torch.float32, torch.bfloat16):
        kept = WanAdapter(tiny_card(TEXT), device=GPU, dtype=dtype).parts.kept
        plain, made = kept.sizes["transformer"], kept.host_bytes("transformer")
        pinned = kept.host_bytes("transformer", by_turns=True) - made
        assert plain <= pinned < 2 * plain
        assert kept.host_bytes("transformer", by_turns=True, matrices=INT8) != made + pinned
        if dtype is torch.float32:
            assert made == 0
        else:
            assert 0.5 * plain < made < 0.8 * plain, "what the library keeps in float32 is as the file has it"


def test_the_guide_says_what_published_ones_take_of_the_host(tmp_path: Path) -> None:
    guide, cards, took = " ".join(GUIDE.read_text("utf-8").split()), {card.id: card for card in OPEN}, []
    for id in ("wan2.1-t2v-14b", "wan2.1-t2v-1.3b"):
        kept = WanAdapter(
            cards[id].in_folder(published.built(id, tmp_path / id)), device=GPU, dtype=torch.bfloat16
        ).parts.kept
        took.append(f"{kept.host_bytes('transformer', by_turns=True) / 1e9:.0f} GB")
    assert f"{took[0]} for the 14 billion weights of a Wan in bfloat16, {took[1]} for 1.3 billion" in guide


def test_after_a_pass_that_broke_off_nothing_of_it_stays_on_the_device(
    case: Case, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, onload, offload = set[int](), ModuleGroup.onload_, ModuleGroup.offload_

    def goes(group: ModuleGroup) -> None:
        away.add(id(group))
        onload(group)

    def comes(group: ModuleGroup) -> None:
        away.discard(id(group))
        offload(group)

    monkeypatch.setattr(ModuleGroup, "onload_", goes)
    monkeypatch.setattr(ModuleGroup, "offload_", comes)
    kept = KeptParts(1 << 40)
    adapter, state = begun(case, card, kept)
    whole = made(adapter, case.how, card)
    assert not away

    def runs_out(*given: Any) -> None:
        raise torch.OutOfMemoryError

    row = next(module for module in case.denoiser(adapter).modules() if isinstance(module, torch.nn.ModuleList))
    broken = next(row[-1].children()).register_forward_pre_hook(runs_out)
    with pytest.raises(torch.OutOfMemoryError):
        adapter.step(state, 0)
    assert len(away) > 1, "a block, and what is no block"
    kept.bring_home()
    assert not away
    broken.remove()
    assert made(adapter, case.how, card) == whole
