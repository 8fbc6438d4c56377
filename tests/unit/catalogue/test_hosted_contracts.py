"""Hosted ids, served by a model that is here: the id's rules hold, and so do the model's."""

from __future__ import annotations

from typing import Any

import pytest
from catalogue_cases import BY_MINI, BY_OPEN, BY_PICTURES, SHORT_CARD, ask, notes

from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.contracts import HOSTED
from rushes.catalogue.lookup import Catalogue
from rushes.contract.media import FrameImage, Media
from rushes.errors import InvalidDuration, InvalidValue, MissingField, UnsupportedField

KLING_WITH_WORDS = ["kwaivgI/kling-2.1-master", "kwaivgI/kling-2.0-master", "kwaivgI/kling-1.6-standard"]
KLING_WITHOUT_WORDS = ["kwaivgI/kling-2.1-standard", "kwaivgI/kling-2.1-pro", "kwaivgI/kling-1.6-pro"]
FIRST = Media(frame_images=(FrameImage("https://example.com/a.png", "first"),))


def test_the_contracts_carry_the_ids_of_the_parameter_pages() -> None:
    assert set(HOSTED) == {
        "minimax/hailuo-02",
        "Wan-AI/wan2.7-t2v",
        "Wan-AI/wan2.7-i2v",
        "Wan-AI/wan2.7-r2v",
        "Wan-AI/wan2.7-videoedit",
        *KLING_WITH_WORDS,
        *KLING_WITHOUT_WORDS,
    }


@pytest.mark.parametrize(
    ("model", "size", "seconds", "fps"),
    [
        ("minimax/hailuo-02", (1366, 768), 6.0, 25),
        ("Wan-AI/wan2.7-t2v", (1920, 1080), 5.0, 30),
        ("kwaivgI/kling-2.1-master", (1920, 1080), 5.0, 24),
        ("kwaivgI/kling-2.0-master", (1280, 720), 5.0, 24),
    ],
)
def test_a_hosted_id_has_its_own_defaults(model: str, size: tuple[int, int], seconds: float, fps: int) -> None:
    made = ask(BY_MINI.find(model))
    assert ((made.width, made.height), made.seconds, made.fps) == (size, seconds, fps)


def test_what_the_pages_leave_to_the_model_comes_from_the_model_here() -> None:
    made = ask(BY_MINI.find("minimax/hailuo-02"))
    assert (made.steps, made.guidance_scale) == (CARD.rules.steps.default, CARD.rules.guidance_scale.default)
    assert made.revision == CARD.revision


