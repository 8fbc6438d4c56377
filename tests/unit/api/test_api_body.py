"""What the door refuses of a body before any field is read."""

from __future__ import annotations

import pytest

from rushes.api.body import MAX_DEPTH, described, member, parse_object
from rushes.errors import InvalidValue, MalformedBody, shown


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not JSON"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b"{} {}", "not JSON"),
        (b"[1, 2]", "an array of 2"),
        (b'"text"', 'the string "text"'),
        (b"null", "null"),
        (b"7", "given 7"),
        (b'{"a": "\xff"}', "byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": 1, "b": 2, "a": 3}', '"a" is given twice'),
        (b'{"a":' + b"[" * 100_000, "nested too deep"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested too deep"),
    ],
)
def test_a_body_that_is_no_json_object_is_malformed(raw: bytes, said: str) -> None:
    with pytest.raises(MalformedBody) as refused:
        parse_object(raw)
    assert said in refused.value.message
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"seed": NaN}', "seed"),
        (b'{"seed": Infinity}', "seed"),
        (b'{"guidance_scale": -Infinity}', "guidance_scale"),
        (b'{"seconds": 1e999}', "seconds"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "seed"),
        (b'{"metadata": {"deep": [1, NaN]}}', "metadata.deep[1]"),
        (b'{"prompt": "half \\ud83d of a smile"}', "prompt"),
        (b'{"prompt": "\\u0000"}', "prompt"),
        (b'{"prompt": "bell \\u0007"}', "prompt"),
        (b'{"prompt": "\\u001b[31mred"}', "prompt"),
        (b'{"prompt": "\\u009b31mred"}', "prompt"),
        (b'{"prompt": "back\\rover"}', "prompt"),
        (b'{"metadata": {"k": "\\udc00"}}', "metadata.k"),
        (b'{"\\ud800": 1}', "\\ud800"),
        (b'{"media": {"frame_images": [{"input_image": "\\u0001"}]}}', "media.frame_images[0].input_image"),
    ],
)
def test_what_no_honest_client_sends_is_refused_with_its_path(raw: bytes, field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        parse_object(raw)
    assert refused.value.field == field


@pytest.mark.parametrize("filler", [b"[],", b"[[]],", b"1,", b"{},"])
def test_a_body_of_millions_of_values_is_refused_before_they_are_built(filler: bytes) -> None:
    with pytest.raises(MalformedBody, match="too many values"):
        parse_object(b'{"a":[' + filler * 1_000_000 + b"1]}")


def test_line_feeds_tabs_windows_line_ends_and_every_script_are_text() -> None:
    assert parse_object('{"a": "x\\n\\ty\\r\\nz 日本 😀 \u2028"}'.encode()) == {"a": "x\n\ty\r\nz 日本 😀 \u2028"}


def test_a_byte_order_mark_is_not_held_against_the_sender() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_an_array_at_the_deepest_allowed_level_is_taken() -> None:
    depth = MAX_DEPTH - 1
    assert parse_object(b'{"a":' + b"[" * depth + b"]" * depth + b"}")


def test_integers_beyond_64_bits_are_read_and_left_to_the_field() -> None:
    assert parse_object(b'{"seed": 123456789012345678901234567890}') == {"seed": 123456789012345678901234567890}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        ("5", 'the string "5"'),
        ([1], "an array of 1"),
        ({}, "an object"),
        (2.5, "2.5"),
        (10**30, "an integer of 31 digits"),
    ],
)
def test_values_are_described_as_their_sender_would(value: object, words: str) -> None:
    assert described(value) == words


@pytest.mark.parametrize("long", ["a" * 256, "\x01" * 256, '"\u202e' * 128])
def test_the_length_of_what_is_too_long_to_quote_is_its_own(long: str) -> None:
    assert "(256 characters)" in InvalidValue(field="ratio", given=described(long)).message
    assert "(256 characters)" in shown(member("metadata", long))
