"""What was done to the model's own frames is said in a sentence each, and only where something was done."""

from __future__ import annotations

import pytest

from rushes.contract.artifact import Artifact, Native


def said(native: Native, width: int, height: int, fps: int) -> list[tuple[str, str, str]]:
    made = Artifact("clip.mp4", "video/mp4", 8, "ab" * 32, width, height, fps, 10, False, native)
    return [(note.kind, note.field, note.message) for note in made.changes()]


def test_a_clip_at_the_models_own_size_and_rate_was_not_changed() -> None:
    assert said(Native(288, 160, 24, 10), 288, 160, 24) == []


def test_each_change_has_a_sentence_of_its_own() -> None:
    assert said(Native(288, 160, 12.5, 10), 576, 320, 24) == [
        ("made", "width", "made at 288×160; scaled to 576×320"),
        ("made", "fps", "made at 12.5 fps; retimed to 24 fps"),
    ]


@pytest.mark.parametrize(
    ("native", "width", "height", "ending"),
    [
        ((288, 160), 1366, 768, "1366×768, which cuts off 1% of the width"),
        ((160, 288), 768, 1366, "768×1366, which cuts off 1% of the height"),
        ((288, 160), 1920, 640, "1920×640, which cuts off 40% of the height"),
        ((288, 160), 1920, 1064, "1920×1064"),  # a quarter of a percent
    ],
)
def test_what_another_shape_cuts_off_is_said(native: tuple[int, int], width: int, height: int, ending: str) -> None:
    ((_, _, message),) = said(Native(*native, 24, 10), width, height, 24)
    assert message == f"made at {native[0]}×{native[1]}; scaled to {ending}"
