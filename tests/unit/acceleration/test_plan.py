"""A plan says what a model runs with and how near it stays to the plain computation."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rushes.acceleration.plan import ALLOWED, EXACT, LADDER, LOSSY, NEAR, planned
from rushes.catalogue.cards import CARDS, OPEN
from rushes.contract.request import QUALITIES

WAN = next(card for card in OPEN if card.id == "wan2.1-t2v-1.3b")


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_plan_does_nothing_that_the_quality_forbids_and_says_all_it_does(device: str, quality: str) -> None:
    plan = planned(WAN, device, quality)
    assert plan is not None
    assert {technique.exactness for technique in plan.techniques} <= set(ALLOWED[quality])
    for technique in plan.techniques:
        assert f"{technique.said} ({technique.exactness})" in plan.said()
    (note,) = plan.notes()
    assert (note.kind, note.field) == ("made", "plan")


def test_blocks_that_loras_change_are_not_compiled() -> None:
    """Each set of LoRAs is other code to a compiler: after eight of them torch fails the clip."""
    plain, changed = planned(WAN, "cuda", "high"), planned(WAN, "cuda", "high", changed=True)
    assert plain is not None and changed is not None
    assert (plain.how.compiled, changed.how.compiled) == (True, False)
    assert "compile" not in changed.said()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("card", OPEN, ids=lambda card: card.id)
def test_without_a_wish_every_plan_is_exact(card, device: str) -> None:
    plan = planned(card, device)
    assert plan is not None
    assert plan.exactness == EXACT
    assert plan.quality == "exact"


@pytest.mark.parametrize("card", OPEN, ids=lambda card: card.id)
def test_a_plan_says_how_its_own_family_works_and_not_how_another_does(card) -> None:
    plan = planned(card, "cpu")
    assert plan is not None and card.weights is not None
    assert [technique.said for technique in plan.techniques if technique.name == "family"] == list(card.weights.exactly)
    assert ("streamed" in plan.said()) == card.adapter.startswith("rushes.models.wan.")


@pytest.mark.parametrize(
    ("device", "quality", "exactness"),
    [("cpu", "high", NEAR), ("cuda", "high", NEAR), ("cpu", "fast", LOSSY), ("cuda", "fast", LOSSY)],
)
def test_what_is_offered_for_a_quality(device: str, quality: str, exactness: str) -> None:
    plan = planned(WAN, device, quality)
    assert plan is not None
    assert plan.exactness == exactness
    assert plan.how.compiled == (device == "cuda")  # on a CPU compiling costs more than it gains
    assert plan.how.together
    assert (plan.how.reuse > 0) == (quality == "fast")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("quality", QUALITIES)
def test_the_ladder_goes_down_in_its_order_and_ends(device: str, quality: str) -> None:
    plan = planned(WAN, device, quality)
    for stage in ("words", "steps", "decoding"):
        below = plan
        while (lower := below.lowered(stage)) is not None:
            below = lower
            assert below.techniques[-1] in below.tried
        assert list(below.tried) == [
            rung.technique
            for rung in LADDER
            if stage in rung.helps and device in rung.devices and rung.technique.exactness in ALLOWED[quality]
            if rung.instead is None or rung.instead in plan.techniques
        ]


def test_guidance_takes_two_passes_before_anything_else_gives_way() -> None:
    plan = planned(WAN, "cuda", "high")
    assert plan is not None
    assert plan.how.together and "one pass" in plan.said()
    below = plan.lowered("steps")
    assert below is not None
    assert [technique.name for technique in below.tried] == ["passes"]
    assert not below.how.together
    assert "one pass" not in below.said()
    exact = planned(WAN, "cuda")
    assert exact is not None
    assert not exact.how.together
    assert "two passes" in exact.said()
    assert exact.tried == ()


def test_a_plan_is_as_exact_as_its_least_exact_technique() -> None:
    plan = planned(WAN, "cuda", "fast")
    assert plan is not None
    assert replace(plan, techniques=plan.techniques[:1]).exactness == EXACT
    assert plan.exactness == LOSSY


def test_the_embedded_model_needs_none() -> None:
    assert planned(CARDS[0], "cpu") is None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("quality", QUALITIES)
def test_what_does_not_hold_for_a_family_is_neither_put_on_nor_tried(device: str, quality: str) -> None:
    assert WAN.weights is not None
    card = replace(WAN, weights=replace(WAN.weights, techniques=("apart", "tiles")))
    plan = planned(card, device, quality)
    assert plan is not None
    assert (plan.how.reuse, plan.how.compiled, plan.how.together) == (0.0, False, False)
    for stage in ("words", "steps", "decoding"):
        below = plan
        while (lower := below.lowered(stage)) is not None:
            below = lower
        tried = [technique.name for technique in below.tried]
        assert tried == (["apart", "tiles"] if (stage, quality) == ("decoding", "fast") else ["apart"])