@pytest.mark.parametrize(
    ("model", "fields", "field", "allowed"),
    [
        ("minimax/hailuo-02", {"fps": 24}, "fps", "25 only"),
        ("minimax/hailuo-02", {"prompt": "x" * 3_001}, "prompt", "2 to 3,000 characters"),
        ("minimax/hailuo-02", {"prompt": "x"}, "prompt", "2 to 3,000 characters"),
        ("minimax/hailuo-02", {"steps": 9}, "steps", "10 to 50"),
        ("minimax/hailuo-02", {"guidance_scale": -1}, "guidance_scale", "more than 0"),
        ("Wan-AI/wan2.7-t2v", {"fps": 24}, "fps", "30 only"),
        ("Wan-AI/wan2.7-t2v", {"prompt": "x" * 5_001}, "prompt", "1 to 5,000 characters"),
        ("Wan-AI/wan2.7-t2v", {"negative_prompt": "x" * 501}, "negative_prompt", "1 to 500 characters"),
        ("kwaivgI/kling-2.1-master", {"fps": 30}, "fps", "24 only"),
        ("kwaivgI/kling-2.1-master", {"prompt": "x" * 2_501}, "prompt", "2 to 2,500 characters"),
        ("kwaivgI/kling-1.6-standard", {"fps": 25}, "fps", "24 or 30"),
    ],
)
def test_a_hosted_id_keeps_its_own_limits(model: str, fields: dict[str, Any], field: str, allowed: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(BY_MINI.find(model), **fields)
    assert (refused.value.field, refused.value.allowed, refused.value.model) == (field, allowed, model)


@pytest.mark.parametrize(
    ("model", "seconds", "allowed"),
    [
        ("minimax/hailuo-02", 8.0, "6 or 10"),
        ("Wan-AI/wan2.7-t2v", 1.0, "2 to 15"),
        ("Wan-AI/wan2.7-t2v", 15.5, "2 to 15"),
        ("kwaivgI/kling-2.1-master", 6.0, "5 only"),
    ],
)
def test_a_length_the_hosted_id_does_not_make_is_refused_in_its_name(model: str, seconds: float, allowed: str) -> None:
    with pytest.raises(InvalidDuration) as refused:
        ask(BY_MINI.find(model), seconds=seconds)
    assert (refused.value.allowed, refused.value.model) == (allowed, model)


def test_a_length_the_hosted_id_makes_and_the_model_here_does_not_is_refused_in_the_models_name() -> None:
    with pytest.raises(InvalidDuration) as refused:
        ask(BY_MINI.find("Wan-AI/wan2.7-t2v"), seconds=15.0)
    assert (refused.value.allowed, refused.value.hint) == ("1 to 10", "ask for 10")
    assert refused.value.model == "rushes/mini, which serves Wan-AI/wan2.7-t2v here"


def test_a_default_the_model_here_cannot_make_is_refused_rather_than_changed() -> None:
    short = Catalogue([SHORT_CARD], {"all": SHORT_CARD.id})
    with pytest.raises(InvalidDuration) as refused:
        ask(short.find("minimax/hailuo-02"))
    assert (refused.value.given, refused.value.allowed) == ("6", "1 to 4")


def test_a_guidance_the_hosted_id_takes_is_still_held_to_the_models_ceiling() -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(BY_MINI.find("minimax/hailuo-02"), guidance_scale=31)
    assert str(refused.value.model).startswith("rushes/mini")


def test_hailuo_refuses_a_negative_prompt_and_does_not_list_it_as_defaulted() -> None:
    hailuo = BY_MINI.find("minimax/hailuo-02")
    with pytest.raises(UnsupportedField) as refused:
        ask(hailuo, negative_prompt="rain")
    assert (refused.value.field, refused.value.code) == ("negative_prompt", "unsupportedParameter")
    assert "negative_prompt" not in notes(ask(hailuo), "default")
    assert ask(hailuo, negative_prompt="").negative_prompt == ""


def test_wan_text_to_video_takes_sound_where_the_model_here_makes_it() -> None:
    assert ask(BY_OPEN.find("Wan-AI/wan2.7-t2v"), generate_audio=True).generate_audio
    with pytest.raises(UnsupportedField) as refused:
        ask(BY_PICTURES.find("Wan-AI/wan2.7-t2v"), generate_audio=True)
    assert "test/pictures" in refused.value.message


@pytest.mark.parametrize("model", KLING_WITHOUT_WORDS)
def test_these_kling_ids_take_keyframes_and_no_words(model: str) -> None:
    made = ask(BY_OPEN.find(model), prompt=None, media=FIRST)
    assert made.prompt == ""
    assert made.media.frame_images[0].frame == 0
    with pytest.raises(UnsupportedField) as refused:
        ask(BY_OPEN.find(model), media=FIRST)
    assert refused.value.field == "prompt"
    with pytest.raises(MissingField) as missing:
        ask(BY_OPEN.find(model), prompt=None)
    assert missing.value.field == "media.frame_images"


@pytest.mark.parametrize("model", KLING_WITH_WORDS)
def test_these_kling_ids_take_words_a_keyframe_or_both(model: str) -> None:
    offer = BY_OPEN.find(model)
    assert ask(offer).prompt
    assert ask(offer, media=FIRST).media.frame_images
    assert ask(offer, prompt=None, media=FIRST).prompt == ""
    with pytest.raises(MissingField) as refused:
        ask(offer, prompt=None)
    assert refused.value.allowed == "prompt or media.frame_images"


@pytest.mark.parametrize(
    ("model", "media"),
    [
        *((model, FIRST) for model in (*KLING_WITH_WORDS, *KLING_WITHOUT_WORDS, "minimax/hailuo-02")),
        ("Wan-AI/wan2.7-i2v", FIRST),
        ("Wan-AI/wan2.7-i2v", Media(frame_videos=("https://example.com/a.mp4",))),
        ("Wan-AI/wan2.7-videoedit", Media(source_video="https://example.com/a.mp4")),
    ],
)
def test_the_embedded_model_stands_in_for_every_id_that_starts_from_what_it_takes(model: str, media: Media) -> None:
    offer = BY_MINI.find(model)
    words = None if model in KLING_WITHOUT_WORDS else "a fox runs"
    made = ask(offer, prompt=words, media=media)
    assert offer.unmakeable is None
    assert made.media.given() == media.given()
    assert made.made_by == CARD.id


def test_an_id_that_starts_from_what_the_model_here_does_not_take_says_so_at_once() -> None:
    model = "Wan-AI/wan2.7-r2v"
    offer = BY_PICTURES.find(model)
    with pytest.raises(UnsupportedField) as refused:
        ask(offer)
    assert "test/pictures" in refused.value.message
    assert model in refused.value.message
    assert offer.unmakeable is not None


def test_words_that_a_hosted_id_needs_are_asked_for_before_what_its_stand_in_could_do_without() -> None:
    with pytest.raises(MissingField) as refused:
        ask(BY_MINI.find("Wan-AI/wan2.7-t2v"), prompt=None)
    assert (refused.value.field, refused.value.model) == ("prompt", "Wan-AI/wan2.7-t2v")
    assert "media" not in str(refused.value)
