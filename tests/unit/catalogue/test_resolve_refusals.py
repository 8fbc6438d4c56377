"""What is outside the limits is refused, with field, given, allowed, model and, where there is one, the way out."""

from __future__ import annotations

import math
from typing import Any

import pytest
from catalogue_cases import HUGE, OPEN_CARD, WORDS_ONLY_CARD, ask

from rushes.contract.media import Media
from rushes.errors import InvalidDuration, InvalidValue, MissingField, Refused, UnsupportedField


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("steps", 9, "10 to 50"),
        ("steps", 51, "10 to 50"),
        ("fps", 14, "15 to 60"),
        ("fps", 61, "15 to 60"),
        ("guidance_scale", 0, "more than 0, up to 30"),
        ("guidance_scale", -1.5, "more than 0, up to 30"),
        ("guidance_scale", 30.1, "more than 0, up to 30"),
        ("guidance_scale", math.nan, "more than 0, up to 30"),
        ("guidance_scale", math.inf, "more than 0, up to 30"),
        pytest.param("guidance_scale", HUGE, "more than 0, up to 30", id="huge guidance"),
        ("output_quality", -1, "0 to 51"),
        ("output_quality", 52, "0 to 51"),
        pytest.param("output_quality", -HUGE, "0 to 51", id="huge quality"),
        ("seed", 2**31, "0 to 2147483647"),
        pytest.param("seed", HUGE, "0 to 2147483647", id="huge seed"),
        ("output_format", "GIF", "MP4 or WEBM"),
        ("output_format", "", "MP4 or WEBM"),
    ],
)
def test_a_value_outside_its_limits_is_refused_with_the_limits(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(**{field: value})
    error = refused.value
    assert (error.field, error.allowed, error.model, error.status) == (field, allowed, "rushes/mini", 400)
    assert len(error.message) < 400


@pytest.mark.parametrize(("field", "ends"), [("steps", (10, 50)), ("fps", (15, 60)), ("output_quality", (0, 51))])
def test_both_ends_of_a_range_are_allowed(field: str, ends: tuple[int, int]) -> None:
    assert [getattr(ask(**{field: end}), field) for end in ends] == list(ends)


@pytest.mark.parametrize(
    "seconds", [0.0, 0.99, 10.01, -3.0, math.nan, math.inf, -math.inf, pytest.param(HUGE, id="huge")]
)
def test_a_length_outside_the_range_has_its_own_code(seconds: float) -> None:
    with pytest.raises(InvalidDuration) as refused:
        ask(seconds=seconds)
    assert (refused.value.code, refused.value.field, refused.value.allowed) == ("invalidDuration", "seconds", "1 to 10")


def test_too_long_a_clip_is_told_the_longest() -> None:
    with pytest.raises(InvalidDuration) as refused:
        ask(WORDS_ONLY_CARD.id, seconds=12.0)
    assert refused.value.hint == "ask for 10"


def test_where_clips_can_be_continued_too_long_a_clip_is_told_so() -> None:
    with pytest.raises(InvalidDuration) as refused:
        ask(OPEN_CARD.id, seconds=12.0)
    assert refused.value.hint == "ask for 10, or continue the clip with media.frame_videos"


def test_minus_one_is_no_seed_and_the_hint_says_how_to_get_a_random_one() -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(seed=-1)
    assert refused.value.hint == "leave seed out for a random one"


@pytest.mark.parametrize("guidance", [0.1, 6, 7.5, 13, 30])
def test_any_sensible_guidance_is_taken(guidance: float) -> None:
    assert ask(guidance_scale=guidance).guidance_scale == guidance


@pytest.mark.parametrize(("given", "kept"), [("mp4", "MP4"), ("WebM", "WEBM"), ("MP4", "MP4")])
def test_the_format_may_be_written_in_any_case(given: str, kept: str) -> None:
    assert ask(output_format=given).output_format == kept


def test_a_missing_prompt_is_a_missing_field() -> None:
    with pytest.raises(MissingField) as refused:
        ask(prompt=None)
    assert refused.value.field == "prompt"


@pytest.mark.parametrize(
    ("prompt", "given"),
    [
        ("", "nothing"),
        (" \n\t", "nothing but white space"),
        ("x" * 32_001, "32,001 characters"),
        ("a fox \ud83d", "half a surrogate pair at character 6"),
        ("a\x00b", "control character U+0000 at character 1"),
        ("\x1b[31mred", "control character U+001B at character 0"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused(prompt: str, given: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(prompt=prompt)
    assert (refused.value.field, refused.value.given) == ("prompt", given)


def test_a_prompt_of_32_000_characters_with_line_ends_and_any_script_is_taken() -> None:
    prompt = "a fox runs\r\n\té 狐 🦊\n".ljust(32_000, "x")
    assert ask(prompt=prompt).prompt == prompt


def test_a_negative_prompt_has_the_same_limits_but_may_be_empty() -> None:
    assert ask(negative_prompt="").negative_prompt == ""
    with pytest.raises(InvalidValue) as refused:
        ask(negative_prompt="x" * 32_001)
    assert refused.value.field == "negative_prompt"


def test_sound_is_refused_until_the_card_says_it_can() -> None:
    with pytest.raises(UnsupportedField) as refused:
        ask("test/pictures", generate_audio=True)
    assert (refused.value.field, refused.value.code) == ("generate_audio", "unsupportedParameter")
    assert ask(generate_audio=False).generate_audio is False
    assert ask(OPEN_CARD.id, generate_audio=True).generate_audio is True


@pytest.mark.parametrize(
    ("metadata", "given"),
    [
        ({"a": "\ud800"}, "half a surrogate pair"),
        ({"\udfff": 1}, "half a surrogate pair"),
        ({"a": [math.nan]}, "nan"),
        ({"a": "x" * 70_000}, "more than 65,536 characters"),
    ],
)
def test_metadata_that_no_row_or_reply_can_hold_is_refused(metadata: dict[str, Any], given: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(metadata=metadata)
    assert (refused.value.field, refused.value.given) == ("metadata", given)


def test_metadata_nested_a_thousand_deep_is_refused_and_breaks_nothing() -> None:
    deep: Any = "end"
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(InvalidValue):
        ask(metadata={"deep": deep})


@pytest.mark.parametrize(
    "media",
    [
        Media(reference_images=("https://example.com/a.png",) * 2),
        Media(reference_videos=("https://example.com/a.mp4",)),
        Media(audio_inputs=("https://example.com/a.wav",)),
    ],
)
def test_every_media_member_is_refused_by_its_path_until_the_card_says_it_can(media: Media) -> None:
    with pytest.raises(UnsupportedField) as refused:
        ask("test/pictures", media=media)
    assert refused.value.field == f"media.{media.given()[0]}"
    assert refused.value.code == "unsupportedParameter"


def test_every_refusal_is_one_the_client_can_cure() -> None:
    with pytest.raises(Refused) as refused:
        ask(steps=1)
    assert not refused.value.retryable
