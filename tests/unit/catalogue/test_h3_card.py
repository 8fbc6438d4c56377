"""What MiniMax-H3's card takes together, alone, and not at all: the one card that takes examples of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from rushes.catalogue.cards.h3 import CARD
from rushes.catalogue.limits import limits
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.errors import RushesError
from rushes.weights.licence import free

FIRST = (FrameImage("x", "first"),)


def asked(**fields: Any) -> ResolvedRequest:
    request = VideoRequest(**{"model": CARD.id, "prompt": "<Picture 1> waddles to <Audio 1>", **fields})
    return resolve(request, Catalogue([CARD]).find(CARD.id), lambda: 7)


@pytest.mark.parametrize(
    "media",
    [
        Media(),
        Media(frame_images=(*FIRST, FrameImage("x", "last"))),
        Media(reference_images=("x",) * 9, reference_videos=("x",) * 3),
        Media(reference_images=("x",) * 6, reference_videos=("x",) * 3, audio_inputs=("x",) * 3),
        Media(reference_videos=("x",), audio_inputs=("x",)),
    ],
)
def test_it_takes_frames_or_examples(media: Media) -> None:
    made = asked(media=media, generate_audio=True)
    assert made.media.given() == media.given()
    assert (made.width, made.height, made.seconds, made.fps, made.steps) == (1344, 768, 5.0, 24, 24)


@pytest.mark.parametrize(
    ("change", "field", "said"),
    [
        ({"negative_prompt": "blurry"}, "negative_prompt", "does not take"),
        ({"guidance_scale": 4.0}, "guidance_scale", "1 only"),
        ({"seconds": 4.0}, "seconds", "5 to 14.375"),
        ({"seconds": 15.0}, "seconds", "5 to 14.375"),
        ({"prompt": None}, "prompt", "prompt"),
        ({"media": Media(frame_videos=("x",))}, "media.frame_videos", "it takes"),
        ({"media": Media(source_video="x")}, "media.source_video", "it takes"),
        ({"media": Media(frame_images=(FrameImage("x", 60),))}, "media.frame_images[0].frame", "first and the last"),
        ({"media": Media(reference_images=("x",) * 10)}, "media.reference_images", "at most 9"),
        ({"media": Media(reference_videos=("x",) * 4)}, "media.reference_videos", "at most 3"),
        (
            {"media": Media(reference_images=("x",) * 9, reference_videos=("x",) * 3, audio_inputs=("x",))},
            "media",
            "at most 12 together",
        ),
        ({"media": Media(audio_inputs=("x",))}, "media.reference_images", "heard beside one of them"),
        ({"media": Media(FIRST, reference_images=("x",))}, "media.frame_images", "from one or from the other"),
        ({"media": Media(FIRST, reference_videos=("x",))}, "media.frame_images", "one of them"),
        ({"media": Media(FIRST, audio_inputs=("x",))}, "media.frame_images", "one of them"),
    ],
)
def test_what_it_cannot_honour_is_refused_by_name(change: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(RushesError) as refused:
        asked(**change)
    assert (refused.value.status, refused.value.field) == (400, field)
    assert said in str(refused.value)


def test_how_short_and_how_narrow_an_example_may_be_is_shown() -> None:
    said = limits(CARD.rules)["media"]
    assert said["reference_images"] == {"max_items": 9, "max_bytes": 30 << 20, "max_aspect_ratio": 4}
    clips = {"max_items": 3, "max_bytes": 200 << 20, "min_seconds": 0.54, "max_seconds": 15, "max_aspect_ratio": 4}
    assert said["reference_videos"] == clips


def test_its_licence_has_to_be_agreed_to() -> None:
    assert not free(CARD.licence)
    for place in ("European Union", "UK", "South Korea", "USA"):
        assert place in CARD.licence
