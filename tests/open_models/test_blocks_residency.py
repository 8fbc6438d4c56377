"""Models that run block by block in the residency: parts loaded in their turn, given up and shared, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from blocks_cases import KINDS, card_of
from parts_in_memory import (
    ROOMY,
    Watched,
    given_up_between_any_two_verbs,
    made,
    parts_take_turns_and_no_bit_changes,
    what_cannot_fit_is_refused_and_the_next_is_made,
)
from small_requests import small
from step_by_step import ended, finished
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cards import hashes_of
from tiny_cosmos3 import COSMOS_3, OLD_NORM
from tiny_wan import TEXT

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.parts import How

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

NETWORKS = {
    HUNYUAN_1_5: ("text_encoder", "text_encoder_2", "transformer", "vae"),
    LTX: ("text_encoder", "transformer", "vae"),
    COSMOS_3: ("transformer", "vae", "sound_tokenizer"),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place = tmp_path_factory.mktemp("tiny")
    return cache(lambda kind: card_of(kind, place / kind))


def asked(card: Card, **more: Any) -> Any:
    return small(card, **{"steps": 2, "generate_audio": card.rules.generate_audio or None, **more})


def film(engine: Engine, card: Card, **more: Any) -> tuple[Any, Any]:
    return made(engine, card, asked(card, **more))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_loaded_before_it_works(tiny: Callable[[str], Card], kind: str) -> None:
    """The library's blocks ask networks for sizes, numbers and devices all along: that loads none of them."""
    residency = Watched()
    adapter = BlocksAdapter(tiny(kind), residency=residency)
    request = asked(tiny(kind))
    named = {key: name for name, key in adapter.networks.keys.items()}
    assert set(named.values()) == set(NETWORKS[kind])
    adapter.native(request)
    adapter.needs(request, How())
    assert residency.loaded == [], "to foretell takes no network"
    condition = adapter.encode(request)
    assert {named[key] for key in residency.loaded} <= {"text_encoder", "text_encoder_2"}
    state = adapter.prepare(condition, 7)
    assert {named[key] for key in residency.loaded} <= {"text_encoder", "text_encoder_2"}
    state = ended(adapter, state)
    assert [named[key] for key in residency.loaded][-1] == "transformer"
    list(adapter.decode(state))
    assert [named[key] for key in residency.loaded][-1] in {"vae", "sound_tokenizer"}


@pytest.mark.parametrize("kind", KINDS)
def test_under_a_budget_parts_take_turns_and_no_bit_changes(tiny: Callable[[str], Card], kind: str) -> None:
    card = tiny(kind)
    parts_take_turns_and_no_bit_changes(film, card, asked(card))


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_given_up_between_any_two_verbs_is_loaded_again_to_the_same_bytes(
    tiny: Callable[[str], Card], kind: str
) -> None:
    card = tiny(kind)
    whole, _ = film(Engine(residency=KeptParts(ROOMY)), card)
    kept = KeptParts(ROOMY)
    adapter = BlocksAdapter(card, residency=kept)
    assert np.array_equal(given_up_between_any_two_verbs(adapter, kept, asked(card)), whole)


def test_two_models_of_the_same_files_have_one_of_each_part(tiny: Callable[[str], Card], tmp_path: Path) -> None:
    """As `models add` hashes them: a second folder with the same bytes is the same part."""
    cards = [tiny(LTX), card_of(LTX, tmp_path / "again")]
    kept = KeptParts(1 << 40, lambda: hashes_of(*cards))
    one, other = (BlocksAdapter(card, residency=kept).networks for card in cards)
    for name in NETWORKS[LTX]:
        assert one.get(name) is other.get(name)
    assert BlocksAdapter(cards[0], dtype=torch.bfloat16, residency=kept).networks.get("vae") is not one.get("vae")


def test_another_models_clip_drives_its_parts_out_and_both_stay_what_they_are(
    tiny: Callable[[str], Card], tiny_card: Callable[..., Card]
) -> None:
    card, other = tiny(LTX), tiny_card(TEXT)
    engine = Engine(residency=KeptParts(1 << 40))
    alone = film(engine, card), film(engine, other)
    adapters: list[Any] = [engine.adapter(card), engine.adapter(other)]
    needed = [adapter.needs(asked(one), How()) for adapter, one in zip(adapters, (card, other), strict=True)]
    kept = KeptParts(int(max(each.size_bytes(apart=True) for each in needed) * 1.1))
    tight = Engine(residency=kept)
    for _ in range(2):
        assert all(map(np.array_equal, film(tight, card), alone[0]))
        assert set(kept.keys) <= set(adapters[0].networks.keys.values()) | set(adapters[1].parts.kept.keys.values())
        assert all(map(np.array_equal, film(tight, other), alone[1]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_that_cannot_fit_is_refused_with_the_numbers_and_the_next_is_made(
    tiny: Callable[[str], Card], kind: str
) -> None:
    card = tiny(kind)
    numbers = r"1280x720 and 3 seconds need about .* most of it for (steps|decoding)"
    larger = {"width": 1280, "height": 720, "seconds": 3}
    frames, _ = what_cannot_fit_is_refused_and_the_next_is_made(film, card, asked(card), numbers, **larger)
    assert frames.shape[1:] == (64, 64, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_visit_one_at_a_time_make_the_same_bytes(tiny: Callable[[str], Card], kind: str) -> None:
    """On a CPU they visit where they are; the hooks that bring and take them are the same."""
    card = tiny(kind)
    whole, _ = film(Engine(residency=KeptParts(1 << 40)), card)
    kept = KeptParts(1 << 40)
    adapter = BlocksAdapter(card, residency=kept)
    how = How(apart=True, blocks=True)
    adapter.accelerate(how, Dress(how))
    request = asked(card)
    frames, _ = finished(adapter, adapter.prepare(adapter.encode(request), request.seed))
    assert np.array_equal(frames, whole)
    assert f"{adapter.networks.keys['transformer']} by turns" in kept.keys
    assert adapter.networks.keys["transformer"] not in kept.keys, "the plain one is another part, and stays plain"
