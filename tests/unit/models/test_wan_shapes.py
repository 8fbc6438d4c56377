"""Which native size and length a Wan model makes for what was asked; no tensor library needed to say so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from refined import refined

from rushes.catalogue.cards import OPEN
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.artifact import Native
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.models.shape import native_of, native_size

AREA_480P, AREA_720P = 832 * 480, 1280 * 704
CARDS = {card.id: card for card in OPEN}


@pytest.mark.parametrize(
    ("asked", "multiple", "max_area", "native"),
    [
        ((832, 480), 16, AREA_480P, (832, 480)),
        ((1280, 720), 16, AREA_480P, (832, 480)),
        ((1920, 1080), 16, AREA_480P, (832, 480)),
        ((720, 1280), 16, AREA_480P, (480, 832)),
        ((960, 960), 16, AREA_480P, (624, 624)),
        ((1280, 720), 32, AREA_720P, (1280, 704)),
        ((960, 960), 32, AREA_720P, (928, 928)),
        ((64, 64), 16, AREA_480P, (64, 64)),
        ((100, 70), 16, AREA_480P, (112, 80)),
        ((64, 1920), 32, AREA_720P, (64, 1920)),
        ((66, 1920), 32, AREA_720P, (96, 1920)),
    ],
)
def test_the_native_size_is_whole_tokens_of_the_asked_shape_within_what_the_model_learned(
    asked: tuple[int, int], multiple: int, max_area: int, native: tuple[int, int]
) -> None:
    assert native_size(*asked, multiple, max_area) == native


@pytest.mark.parametrize("multiple", [16, 32])
def test_no_size_that_a_card_takes_is_without_a_native_one(multiple: int) -> None:
    for width in range(64, 1921, 34):
        for height in range(64, 1089, 34):
            cols, rows = native_size(width, height, multiple, AREA_480P)
            assert cols % multiple == rows % multiple == 0
            assert 0 < cols * rows <= AREA_480P


def settled(id: str, **asked: object) -> ResolvedRequest:
    card = refined(CARDS[id])
    needed = card.rules.media.frame_images.needed
    media = Media(frame_images=tuple(FrameImage("x", place) for place in needed))
    request = replace(VideoRequest(model=id, prompt="x", media=media), **asked)  # type: ignore[arg-type]
    return resolve(request, Catalogue([card]).find(id), lambda: 1)


@pytest.mark.parametrize(("seconds", "frames"), [(1.0, 17), (1.1, 21), (5.0, 81), (4.99, 81), (None, 81)])
def test_the_native_length_is_whole_latent_frames_and_covers_what_was_asked(seconds: float | None, frames: int) -> None:
    request = settled("wan2.1-t2v-1.3b", seconds=seconds)
    native = native_of(request, multiple=16, time=4, fps=16, max_area=AREA_480P)
    assert native == Native(width=832, height=480, fps=16, num_frames=frames)


@pytest.mark.parametrize("id", [id for id, card in CARDS.items() if "media.source_video" not in card.rules.needs])
def test_every_card_settles_its_own_defaults_without_scaling_or_retiming(id: str) -> None:
    weights = CARDS[id].weights
    assert weights is not None
    request = settled(id)
    multiple = 32 if weights.layout == "text or first frame" else 16
    native = native_of(request, multiple=multiple, time=4, fps=weights.fps, max_area=weights.max_area)
    assert (native.width, native.height, native.fps) == (request.width, request.height, request.fps)
