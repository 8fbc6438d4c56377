"""A model that loads all of its parts at once, beside others: refused before a part is loaded where they cannot fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny_whole
from small_requests import small
from test_whole_equals_stock import of
from tiny_wan import TEXT
from tiny_whole import COGVIDEOX

from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.errors import OutOfMemory
from rushes.models.kept import least_bytes
from rushes.models.whole.adapter import WholeAdapter


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return of(tiny_whole.built(COGVIDEOX, tmp_path_factory.mktemp("whole") / "cog"))


def film(engine: Engine, card: Card, **asked: Any) -> Any:
    _, chunks = engine.generate(small(card, **{"steps": 2, **asked}), card, lambda progress: None)
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


def test_its_parts_take_what_their_headers_say(whole: Card) -> None:
    pipe = WholeAdapter(whole).pipe
    there = sum(tensor_bytes(pipe.components[name]) for name in ("text_encoder", "transformer", "vae"))
    assert 0.8 * there < least_bytes(whole) <= there, "of positions it makes tables, which are in no file"


def test_it_is_refused_with_the_numbers_before_a_part_is_loaded_and_the_next_job_of_another_model_is_made(
    tiny_card: Callable[..., Card], whole: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Card] = []
    made, init = tiny_card(TEXT), WholeAdapter.__init__

    def counted(self: WholeAdapter, card: Card) -> None:
        built.append(card)
        init(self, card)

    monkeypatch.setattr(WholeAdapter, "__init__", counted)
    kept = KeptParts(1 << 40)
    engine = Engine(residency=kept)
    alone = film(engine, made)
    kept._memory_bytes = least_bytes(whole) - 1  # another program has taken the rest
    with pytest.raises(OutOfMemory, match=r"parts of studio/penguins take .* and are loaded all at once; .* are there"):
        film(engine, whole)
    assert built == []
    kept._memory_bytes = 1 << 40
    assert np.array_equal(film(engine, made), alone)
    assert len(film(engine, whole)) > 1
    assert kept.keys == (), "what it found on the device has given way"
    assert np.array_equal(film(engine, made), alone), "and it gives way itself"
