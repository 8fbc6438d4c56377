"""Pipelines called whole in the residency: refused where not one part fits, made with parts in turns where they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_whole
from parts_in_memory import ROOMY, made, parts_take_turns_and_no_bit_changes
from small_requests import small
from step_by_step import joined
from test_whole_equals_stock import of
from tiny_wan import TEXT
from tiny_whole import COGVIDEOX

from rushes.catalogue.card import Card
from rushes.contract.events import Progress
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.errors import OutOfMemory
from rushes.models.kept import least_bytes
from rushes.models.parts import How
from rushes.models.whole.adapter import WholeAdapter


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return of(tiny_whole.built(COGVIDEOX, tmp_path_factory.mktemp("whole") / "cog"))


def film(engine: Engine, card: Card) -> tuple[Any, Any]:
    return made(engine, card, small(card, steps=2))


def test_its_parts_take_what_their_headers_say(whole: Card) -> None:
    networks = WholeAdapter(whole).networks
    assert set(networks.sizes) == {"text_encoder", "transformer", "vae"}
    for name, size_bytes in networks.sizes.items():
        there = sum(weight.nbytes for weight in networks.get(name).parameters())
        assert size_bytes == pytest.approx(there, rel=0.02), name


def test_a_look_at_what_it_needs_loads_nothing_and_foretells_its_parts_alone(whole: Card) -> None:
    kept = KeptParts(ROOMY)
    adapter = WholeAdapter(whole, residency=kept)
    needs = adapter.needs(small(whole), How())
    assert kept.keys == ()
    assert [(stage.name, stage.activation_bytes) for stage in needs.stages] == [
        ("words", 0),
        ("steps", 0),
        ("decoding", 0),
    ]
    assert needs.size_bytes(apart=False) == sum(adapter.networks.sizes.values())


def test_it_is_refused_with_the_numbers_before_a_part_is_loaded_and_the_next_job_of_another_model_is_made(
    tiny_card: Callable[..., Card], whole: Card
) -> None:
    other = tiny_card(TEXT)
    kept = KeptParts(ROOMY)
    engine = Engine(residency=kept)
    alone = film(engine, other)
    adapter: Any = engine.adapter(whole)
    loads: list[str] = []
    kept.before_load = lambda: loads.append("loaded")
    kept._memory_bytes = max(adapter.networks.sizes.values()) - 1  # another program has taken the rest
    with pytest.raises(OutOfMemory, match=r"need about .* here, most of it for .*; .* are there; tried: parts of the"):
        film(engine, whole)
    assert loads == []
    kept._memory_bytes = ROOMY
    assert all(map(np.array_equal, film(engine, other), alone))
    assert len(film(engine, whole)[0]) > 1
    assert all(map(np.array_equal, film(engine, other), alone))


def test_where_its_parts_fit_one_at_a_time_they_give_way_to_each_other_and_no_bit_changes(whole: Card) -> None:
    parts_take_turns_and_no_bit_changes(film, whole, small(whole))


@pytest.mark.parametrize("at", [0, 1, 2], ids=["in the first step", "in the second", "in decoding"])
def test_where_memory_runs_out_in_its_call_the_call_is_made_again_one_rung_lower_to_the_same_bytes(
    whole: Card, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The call went with its memory, and its state with the call: what is left is to begin anew."""
    alone, _ = film(Engine(residency=KeptParts(ROOMY)), whole)
    engine = Engine(residency=KeptParts(ROOMY))
    adapter: Any = engine.adapter(whole)
    part, verb = ("transformer", "forward") if at < 2 else ("vae", "decode")
    passes: list[int] = []
    plain = getattr(type(adapter.networks.get(part)), verb)

    def runs_out_once(self: Any, *given: Any, **named: Any) -> Any:
        passes.append(1)
        if len(passes) == (at % 2) + 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return plain(self, *given, **named)

    monkeypatch.setattr(type(adapter.networks.get(part)), verb, runs_out_once)
    told: dict[int, int] = {}

    def watching(progress: Progress) -> None:
        if progress.stage == "denoising":
            told[progress.step] = len(passes)

    _, chunks = engine.generate(small(whole, steps=2), whole, watching)
    assert np.array_equal(joined(chunks)[0], alone)
    plan = engine.plan(whole)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["apart"]
    if at < 2:
        assert told == {0: 0, 1: 1 + (at == 0), 2: 3 + at}, "each step up to there a second time, and none ahead"
    assert len(passes) == (3 + at if at < 2 else 2)


def test_where_no_rung_is_left_the_job_fails_with_the_numbers_and_the_next_one_is_made(
    whole: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(residency=KeptParts(ROOMY))
    alone = film(engine, whole)
    adapter: Any = engine.adapter(whole)

    def runs_out(*given: Any, **named: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as small_machine:
        small_machine.setattr(type(adapter.networks.get("transformer")), "forward", runs_out)
        with pytest.raises(OutOfMemory, match=r"memory ran out in steps; tried: parts of the model loaded one at a"):
            film(engine, whole)
    assert all(map(np.array_equal, film(engine, whole), alone))


class Unkept:
    """An adapter as one begins it: it loads what it has at once, and keeps it."""

    built: list[str] = []  # noqa: RUF012 - of the class, to be read after none was made

    def __init__(self, card: Card) -> None:
        self.built.append(card.id)


def test_a_model_that_gives_up_no_part_is_refused_where_not_all_of_them_fit(whole: Card) -> None:
    card = replace(whole, adapter=f"{__name__}:Unkept")
    needed_bytes = least_bytes(card)
    with pytest.raises(OutOfMemory, match=r"parts of studio/penguins take .* and are loaded all at once; .* are there"):
        Engine(residency=KeptParts(needed_bytes - 1)).adapter(card)
    assert Unkept.built == []
    Engine(residency=KeptParts(needed_bytes)).adapter(card)
    assert Unkept.built == [card.id]
