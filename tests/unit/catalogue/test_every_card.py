"""What a card has to say before a model is offered by it: one table over all of them."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import pytest
from refined import refined

from rushes.catalogue.card import Card, Choice, Span, Weights
from rushes.catalogue.cards import CARDS, OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import VideoRequest
from rushes.errors import RushesError
from rushes.weights.licence import free

EVERY = {card.id: card for card in (*CARDS, *OPEN)}
DISTILLED = [id for id in EVERY if id.endswith(("-distilled", "-lightning"))]

# The checkpoints that are first-class here, and those that run block by block; `None` has no adapter yet.
FIRST_CLASS = {
    "Wan-AI/Wan2.1-VACE-1.3B-diffusers": "wan2.1-vace-1.3b",
    "Wan-AI/Wan2.1-VACE-14B-diffusers": "wan2.1-vace-14b",
    "Wan-AI/Wan2.2-TI2V-5B-Diffusers": "wan2.2-ti2v-5b",
    "Wan-AI/Wan2.2-T2V-A14B-Diffusers": "wan2.2-t2v-a14b",
    "Wan-AI/Wan2.2-I2V-A14B-Diffusers": "wan2.2-i2v-a14b",
    "Wan-AI/Wan2.1-FLF2V-14B-720P-diffusers": "wan2.1-flf2v-14b",
    "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": "wan2.1-t2v-1.3b",
    "Wan-AI/Wan2.1-T2V-14B-Diffusers": "wan2.1-t2v-14b",
    "diffusers/LTX-2.3-Diffusers": "ltx-2.3",
    "diffusers/LTX-2.3-Distilled-Diffusers": "ltx-2.3-distilled",
    "Lightricks/LTX-2.5-Diffusers": "ltx-2.5",
    "Wan-AI/Wan2.2-Animate-2-14B-Diffusers": "wan2.2-animate-2-14b",
    "Wan-AI/Wan2.2-Animate-2-14B-Distilled-Diffusers": "wan2.2-animate-2-14b-distilled",
    "kandinskylab/Kandinsky-6.0-Lite-5s-Diffusers": "kandinsky-6-lite",
    "kandinskylab/Kandinsky-6.0-Lite-distill-5s-Diffusers": "kandinsky-6-lite-distilled",
    "kandinskylab/Kandinsky-6.0-Pro-5s-Diffusers": "kandinsky-6-pro",
    "kandinskylab/Kandinsky-6.0-Pro-distill-5s-Diffusers": "kandinsky-6-pro-distilled",
    "nvidia/Cosmos3-Nano": "cosmos3-nano",
    "MiniMaxAI/MiniMax-H3": "minimax-h3",
}


@pytest.fixture(params=EVERY, ids=str)
def card(request: pytest.FixtureRequest) -> Card:
    return EVERY[request.param]


@pytest.fixture(params=[card.id for card in OPEN], ids=str)
def open_card(request: pytest.FixtureRequest) -> Card:
    return EVERY[request.param]


def weights(card: Card) -> Weights:
    assert card.weights is not None
    return card.weights


def default_of(card: Card, **changes: Any) -> Any:
    needed = card.rules.media.frame_images.needed
    given: dict[str, Any] = {"frame_images": tuple(FrameImage("x", place) for place in needed)}
    if "media.source_video" in card.rules.needs:
        given["source_video"] = "x"
    asked = VideoRequest(**{"model": card.id, "prompt": "A penguin waddles", "media": Media(**given), **changes})
    return resolve(asked, Catalogue([refined(card)]).find(card.id), lambda: 7)


def test_the_checkpoints_that_matter_have_a_card_each() -> None:
    assert {hub: EVERY[id].weights and weights(EVERY[id]).hub for hub, id in FIRST_CLASS.items()} == {
        hub: hub for hub in FIRST_CLASS
    }


def test_no_two_cards_have_one_id_or_one_place_on_the_hub() -> None:
    assert len(EVERY) == len(CARDS) + len(OPEN)
    places = [(weights(card).hub, weights(card).layout, weights(card).always_refined) for card in OPEN]
    assert len(set(places)) == len(places)


def test_a_card_says_what_it_is(card: Card) -> None:
    assert card.display_name and card.description.endswith((".", "!")) and card.revision
    assert 1_700_000_000 < card.created < 2_000_000_000, "Unix seconds"
    assert re.fullmatch(r"[a-z0-9][a-z0-9./-]*", card.id)
    assert find_spec(card.adapter.partition(":")[0].rpartition(".")[0]), "its adapter's room is there"


def test_weights_say_where_they_are_and_how_large(open_card: Card) -> None:
    said = weights(open_card)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", said.hub)
    assert 10**9 < said.size_bytes < 10**12
    assert said.counted != "", "None is an estimate"
    assert said.commit is None or re.fullmatch("[0-9a-f]{40}", said.commit)
    assert said.layout and said.folder is None
    assert find_spec(said.check.partition(":")[0])
    assert said.fps in (16, 24, 25)
    assert 832 * 480 <= said.max_area <= 1920 * 1088


def test_a_licence_that_is_not_free_says_what_it_excludes(open_card: Card) -> None:
    assert open_card.licence
    if not free(open_card.licence):  # and so has to be agreed to before it is added
        assert re.search(r"\((not valid in|restricts|asks for) .+\)", open_card.licence), open_card.licence


def test_every_number_has_a_default_within_what_is_allowed(card: Card) -> None:
    rules = card.rules
    for limit in (rules.seconds, rules.fps, rules.steps, rules.guidance_scale):
        assert isinstance(limit, Span | Choice)
        assert limit.default is not None and limit.holds(limit.default)
        assert isinstance(limit, Choice) or limit.high is not None


def test_a_default_video_is_one_that_the_card_takes(card: Card) -> None:
    request = default_of(card)
    assert request.num_frames == round(request.seconds * request.fps)
    assert (request.width, request.height) == (card.rules.sizes.default.width, card.rules.sizes.default.height)
    if card.weights is not None:
        assert request.width * request.height <= card.weights.max_area, "made at the size that it does well"
        assert request.fps == card.weights.fps, "at the rate that it was trained on"


@pytest.mark.parametrize("tier", ["720P", "1080P"])
def test_tiers_have_pixels(open_card: Card, tier: str) -> None:
    request = default_of(open_card, resolution=tier, ratio="16:9")
    assert (request.width, request.height) == {"720P": (1280, 720), "1080P": (1920, 1080)}[tier]


def test_advice_stays_within_the_limits(card: Card) -> None:
    advised = card.rules.advised
    if advised is not None and isinstance(card.rules.guidance_scale, Span):
        assert card.rules.guidance_scale.holds(advised.guidance_low)
        assert card.rules.guidance_scale.holds(advised.guidance_high)
        assert advised.guidance_high <= advised.guidance_too_much


def test_media_that_are_taken_have_a_limit(open_card: Card) -> None:
    for name in open_card.rules.media.taken():
        rule = open_card.rules.media.of(name)
        assert rule.max_bytes is not None, name
        assert "image" in name or rule.max_seconds is not None, name
    for path in open_card.rules.needs:
        assert open_card.rules.takes(path), path


@pytest.mark.parametrize("id", DISTILLED)
@pytest.mark.parametrize("change", [{"negative_prompt": "blurry"}, {"guidance_scale": 4.0}, {"steps": 30}])
def test_a_distilled_model_refuses_what_it_would_ignore(id: str, change: dict[str, Any]) -> None:
    with pytest.raises(RushesError) as refused:
        default_of(EVERY[id], **change)
    assert (refused.value.status, refused.value.field) == (400, *change)


def test_a_distilled_model_has_an_id_of_its_own_and_says_its_steps() -> None:
    assert len(DISTILLED) >= 3
    for id in DISTILLED:
        assert "fixed steps, without guidance or a negative prompt" in EVERY[id].description


def test_this_table_looks_at_every_field_of_a_card() -> None:
    """A field that comes is looked at here, or said to need no look."""
    unchecked = {"remarks", "stepwise", "rules", "weights"}
    looked = {"id", "display_name", "adapter", "revision", "licence", "description", "created"}
    assert {field.name for field in fields(Card)} == looked | unchecked


def test_how_long_a_sound_may_last_is_shown_to_both_ends(card: Card) -> None:
    """A rule that left it open would show nothing, and be refused by what this server opens at most."""
    rule = card.rules.media.audio_inputs
    if rule.max_items:
        assert rule.min_seconds is not None and rule.max_seconds is not None
