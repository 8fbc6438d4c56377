"""Models that run block by block in the residency: parts loaded in their turn, given up and shared, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from blocks_cases import KINDS, card_of
from small_requests import small
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cosmos3 import COSMOS_3, OLD_NORM
from tiny_wan import TEXT

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.errors import OutOfMemory
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.parts import How, Unbounded
from rushes.weights.checkpoint import hashed, looked_at

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

NETWORKS = {
    HUNYUAN_1_5: ("text_encoder", "text_encoder_2", "transformer", "vae"),
    LTX: ("text_encoder", "transformer", "vae"),
    COSMOS_3: ("transformer", "vae", "sound_tokenizer"),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place, cards = tmp_path_factory.mktemp("tiny"), dict[str, Card]()

    def card(kind: str) -> Card:
        if kind not in cards:
            cards[kind] = card_of(kind, place / kind)
        return cards[kind]

    return card


def asked(card: Card, **more: Any) -> Any:
    return small(card, **{"steps": 2, "generate_audio": card.rules.generate_audio or None, **more})


def film(engine: Engine, card: Card, **more: Any) -> Any:
    _, chunks = engine.generate(asked(card, **more), card, lambda progress: None)
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


class Watched(Unbounded):
    """Writes down what is loaded, and when it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def part(self, key: str, size_bytes: int, load: Callable[[], Any], **how: Any) -> Any:
        if key not in self._parts:
            self.loaded.append(key)
        return super().part(key, size_bytes, load, **how)


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
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    assert [named[key] for key in residency.loaded][-1] == "transformer"
    list(adapter.decode(state))
    assert [named[key] for key in residency.loaded][-1] in {"vae", "sound_tokenizer"}


@pytest.mark.parametrize("kind", KINDS)
def test_under_a_budget_parts_take_turns_and_no_bit_changes(tiny: Callable[[str], Card], kind: str) -> None:
    card = tiny(kind)
    roomy = Engine(residency=KeptParts(1 << 40))
    whole = film(roomy, card)
    adapter: Any = roomy.adapter(card)
    needs = adapter.needs(asked(card), How())
    budget = (needs.size_bytes(apart=True) + needs.size_bytes(apart=False)) // 2
    tight = KeptParts(budget)
    engine = Engine(residency=tight)
    for _ in range(2):
        assert np.array_equal(film(engine, card), whole)
        assert tight.loaded_bytes < sum(adapter.networks.sizes.values()), "some had to give way"
    plan = engine.plan(card)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["apart"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_given_up_between_any_two_verbs_is_loaded_again_to_the_same_bytes(
    tiny: Callable[[str], Card], kind: str
) -> None:
    card = tiny(kind)
    whole = film(Engine(residency=KeptParts(1 << 40)), card)
    kept = KeptParts(1 << 40)
    adapter = BlocksAdapter(card, residency=kept)
    request = asked(card)
    condition = adapter.encode(request)
    kept.drop_all()
    state = adapter.prepare(condition, request.seed)
    while state.index < state.num_steps:
        kept.drop_all()
        state = adapter.step(state, state.index)
    kept.drop_all()
    assert np.array_equal(np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)]), whole)


def test_two_models_of_the_same_files_have_one_of_each_part(tiny: Callable[[str], Card], tmp_path: Path) -> None:
    """As `models add` hashes them: a second folder with the same bytes is the same part."""
    cards = [tiny(LTX), card_of(LTX, tmp_path / "again")]
    hashes: dict[Path, str] = {}
    for card in cards:
        assert card.weights is not None
        folder = Path(card.weights.folder or "")
        hashes |= {folder / file.name: file.sha256 for file in hashed(folder, looked_at(folder).files)}
    kept = KeptParts(1 << 40, lambda: hashes)
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
        assert np.array_equal(film(tight, card), alone[0])
        assert set(kept.keys) <= set(adapters[0].networks.keys.values()) | set(adapters[1].parts.kept.keys.values())
        assert np.array_equal(film(tight, other), alone[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_that_cannot_fit_is_refused_with_the_numbers_and_the_next_is_made(
    tiny: Callable[[str], Card], kind: str
) -> None:
    card = tiny(kind)
    adapter: Any = Engine().adapter(card)
    kept = KeptParts(adapter.needs(asked(card), How()).size_bytes(apart=False))
    engine = Engine(residency=kept)
    with pytest.raises(OutOfMemory, match=r"1280x720 and 3 seconds need about .* most of it for (steps|decoding)"):
        film(engine, card, width=1280, height=720, seconds=3)
    assert kept.keys == (), "nothing was loaded for it"
    assert film(engine, card).shape[1:] == (64, 64, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_that_visit_one_at_a_time_make_the_same_bytes(tiny: Callable[[str], Card], kind: str) -> None:
    """On a CPU they visit where they are; the hooks that bring and take them are the same."""
    card = tiny(kind)
    whole = film(Engine(residency=KeptParts(1 << 40)), card)
    kept = KeptParts(1 << 40)
    adapter = BlocksAdapter(card, residency=kept)
    how = How(apart=True, blocks=True)
    adapter.accelerate(how, Dress(how))
    request = asked(card)
    state = adapter.prepare(adapter.encode(request), request.seed)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    assert np.array_equal(np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)]), whole)
    assert f"{adapter.networks.keys['transformer']} by turns" in kept.keys
    assert adapter.networks.keys["transformer"] not in kept.keys, "the plain one is another part, and stays plain"
