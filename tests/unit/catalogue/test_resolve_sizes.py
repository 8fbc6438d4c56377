"""The size of the video: pixels, tiers, both, or neither."""

from __future__ import annotations

import pytest
from catalogue_cases import BY_MINI, HERE, HUGE, MINI, ask, notes

from rushes.catalogue.sizes import FreeSizes, Size
from rushes.errors import InvalidValue, MissingField, UnsupportedField


@pytest.mark.parametrize("size", [(64, 64), (1920, 1080), (1088, 1920), (1366, 768), (1440, 1440), (1920, 64)])
def test_the_embedded_model_makes_any_even_size_up_to_full_hd(size: tuple[int, int]) -> None:
    made = ask(width=size[0], height=size[1])
    assert (made.width, made.height) == size


@pytest.mark.parametrize(
    ("size", "field", "hint"),
    [
        ((1367, 768), "width", "the nearest size is 1366x768"),
        ((1366, 767), "height", "the nearest size is 1366x766"),
        ((62, 768), "width", "the nearest size is 64x768"),
        ((640, 1922), "height", "the nearest size is 640x1920"),
        ((1920, 1920), "width", "the nearest size is 1444x1444"),
        ((0, 0), "width", "the nearest size is 64x64"),
        ((-640, 360), "width", "the nearest size is 64x360"),
        pytest.param((HUGE, 360), "width", "the nearest size is 1920x360", id="huge"),
    ],
)
def test_a_size_it_cannot_make_is_refused_with_the_nearest_it_can(size: tuple[int, int], field: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(width=size[0], height=size[1])
    assert (refused.value.field, refused.value.hint) == (field, hint)


def test_the_nearest_size_is_always_one_that_can_be_made() -> None:
    free = FreeSizes(low=64, high=1920, multiple=16, max_area=1280 * 720)
    asked = [Size(width, height) for width in range(-50, 4000, 97) for height in range(1, 4000, 101)]
    assert all(free.holds(free.nearest(size)) for size in asked)


@pytest.mark.parametrize(("given", "missing"), [("width", "height"), ("height", "width")])
def test_one_side_without_the_other_names_the_missing_one(given: str, missing: str) -> None:
    with pytest.raises(MissingField) as refused:
        ask(**{given: 768})
    assert refused.value.field == missing
    assert "1366x768" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("asked", "size", "defaulted"),
    [
        ({"resolution": "720P"}, (1280, 720), {"ratio"}),
        ({"ratio": "9:16"}, (1080, 1920), {"resolution"}),
        ({"resolution": "720p", "ratio": "3:4"}, (832, 1104), set()),
        ({"resolution": "1080P", "ratio": "1:1"}, (1440, 1440), set()),
    ],
)
def test_tiers_and_ratios_are_taken_too(asked: dict[str, str], size: tuple[int, int], defaulted: set[str]) -> None:
    made = ask(**asked)
    assert (made.width, made.height) == size
    assert {"width", "height", "resolution", "ratio"} & set(notes(made, "default")) == defaulted


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("resolution", "480P", "720P or 1080P"),
        ("resolution", "", "720P or 1080P"),
        ("ratio", "21:9", "16:9, 9:16, 1:1, 4:3 or 3:4"),
        ("ratio", "\ud800", "16:9, 9:16, 1:1, 4:3 or 3:4"),
    ],
)
def test_an_unknown_tier_or_ratio_is_refused(field: str, value: str, allowed: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(**{field: value})
    assert (refused.value.field, refused.value.allowed) == (field, allowed)


@pytest.mark.parametrize(
    "asked",
    [
        {"width": 1280, "height": 720, "resolution": "720P", "ratio": "16:9"},
        {"width": 832, "height": 1104, "resolution": "720p"},
        {"width": 1366, "height": 768, "ratio": "16:9"},
        {"width": 640, "height": 360, "ratio": "16:9"},
        {"width": 1104, "height": 832, "ratio": "4:3"},
    ],
)
def test_both_ways_at_once_are_taken_where_they_agree_and_said_to_be_needless(asked: dict[str, int | str]) -> None:
    made = ask(**asked)
    assert (made.width, made.height) == (asked["width"], asked["height"])
    assert {"resolution", "ratio"} & set(notes(made, "advice"))
    assert not {"resolution", "ratio"} & set(notes(made, "default"))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"width": 1280, "height": 720, "resolution": "1080P"}, "resolution"),
        ({"width": 1280, "height": 720, "ratio": "9:16"}, "ratio"),
        ({"width": 1280, "height": 720, "resolution": "720P", "ratio": "1:1"}, "resolution"),
        ({"width": 1366, "height": 768, "resolution": "720P"}, "resolution"),
    ],
)
def test_both_ways_at_once_are_refused_where_they_differ(asked: dict[str, int | str], field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(**asked)
    assert refused.value.field == field
    assert "not both" in str(refused.value.hint) or "either" in str(refused.value.hint)


def test_a_model_of_fixed_sizes_lists_them() -> None:
    hailuo = BY_MINI.find("minimax/hailuo-02")
    with pytest.raises(InvalidValue) as refused:
        ask(hailuo, width=1280, height=720)
    assert refused.value.allowed == "1366x768 or 1920x1080"
    made = ask(hailuo, width=1920, height=1080)
    assert (made.width, made.height) == (1920, 1080)


def test_a_model_of_fixed_sizes_takes_no_tiers() -> None:
    with pytest.raises(UnsupportedField) as refused:
        ask(BY_MINI.find("minimax/hailuo-02"), resolution="1080P")
    assert refused.value.field == "resolution"
    assert "1366x768" in str(refused.value.hint)


def test_a_model_of_tiers_takes_no_pixels() -> None:
    with pytest.raises(UnsupportedField) as refused:
        ask(BY_MINI.find("Wan-AI/wan2.7-t2v"), width=1280, height=720)
    assert refused.value.field == "width"
    assert "resolution" in str(refused.value.hint)


def test_all_ten_sizes_of_the_wan_table_can_be_made_by_the_embedded_model() -> None:
    tiers = HERE.find(MINI).rules.sizes.tiers
    assert tiers is not None
    for tier in tiers.table:
        made = ask(BY_MINI.find("Wan-AI/wan2.7-t2v"), resolution=tier.resolution, ratio=tier.ratio)
        assert (made.width, made.height) == (tier.size.width, tier.size.height)


def test_a_ratio_that_contradicts_the_pixels_is_refused_with_all_that_would_go() -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(width=64, height=64, ratio="4:3")
    assert (refused.value.field, refused.value.given) == ("ratio", "4:3 beside 64x64")
    assert refused.value.allowed == "a size of that shape, such as 1104x832"
    assert ask(width=640, height=480, ratio="4:3").width == 640
