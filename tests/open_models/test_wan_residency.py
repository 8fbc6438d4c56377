"""Parts of models in memory: shared by what their files hold, and given up and loaded again without changing a bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_requests import small
from tiny_wan import EXPERTS, TEXT

from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.errors import OutOfMemory
from rushes.models.parts import How
from rushes.weights.checkpoint import hashed, looked_at


def film(engine: Engine, card: Card, **asked: Any) -> Any:
    _, chunks = engine.generate(small(card, steps=4, **asked), card, lambda progress: None)
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


def folder_of(card: Card) -> Path:
    assert card.weights is not None
    return Path(card.weights.folder or "")


def hashes_of(*cards: Card) -> dict[Path, str]:
    found = {}
    for card in cards:
        folder = folder_of(card)
        found |= {folder / file.name: file.sha256 for file in hashed(folder, looked_at(folder).files)}
    return found


def test_two_models_have_one_of_what_is_the_same_in_both(tiny_card: Callable[..., Card]) -> None:
    one, other = tiny_card(TEXT), tiny_card(EXPERTS)  # built alike, so that only the second expert is another
    kept = KeptParts(1 << 40, lambda: hashes_of(one, other))
    engine = Engine(residency=kept)
    adapters: list[Any] = [engine.adapter(card) for card in (one, other)]
    parts, others = (adapter.parts for adapter in adapters)
    assert parts.text_encoder is others.text_encoder
    assert parts.vae is others.vae
    assert parts.experts[0] is others.experts[0]
    assert others.experts[1] is not others.experts[0]
    assert len(kept.keys) == 4
    unshared = Engine(residency=KeptParts(1 << 40))  # nobody hashed the files: who knows what they hold
    adapters = [unshared.adapter(card) for card in (one, other)]
    assert adapters[0].parts.vae is not adapters[1].parts.vae


def test_under_a_budget_parts_take_turns_and_no_bit_changes(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    roomy = KeptParts(1 << 40)
    whole = film(Engine(residency=roomy), card)

    class Watched(KeptParts):
        most_bytes = 0
        loads = 0

        def part(self, key: str, size_bytes: int, load: Callable[[], Any], **how: Any) -> Any:
            def counted() -> Any:
                self.loads += 1
                return load()

            given = super().part(key, size_bytes, counted, **how)
            self.most_bytes = max(self.most_bytes, self.loaded_bytes)
            return given

    engine = Engine(residency=roomy)
    adapter: Any = engine.adapter(card)
    needs = adapter.needs(small(card, steps=4), How())
    apart_bytes = needs.size_bytes(apart=True)
    assert apart_bytes < needs.size_bytes(apart=False)
    tight = Watched(int(apart_bytes * 1.02))
    engine = Engine(residency=tight)
    for seed in (7, 7):
        assert np.array_equal(film(engine, card, seed=seed), whole)
    plan = engine.plan(card)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["apart"]
    assert plan.exactness == "exact"
    assert tight.most_bytes <= int(apart_bytes * 1.02)
    assert tight.loads >= 4


def test_a_clip_that_cannot_fit_is_refused_before_a_part_is_loaded_and_the_next_is_made(
    tiny_card: Callable[..., Card],
) -> None:
    card = tiny_card(TEXT)
    adapter: Any = Engine().adapter(card)
    enough = adapter.needs(small(card), How()).size_bytes(apart=False)
    kept = KeptParts(enough)
    engine = Engine(residency=kept)
    with pytest.raises(OutOfMemory, match=r"1280x720 and 5 seconds need about .* are there; tried: parts of the model"):
        film(engine, card, width=1280, height=720, seconds=5)
    assert kept.keys == ()
    assert film(engine, card).shape == (17, 64, 64, 3)


def test_the_plan_is_what_the_clip_was_made_by(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    engine = Engine()
    film(engine, card, quality="fast")
    fast = engine.plan(card)
    exact_film = film(engine, card)
    exact = engine.plan(card)
    assert fast is not None
    assert exact is not None
    assert (fast.exactness, exact.exactness) == ("lossy", "exact")
    assert np.array_equal(exact_film, film(Engine(), card)), "nothing of the fast one is left"
    assert torch.is_grad_enabled()


def test_whoever_watches_hears_of_every_part_that_is_loaded_so_that_it_is_not_taken_for_a_hang(
    tiny_card: Callable[..., Card],
) -> None:
    card, told = tiny_card(EXPERTS), []
    engine = Engine(residency=KeptParts(1 << 40))
    _, chunks = engine.generate(small(card, steps=4), card, told.append)
    list(chunks)
    stages = [progress.stage for progress in told]
    assert stages.count("loading") == 1 + 4
    assert stages[:3] == ["loading", "encoding", "loading"]
    assert [progress.fraction for progress in told] == sorted(progress.fraction for progress in told)
    _, chunks = engine.generate(small(card, steps=4), card, told.append)
    list(chunks)
    assert [progress.stage for progress in told].count("loading") == 1 + 4 + 1, "the second time all of it is there"
