"""Advice: the parameter page's quick reference, said where it applies and not where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from catalogue_cases import BY_MINI, ask, notes

from rushes.catalogue.card import Advised
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.motion import speaks_of_motion
from rushes.contract.request import Note


def advice(**fields: Any) -> dict[str, Note]:
    return notes(ask(**fields), "advice")


def test_a_good_request_gets_no_advice() -> None:
    assert advice() == {}


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"guidance_scale": 12.5}, "guidance_scale", "oversaturate"),
        ({"guidance_scale": 10}, "guidance_scale", "strict"),
        ({"guidance_scale": 1.25}, "guidance_scale", "its own idea"),
        ({"steps": 10}, "steps", "preview"),
        ({"steps": 19}, "steps", "preview"),
        ({"steps": 50, "seconds": 10.0}, "steps", "time"),
        ({"output_quality": 45}, "output_quality", "compresses"),
        ({"output_quality": 5}, "output_quality", "large file"),
        ({"output_format": "webm"}, "output_format", "every player"),
        ({"fps": 60}, "fps", "smoother"),
        ({"negative_prompt": ""}, "negative_prompt", "excludes nothing"),
        ({"negative_prompt": "no rain"}, "negative_prompt", "opposite"),
        ({"prompt": "a castle at dawn"}, "prompt", "motion"),
        ({"prompt": "fox runs"}, "prompt", "short"),
        ({"prompt": "a fox runs. " * 100}, "prompt", "more than this model makes use of"),
        ({"width": 1280, "height": 720, "ratio": "16:9"}, "ratio", "two ways"),
    ],
)
def test_what_is_unwise_is_said_with_a_suggestion(fields: dict[str, Any], field: str, said: str) -> None:
    note = advice(**fields)[field]
    assert said in note.message
    assert note.suggestion


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"guidance_scale": 4.0}, "guidance_scale"),
        ({"steps": 20}, "steps"),
        ({"steps": 40}, "steps"),
        ({"output_quality": 20}, "output_quality"),
        ({"negative_prompt": "blurry, rain"}, "negative_prompt"),
        ({"fps": 30}, "fps"),
    ],
)
def test_what_is_wise_is_left_alone(fields: dict[str, Any], field: str) -> None:
    assert field not in advice(**fields)


def test_a_negative_prompt_that_is_the_prompt_is_pointed_out() -> None:
    said = advice(prompt="a fox runs left", negative_prompt="a fox runs left ")
    assert "same as the prompt" in said["negative_prompt"].message


def test_a_negative_prompt_without_guidance_is_pointed_out() -> None:
    made = ask(negative_prompt="rain", guidance_scale=1)
    assert any("the negative prompt pulls" in note.message for note in made.notes if note.field == "guidance_scale")


def test_a_first_negative_prompt_is_offered_where_none_was_given_the_pages_own_unless_the_model_has_one() -> None:
    rules = replace(CARD.rules, advised=replace(CARD.rules.advised or Advised(), negative_prompt="fog"))
    for advised, offered in ((rules, "fog"), (replace(rules, advised=None), "blurry, low quality")):
        made = ask(Catalogue([replace(CARD, rules=advised)]).find(CARD.id))
        assert offered in str(notes(made, "default")["negative_prompt"].suggestion)


def test_the_recommended_guidance_is_that_of_the_model_that_makes_the_video() -> None:
    advised = CARD.rules.advised
    assert advised is not None
    made = ask(BY_MINI.find("minimax/hailuo-02"), guidance_scale=advised.guidance_high + 1)
    assert f"{advised.guidance_low:g} to {advised.guidance_high:g}" in notes(made, "advice")["guidance_scale"].message


def test_advice_never_changes_a_value() -> None:
    made = ask(guidance_scale=29.5, steps=10, output_quality=51, fps=60)
    assert (made.guidance_scale, made.steps, made.output_quality, made.fps) == (29.5, 10, 51, 60)


@pytest.mark.parametrize(
    "prompt",
    [
        "a penguin waddles on the ice",
        "slow pan across a city",
        "a horse galloping through snow",
        "the camera tracks left past a castle",
        "a rocket took off, then it flies up",
        "a frog hopped over a log",
        "butterflies are flying in a meadow",
        "A boat, rocking gently",
    ],
)
def test_motion_is_found(prompt: str) -> None:
    assert speaks_of_motion(prompt) is True


@pytest.mark.parametrize("prompt", ["a penguin", "a fish on a rock in the rain", "red fox, beach, sunset", "a ring"])
def test_stillness_is_found(prompt: str) -> None:
    assert speaks_of_motion(prompt) is False


@pytest.mark.parametrize("prompt", ["一只企鹅在冰上", "пингвин на льду", "1234 !?", "🦊"])
def test_languages_it_cannot_read_are_not_judged(prompt: str) -> None:
    assert speaks_of_motion(prompt) is None
    assert "prompt" not in advice(prompt=prompt)
