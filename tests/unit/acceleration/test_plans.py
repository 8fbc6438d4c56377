"""A plan says what a model runs with and how near it stays to the plain computation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rushes.acceleration.plan import EXACT, LOSSY, NEAR, Technique, planned
from rushes.catalogue.cards import CARDS, OPEN


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("card", OPEN, ids=lambda card: card.id)
def test_every_open_model_has_an_exact_plan_that_says_all_it_does(card: object, device: str) -> None:
    plan = planned(card, device)  # type: ignore[arg-type]
    assert plan is not None
    assert plan.exactness == EXACT
    assert {technique.exactness for technique in plan.techniques} <= {EXACT, NEAR, LOSSY}
    for technique in plan.techniques:
        assert technique.said in plan.said()
    (note,) = plan.notes()
    assert (note.kind, note.field) == ("made", "plan")


def test_a_plan_is_as_exact_as_its_least_exact_technique() -> None:
    plan = planned(OPEN[0], "cuda")
    assert plan is not None
    near = replace(plan, techniques=(*plan.techniques, Technique("compile", NEAR, "blocks compiled")))
    lossy = replace(near, techniques=(Technique("cache", LOSSY, "steps left out"), *near.techniques))
    assert (near.exactness, lossy.exactness) == (NEAR, LOSSY)


def test_the_embedded_model_needs_none() -> None:
    assert planned(CARDS[0], "cpu") is None
