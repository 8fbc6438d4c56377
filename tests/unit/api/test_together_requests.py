"""Every field of Together's body, in every spelling its clients use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rushes.api.together import FIELDS, parse_request
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import VideoRequest
from rushes.errors import InvalidValue, MissingField, Refused, UnknownField, UnsupportedField

URL = "https://example.org/cat.png"
DATA = "data:image/png;base64,iVBORw0KGgo="
BARE = "iVBORw0KGgo="


def asked(strict: bool = False, **fields: Any) -> VideoRequest:
    return parse_request(json.dumps({"model": "rushes/mini", **fields}).encode(), strict=strict)


def refusal(strict: bool = False, **fields: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        asked(strict, **fields)
    return refused.value


def test_a_full_body_becomes_the_request_it_spells() -> None:
    request = asked(
        prompt="a fox runs",
        negative_prompt="blur",
        width=1280,
        height=720,
        resolution="720p",
        ratio="16:9",
        seconds="2.5",
        fps=24,
        steps=20,
        guidance_scale=7.5,
        seed=7,
        output_format="webm",
        output_quality=30,
        generate_audio=False,
        metadata={"order": 5},
    )
    assert request == VideoRequest(
        model="rushes/mini",
        prompt="a fox runs",
        negative_prompt="blur",
        width=1280,
        height=720,
        resolution="720P",
        ratio="16:9",
        seconds=2.5,
        fps=24,
        steps=20,
        guidance_scale=7.5,
        seed=7,
        output_format="WEBM",
        output_quality=30,
        generate_audio=False,
        metadata={"order": 5},
    )


def test_null_is_absent_on_every_field() -> None:
    names = [field.name for field in FIELDS if field.name != "model"]
    others = ["media", "settings", "metadata", "frame_images", "reference_images"]
    assert asked(**dict.fromkeys([*names, *others])) == VideoRequest(model="rushes/mini")


def test_null_is_absent_inside_media_too() -> None:
    members = ["frame_images", "frame_videos", "reference_images", "reference_videos", "source_video", "audio_inputs"]
    assert asked(media=dict.fromkeys(members)).media == Media()
    assert asked(media={"frame_images": [{"input_image": URL, "frame": None}]}).media.frame_images == (FrameImage(URL),)


@pytest.mark.parametrize("body", [{}, {"model": None}])
def test_a_body_without_a_model_is_told_which_field_is_missing(body: dict[str, Any]) -> None:
    with pytest.raises(MissingField) as refused:
        parse_request(json.dumps(body).encode())
    assert (refused.value.field, refused.value.code) == ("model", "missing_required_parameter")


@pytest.mark.parametrize(
    ("given", "seconds"), [("5", 5.0), (5, 5.0), (2.5, 2.5), ("2.5", 2.5), ("0", 0.0), (-3, -3.0), (99, 99.0)]
)
def test_seconds_come_as_text_or_number_and_their_range_is_the_cards_business(given: Any, seconds: float) -> None:
    assert asked(seconds=given).seconds == seconds


@pytest.mark.parametrize("given", ["abc", "", " 5", "5s", "1e1", "٥", "5\n", "--5", True, [5], {}, 10**30])
def test_seconds_that_are_no_number_are_refused(given: Any) -> None:
    error = refusal(seconds=given)
    assert (error.field, error.code) == ("seconds", "invalid_value")
    assert "2.5" in (error.allowed or "")


@pytest.mark.parametrize("field", ["width", "height", "fps", "steps", "seed", "output_quality"])
@pytest.mark.parametrize("given", [True, False, "10", 10.5, [10], {"n": 10}, 10**12, -(10**30)])
def test_whole_numbers_are_whole_and_neither_text_nor_truth(field: str, given: Any) -> None:
    error = refusal(**{field: given})
    assert error.field == field
    assert "an integer" in (error.allowed or "")
    assert "bits" not in (error.allowed or "")


@pytest.mark.parametrize("given", [-(10**12), 10**12])
def test_a_whole_number_beyond_every_model_is_told_both_ends(given: int) -> None:
    assert refusal(width=given).allowed == "an integer from 1 to 2147483647"


@pytest.mark.parametrize("field", ["width", "fps", "seed"])
def test_a_whole_number_with_a_decimal_point_is_still_whole(field: str) -> None:
    value = getattr(asked(**{field: 24.0}), field)
    assert value == 24 and isinstance(value, int)


@pytest.mark.parametrize(
    ("field", "given"), [("seed", -1), ("seed", 2**31), ("output_quality", -1), ("output_quality", 52)]
)
def test_ranges_that_hold_for_every_model_hold_at_the_door(field: str, given: int) -> None:
    assert refusal(**{field: given}).field == field


@pytest.mark.parametrize("given", [6, 7.5, 13, 0.1])
def test_guidance_is_any_number(given: float) -> None:
    assert asked(guidance_scale=given).guidance_scale == given


@pytest.mark.parametrize("given", ["x", "7", True, [7], 10**40])
def test_guidance_that_is_no_number_is_refused(given: Any) -> None:
    assert refusal(guidance_scale=given).field == "guidance_scale"


@pytest.mark.parametrize("given", [0, 1, "true", "false", []])
def test_generate_audio_is_true_or_false_and_nothing_like_it(given: Any) -> None:
    assert refusal(generate_audio=given).field == "generate_audio"


@pytest.mark.parametrize("field", ["model", "prompt", "negative_prompt", "resolution", "ratio", "output_format"])
@pytest.mark.parametrize("given", [5, True, ["text"], {"text": "x"}])
def test_text_is_text(field: str, given: Any) -> None:
    assert refusal(**{field: given}).field == field


def test_a_prompt_has_up_to_32000_characters() -> None:
    assert len(asked(prompt="狐" * 32_000).prompt or "") == 32_000
    error = refusal(prompt="x" * 32_001)
    assert (error.field, error.given) == ("prompt", "32,001 characters")
    assert error.allowed == "a string of 1 to 32,000 characters"


def test_an_empty_prompt_is_refused_and_an_empty_negative_prompt_is_none() -> None:
    assert refusal(prompt="").field == "prompt"
    assert asked(negative_prompt="").negative_prompt is None


def test_windows_line_ends_are_line_ends() -> None:
    assert asked(prompt="one\r\ntwo").prompt == "one\ntwo"


def test_keys_nobody_knows_are_listed_in_the_warnings() -> None:
    request = asked(foo=1, size="1x1", settings={"audio": None, "speed": 2})
    assert request.warnings == (
        "settings.speed: not a field of this API; ignored",
        "foo: not a field of this API; ignored",
        "size: not a field of this API; ignored",
    )


def test_a_thousand_unknown_keys_are_counted_not_listed() -> None:
    warnings = asked(**{f"k{n}": n for n in range(1000)}).warnings
    assert len(warnings) == 21
    assert warnings[-1] == "980 more unknown fields were ignored"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"foo": 1}, "foo"),
        ({"settings": {"speed": 1}}, "settings.speed"),
        ({"media": {"frame_images": [{"input_image": URL, "weight": 1}]}}, "media.frame_images[0].weight"),
    ],
)
def test_strict_refuses_unknown_keys(fields: dict[str, Any], path: str) -> None:
    error = refusal(strict=True, **fields)
    assert isinstance(error, UnknownField)
    assert error.field == path


def test_strict_takes_deprecated_spellings_all_the_same() -> None:
    assert asked(strict=True, frame_images=[URL]).media.frame_images == (FrameImage(URL),)


def test_settings_audio_is_another_spelling_of_generate_audio() -> None:
    assert asked(settings={"audio": True}).generate_audio is True
    assert asked(settings={"audio": False}, generate_audio=False).generate_audio is False
    assert asked(settings={}).generate_audio is None
    error = refusal(settings={"audio": True}, generate_audio=False)
    assert error.field == "settings.audio" and "generate_audio is false" in error.message
    assert refusal(settings={"audio": 1}).field == "settings.audio"
    assert refusal(settings=[1]).field == "settings"


def test_metadata_is_any_object() -> None:
    assert asked(metadata={"a": [1, {"b": None}]}).metadata == {"a": [1, {"b": None}]}
    assert refusal(metadata="text").field == "metadata"


@pytest.mark.parametrize("source", [URL, "HTTP://EXAMPLE.ORG:8080/a?b=c", DATA, "data:image/png;base64," + BARE, BARE])
def test_a_source_is_a_url_a_data_url_or_bare_base64(source: str) -> None:
    assert asked(media={"reference_images": [source]}).media.reference_images == (source,)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "cat.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/cat.png",
        "http://",
        "http://[::1",
        "http://example.org:99999/",
        "https://example.org/a b",
        "data:image/svg+xml,<svg/>",
        "data:image/png;base64,",
        "data:image/png;base64,$$$$",
        "data:text",
        "5f3c8a8e-1de4-4a2b-9d7e-0c1b2a3d4e5f",
        "abc",
        "https://example.org/" + "a" * 9000,
        5,
        None,
        True,
        ["https://example.org"],
    ],
)
def test_anything_else_is_no_source(source: Any) -> None:
    error = refusal(media={"reference_images": [source]})
    assert error.field == "media.reference_images[0]"
    assert "http(s) URL" in (error.allowed or "")


@pytest.mark.parametrize("frame", ["first", "last", 0, 48, 48.0])
def test_a_keyframe_says_where_it_stands(frame: Any) -> None:
    image = asked(media={"frame_images": [{"input_image": URL, "frame": frame}]}).media.frame_images[0]
    assert image == FrameImage(URL, frame)


@pytest.mark.parametrize("frame", ["middle", "", -1, 2.5, True, [], 10**9])
def test_a_keyframe_cannot_stand_anywhere_else(frame: Any) -> None:
    error = refusal(media={"frame_images": [{"input_image": URL, "frame": frame}]})
    assert error.field == "media.frame_images[0].frame"


def test_every_spelling_of_media_items_means_the_same() -> None:
    bare = {
        "frame_images": [URL],
        "frame_videos": [URL],
        "reference_images": [URL],
        "reference_videos": [URL],
        "source_video": URL,
        "audio_inputs": [URL, URL],
    }
    objects = {
        "frame_images": [{"input_image": URL}],
        "frame_videos": [{"video": URL}],
        "reference_images": [URL],
        "reference_videos": [{"video": URL}],
        "source_video": {"video": URL},
        "audio_inputs": [{"audio": URL}, {"input_audio": URL}],
    }
    assert asked(media=bare).media == asked(media=objects).media
    assert asked(media=bare).media.given() == tuple(bare)


def test_empty_media_is_no_media() -> None:
    empty = {"frame_images": [], "reference_images": [], "source_video": "", "audio_inputs": []}
    assert asked(media=empty).media == Media()


def test_deprecated_members_are_folded_in_with_a_warning() -> None:
    request = asked(frame_images=[{"input_image": URL, "frame": "first"}], reference_images=[DATA])
    assert request.media == Media(frame_images=(FrameImage(URL, "first"),), reference_images=(DATA,))
    assert request.warnings == (
        "frame_images: deprecated at the top level; send media.frame_images",
        "reference_images: deprecated at the top level; send media.reference_images",
    )


def test_a_member_given_in_both_places_is_a_conflict() -> None:
    error = refusal(frame_images=[URL], media={"frame_images": [DATA]})
    assert (error.field, error.given) == ("frame_images", "both frame_images and media.frame_images")
    assert asked(frame_images=[URL], media={"frame_images": []}).media.frame_images == (FrameImage(URL),)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"media": "x"}, "media"),
        ({"media": []}, "media"),
        ({"media": {"frame_images": URL}}, "media.frame_images"),
        ({"media": {"frame_images": [{"image": URL}]}}, "media.frame_images[0].input_image"),
        ({"media": {"frame_images": [{"input_image": 5}]}}, "media.frame_images[0].input_image"),
        ({"media": {"audio_inputs": [{"audio": URL, "input_audio": URL}]}}, "media.audio_inputs[0].audio"),
        ({"media": {"source_video": {"url": URL}}}, "media.source_video.video"),
        ({"media": {"reference_images": [{"image": URL}]}}, "media.reference_images[0]"),
        ({"media": {"pose_images": [URL]}}, "media.pose_images"),
        ({"frame_images": URL}, "frame_images"),
        ({"frame_images": [7]}, "frame_images[0]"),
    ],
)
def test_media_of_another_form_is_refused_with_its_path(fields: dict[str, Any], path: str) -> None:
    assert refusal(**fields).field == path


def test_reference_audios_are_no_models_business_here() -> None:
    error = refusal(media={"reference_audios": [URL]})
    assert isinstance(error, UnsupportedField)
    assert error.field == "media.reference_audios"


def test_a_refusal_does_not_quote_megabytes_back() -> None:
    error = refusal(media={"frame_images": ["?" * 10_000_000]})
    assert isinstance(error, InvalidValue) and len(error.message) < 500
