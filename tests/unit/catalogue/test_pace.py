"""When a model makes frames of its own, by its card: what the door knows of them before any job does."""

from __future__ import annotations

from typing import Any

import pytest
from refined import refined

from rushes.catalogue.cards import CARDS, OPEN
from rushes.catalogue.cards.ltx2 import PACE as LTX_2
from rushes.catalogue.inputs import own_frame
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.pace import Pace, num_made, num_shown
from rushes.catalogue.resolve import resolve
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.errors import InvalidValue

EVERY = {card.id: refined(card) for card in (*CARDS, *OPEN)}
LAID_OVER = [card.id for card in EVERY.values() if card.rules.media.frame_images.max_items > 1]
ANYWHERE = [id for id in LAID_OVER if "any" in EVERY[id].rules.media.frame_images.positions]


def asked(id: str, *frames: str | int | None, **fields: Any) -> ResolvedRequest:
    images = tuple(FrameImage("https://example.com/a.png", frame) for frame in frames)
    request = VideoRequest(model=id, prompt="a fox runs", media=Media(frame_images=images), **fields)
    return resolve(request, Catalogue([EVERY[id]]).find(id), lambda: 7)


def pace_of(id: str) -> Pace:
    pace = EVERY[id].rules.media.pace
    assert pace is not None
    return pace


@pytest.mark.parametrize("fps", range(8, 61))
def test_a_rate_is_made_as_it_is_or_at_the_next_one_that_the_model_knows(fps: int) -> None:
    made = LTX_2.rate(fps)
    assert made >= fps
    assert 24 <= made <= 30 or made == 60
    assert made == fps or fps < 24 or fps > 30
    assert Pace(((16, 16),)).rate(fps) == 16, "beyond all of them the fastest"


@pytest.mark.parametrize(
    ("seconds", "rate", "shown", "made"), [(5, 16, 80, 81), (5.0625, 16, 81, 81), (0.1, 30, 3, 5), (0.01, 16, 1, 1)]
)
def test_whole_runs_of_frames_cover_what_is_shown(seconds: float, rate: int, shown: int, made: int) -> None:
    assert (num_shown(seconds, rate), num_made(seconds, rate, 4)) == (shown, made)
    assert num_made(seconds, rate) == shown, "where it makes any number"


def test_the_first_frames_may_be_another_number_than_those_of_a_run() -> None:
    assert [num_made(seconds, 24, 17, 5) for seconds in (0.1, 5, 345 / 24)] == [5, 124, 345]


@pytest.mark.parametrize("id", ANYWHERE)
def test_a_card_that_takes_keyframes_anywhere_says_its_pace(id: str) -> None:
    weights = EVERY[id].weights
    assert ANYWHERE and "wan2.1-vace-1.3b" in ANYWHERE and "ltx-2.5-distilled" in ANYWHERE
    if weights is not None:
        assert pace_of(id).rate(weights.fps) == weights.fps, "the rate of its weights"


@pytest.mark.parametrize(
    ("id", "seconds", "fps", "frames", "free"),
    [
        ("rushes/mini", 5, 24, (0, 1), 2),
        ("wan2.1-vace-1.3b", 5, 24, ("first", 31, 32), 33),
        ("wan2.1-vace-14b", 1.0625, 60, (59, "last"), 58),  # further apart than two of its frames, but it ends there
    ],
)
def test_keyframes_on_one_frame_of_the_models_own_are_refused_with_a_way_out(
    id: str, seconds: float, fps: int, frames: tuple[int | str, ...], free: int
) -> None:
    with pytest.raises(InvalidValue) as refused:
        asked(id, *frames, seconds=seconds, fps=fps)
    item = len(frames) - 1
    assert refused.value.field == f"media.frame_images[{item}].frame"
    assert refused.value.given == (round(seconds * fps) - 1 if frames[-1] == "last" else frames[-1])
    assert refused.value.allowed is not None and str(pace_of(id).rate(fps)) in refused.value.allowed
    assert refused.value.model == id
    assert refused.value.hint == (
        f"media.frame_images[{item - 1}] has the one that is shown there: "
        f"the nearest that has one for itself is frame {free}"
    )
    assert len(asked(id, *frames[:-1], free, seconds=seconds, fps=fps).media.frame_images) == len(frames)


@pytest.mark.parametrize("fps", [8, 24, 31, 59, 60])
@pytest.mark.parametrize("seconds", [1, 1.03, 7.77])
def test_a_model_that_makes_as_many_frames_as_are_asked_for_tells_any_two_apart(fps: int, seconds: float) -> None:
    last = round(seconds * fps) - 1
    assert len(asked("ltx-2.3", 0, 1, 2, last - 2, last - 1, last, fps=fps, seconds=seconds).media.frame_images) == 6


@pytest.mark.parametrize("id", LAID_OVER)
@pytest.mark.parametrize("fps", [8, 15, 24, 25, 30, 50, 60])
def test_the_first_and_the_last_frame_are_never_one(id: str, fps: int) -> None:
    if EVERY[id].rules.fps.holds(fps):
        shortest = EVERY[id].rules.seconds.nearest(0) or 1.0
        assert len(asked(id, "first", "last", fps=fps, seconds=shortest).media.frame_images) == 2


def test_the_last_frame_of_a_film_may_stand_nearer_to_one_that_is_made_and_cut_off() -> None:
    """Of 5 s at 16 a second 80 are shown and 81 made; of 60 a second the last is shown after the 80th began to go."""
    wan = pace_of("wan2.1-vace-1.3b")
    assert own_frame(299, 60, wan.rate(60), wan.num_frames(5, 60) - 1) == 80
    assert len(asked("wan2.1-vace-1.3b", 297, "last", fps=60).media.frame_images) == 2
