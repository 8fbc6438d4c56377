"""Flags become the body that a client would have sent."""

from __future__ import annotations

import base64
import math
from pathlib import Path

import pytest

from rushes.cli import body
from rushes.errors import InvalidValue


@pytest.mark.parametrize(("text", "value"), [("6", 6), ("-1", -1), ("+7", 7), ("2.5", 2.5), ("1e1", 10.0), (".5", 0.5)])
def test_a_number_is_read_as_the_number_it_spells(text: str, value: float) -> None:
    read = body.number(text)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("text", ["", "abc", "6s", "1_000", "٣", "0x10", "1,5", " 6"])
def test_what_is_no_number_travels_on_as_text_so_that_the_contract_refuses_it_by_name(text: str) -> None:
    assert body.number(text) == text


def test_nan_is_read_as_nan_so_that_the_contract_refuses_it_by_name() -> None:
    assert math.isnan(body.number("nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "output", "format"),
    [
        (None, None, None),
        ("webm", None, "webm"),
        (None, "clip.mp4", "MP4"),
        (None, "clip.WEBM", "WEBM"),
        ("mp4", "clip.mp4", "mp4"),
        ("GIF", "clip.mp4", "GIF"),  # the contract's own refusal says more than ours would
    ],
)
def test_the_suffix_names_the_format_where_no_flag_does(
    asked: str | None, output: str | None, format: str | None
) -> None:
    assert body.output_format(asked, Path(output) if output else None) == format


def test_a_suffix_that_contradicts_the_flag_is_refused() -> None:
    with pytest.raises(InvalidValue, match=r"output_format: .* given MP4 for clip\.webm; allowed: WEBM"):
        body.output_format("MP4", Path("clip.webm"))


@pytest.mark.parametrize("name", ["clip.gif", "clip", "clip.mp4.txt"])
def test_a_suffix_that_is_no_videos_is_refused(name: str) -> None:
    with pytest.raises(InvalidValue, match=r"allowed: a name that ends in \.mp4 or \.webm"):
        body.output_format("MP4", Path(name))


def media(**given: object) -> dict[str, object] | None:
    nothing: dict[str, object] = {
        "first_frame": None,
        "last_frame": None,
        "frame_images": (),
        "frame_videos": (),
        "reference_images": (),
        "reference_videos": (),
        "source_video": None,
        "audio_inputs": (),
    }
    return body.media(**{**nothing, **given})  # type: ignore[arg-type]


def test_without_media_flags_there_is_no_media_member() -> None:
    assert media() is None


def test_a_url_travels_as_it_is_and_a_file_as_a_data_url(tmp_path: Path) -> None:
    picture = tmp_path / "first.png"
    picture.write_bytes(b"\x89PNG")
    assert media(first_frame=str(picture), last_frame="https://example.com/last.png") == {
        "frame_images": [
            {"input_image": f"data:image/png;base64,{base64.b64encode(b'%cPNG' % 0x89).decode()}", "frame": "first"},
            {"input_image": "https://example.com/last.png", "frame": "last"},
        ]
    }


def test_a_keyframe_may_say_where_it_belongs() -> None:
    url = "https://example.com/k.png"
    assert media(frame_images=[f"12={url}", f"last={url}", url, f"{url}?a=1"]) == {
        "frame_images": [
            {"input_image": url, "frame": 12},
            {"input_image": url, "frame": "last"},
            {"input_image": url},
            {"input_image": f"{url}?a=1"},
        ]
    }


def test_each_media_member_has_the_shape_of_the_contract() -> None:
    url = "https://example.com/x"
    assert media(
        frame_videos=[url], reference_images=[url], reference_videos=[url], source_video=url, audio_inputs=[url]
    ) == {
        "frame_videos": [{"video": url}],
        "reference_images": [url],
        "reference_videos": [{"video": url}],
        "source_video": url,
        "audio_inputs": [url],
    }


def test_a_file_that_is_not_there_is_refused_by_field() -> None:
    with pytest.raises(InvalidValue, match=r"media\.source_video: .* given nowhere\.mp4"):
        media(source_video="nowhere.mp4")


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "cat.png").touch()
    with pytest.raises(InvalidValue, match=r"media\.frame_images: .* given an empty file, "):
        media(first_frame=str(tmp_path / "cat.png"))
