"""Kandinsky 6 leaves steps out at `fast`: both streams at once, and what it remembers belongs to the clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_kandinsky6
from small_requests import picture, small
from step_by_step import (
    FROM_PICTURE,
    a_step_is_computed_where_either_stream_has_drifted,
    another_process_goes_on_to_the_same_bytes,
    ended,
    finished,
    first_frame,
)
from tiny_cards import published_card
from tiny_kandinsky6 import DISTILLED, KANDINSKY_6

from rushes.acceleration.dress import Dress
from rushes.acceleration.plan import planned
from rushes.catalogue.card import Card
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.parts import How

REUSING = How(reuse=0.5)  # eight times what a plan allows: weights by chance turn sooner than learned ones


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place = tmp_path_factory.mktemp("kandinsky")
    return cache(lambda kind: published_card(kind).in_folder(tiny_kandinsky6.built(place / kind, kind)))


@pytest.fixture
def adapter(cards: Callable[[str], Card]) -> KandinskyAdapter:
    return KandinskyAdapter(cards(KANDINSKY_6))


def begun(adapter: KandinskyAdapter, how: How, **asked: Any) -> Any:
    adapter.accelerate(how, Dress(how))
    request = small(adapter.describe(), media=FROM_PICTURE, **{"steps": 8, "generate_audio": True, **asked})
    return adapter.prepare(adapter.encode(request, first_frame(picture(1))), request.seed)


def passes_of(adapter: KandinskyAdapter) -> list[int]:
    """Grows by one with each pass."""
    passes: list[int] = []
    adapter.parts.transformer.register_forward_pre_hook(lambda *told: passes.append(1))
    return passes


def test_steps_are_left_out_and_film_and_sound_stay_near(adapter: KandinskyAdapter) -> None:
    exact, sound = finished(adapter, begun(adapter, How()))
    passes = passes_of(adapter)
    film, other_sound = finished(adapter, begun(adapter, REUSING))
    assert 2 * 3 <= len(passes) < 2 * 8
    off = float(np.abs(exact.astype(int) - film).mean())
    assert 0 < off < 12, "of 255 levels"
    assert 0 < float(np.abs(sound - other_sound).max()) < 0.5


def test_a_step_is_computed_where_either_stream_has_drifted(adapter: KandinskyAdapter) -> None:
    a_step_is_computed_where_either_stream_has_drifted(adapter, begun(adapter, REUSING))


def test_another_process_goes_on_to_the_same_bytes_though_nobody_told_it_of_a_plan(
    adapter: KandinskyAdapter, tmp_path: Path
) -> None:
    clip = begun(adapter, REUSING)
    passes = passes_of(adapter)
    (saved,) = another_process_goes_on_to_the_same_bytes([(adapter, clip)], tmp_path)
    assert len(saved) == 8
    assert len(passes) < 2 * 8


def test_without_reuse_nothing_is_remembered(adapter: KandinskyAdapter) -> None:
    assert not ended(adapter, begun(adapter, How(), steps=2)).computed


@pytest.mark.parametrize(("kind", "leaves_out"), [(KANDINSKY_6, True), (DISTILLED, False)])
def test_it_is_what_fast_does_but_for_a_distilled_one(
    cards: Callable[[str], Card], kind: str, leaves_out: bool
) -> None:
    plan = planned(cards(kind), "cpu", "fast")
    assert plan is not None
    assert (plan.how.reuse > 0) == leaves_out
