"""At acceptance: what travelled inside a request is checked and kept, and the row names it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from foreign_cases import film, image, tone, wav

from rushes.catalogue.card import Card, MediaRule, MediaRules
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest, VideoRequest
from rushes.egress.policy import EgressPolicy
from rushes.errors import (
    AudioTooShort,
    ImageTooLarge,
    InvalidValue,
    MediaTooLarge,
    MediaTooNarrow,
    Refused,
    UnsupportedMediaType,
    VideoTooLong,
    VideoTooManyFrames,
    VideoTooShort,
)
from rushes.intake.copy import copied_in
from rushes.intake.references import Fetched, Kept, referred
from rushes.storage.local import LocalStorage

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
MP4 = b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(64)


def text(content: bytes) -> str:
    return base64.b64encode(content).decode()


PNG_TEXT, SECOND = text(PNG), "media.frame_images[1]"


def settled(media: Media, card: Card = CARD) -> ResolvedRequest:
    catalogue = Catalogue([card])
    return resolve(VideoRequest(model=card.id, prompt="a fox runs", media=media), catalogue.find(card.id), lambda: 7)


@pytest.fixture
def inputs(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "inputs")


def copied(
    media: Media, inputs: LocalStorage, card: Card = CARD, policy: EgressPolicy | None = None
) -> tuple[ResolvedRequest, tuple[str, ...]]:
    return copied_in(settled(media, card), card, inputs, policy or EgressPolicy())


def test_the_row_holds_the_digest_and_the_storage_the_bytes(inputs: LocalStorage) -> None:
    media = Media(frame_images=(FrameImage(text(PNG)), FrameImage(f"data:image/png;base64,{text(PNG)}")))
    request, keys = copied(media, inputs)
    digest = hashlib.sha256(PNG).hexdigest()
    assert keys == (digest, digest)
    assert [image.source for image in request.media.frame_images] == [f"sha256:{digest}"] * 2
    assert [image.frame for image in request.media.frame_images] == [0, 143]
    assert b"".join(inputs.open_range(digest)) == PNG
    assert len(str(request.to_json())) < 5000


def test_every_address_gets_a_key_of_its_own_before_anything_is_there(inputs: LocalStorage) -> None:
    url = "https://example.com/a:b.mp4?x=1"
    one, keys = copied(Media(source_video=url), inputs)
    other, more = copied(Media(source_video=url), inputs)
    assert one.media.source_video is not None and other.media.source_video is not None
    assert referred(one.media.source_video) == Fetched(keys[0], url)
    assert referred(other.media.source_video) == Fetched(more[0], url)
    assert keys != more, "another request may find another file there"
    with pytest.raises(FileNotFoundError):
        inputs.path(keys[0])


def test_a_request_of_words_alone_is_left_as_it_is(inputs: LocalStorage) -> None:
    request = settled(Media())
    assert copied_in(request, CARD, inputs, EgressPolicy()) == (request, ())


@pytest.mark.parametrize(
    ("media", "field", "error"),
    [
        (Media(frame_images=(FrameImage(PNG_TEXT), FrameImage(text(MP4)))), SECOND, UnsupportedMediaType),
        (Media(frame_images=(FrameImage("no base64!"),)), "media.frame_images[0]", InvalidValue),
        (Media(frame_videos=(text(PNG),)), "media.frame_videos[0]", UnsupportedMediaType),
        (Media(source_video=f"data:video/mp4;base64,{text(PNG)}"), "media.source_video", UnsupportedMediaType),
        (Media(source_video=text(b"#EXTM3U\nhttp://127.0.0.1/")), "media.source_video", UnsupportedMediaType),
        (Media(source_video="https://127.0.0.1/clip.mp4"), "media.source_video", InvalidValue),
        (Media(source_video="https://user:word@example.com/clip.mp4"), "media.source_video", InvalidValue),
    ],
)  # fmt: skip
def test_what_can_be_told_without_opening_is_refused_before_the_queue(
    media: Media, field: str, error: type[Refused], inputs: LocalStorage
) -> None:
    with pytest.raises(error) as refused:
        copied(media, inputs)
    assert (refused.value.field, refused.value.status) == (field, 400)


def test_a_file_larger_than_the_card_says_is_refused_with_the_size(inputs: LocalStorage) -> None:
    small = replace(CARD.rules.media, frame_images=MediaRule(10, ("any",), max_bytes=50))
    card = replace(CARD, rules=replace(CARD.rules, media=small))
    with pytest.raises(MediaTooLarge) as refused:
        copied(Media(frame_images=(FrameImage(text(PNG)),)), inputs, card)
    assert (refused.value.field, refused.value.given) == ("media.frame_images[0]", f"{len(PNG)} bytes")
    assert refused.value.allowed == "up to 50 bytes"


EXAMPLE = MediaRule(2, min_seconds=0.54, max_seconds=3, max_aspect=4, whole=True)
PICKY = replace(
    CARD,
    rules=replace(CARD.rules, media=replace(CARD.rules.media, reference_images=EXAMPLE, reference_videos=EXAMPLE)),
)
"""A model that looks at examples in their own shape, and at no sliver of one."""


def flat(width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


def clip(count: int, width: int = 64, height: int = 64) -> str:
    """25 frames a second."""
    return text(film([flat(width, height)] * count))


def picture(width: int, height: int) -> str:
    return text(image(flat(width, height), "PNG"))


@pytest.mark.parametrize(
    ("media", "field", "error", "given", "allowed"),
    [
        (Media(reference_videos=(clip(20), clip(5))), "media.reference_videos[1]", VideoTooShort,
         "0.167 seconds", "at least 0.54 seconds"),
        (Media(reference_videos=(clip(95),)), "media.reference_videos[0]", VideoTooLong,
         "3.8 seconds", "up to 3 seconds"),
        (Media(reference_videos=(clip(20, 272, 64),)), "media.reference_videos[0]", MediaTooNarrow,
         "272x64", "one side up to 4 times as long as the other"),
        (Media(reference_images=(picture(64, 64), picture(64, 257))), "media.reference_images[1]", MediaTooNarrow,
         "64x257", "one side up to 4 times as long as the other"),
        (Media(frame_images=(FrameImage(picture(12_001, 1)),)), "media.frame_images[0]", ImageTooLarge,
         "12001x1 pixels", "up to 40 million pixels, and up to 12000 a side"),
        (Media(audio_inputs=(text(wav(tone(1.5))),)), "media.audio_inputs[0]", AudioTooShort,
         "1.5 seconds", "3 to 30 seconds"),
        (Media(frame_videos=(clip(170),)), "media.frame_videos[0]", VideoTooLong,
         "6.83 seconds", "less than the 6 seconds asked for, of which it is the beginning"),
    ],
)  # fmt: skip
def test_a_file_that_says_itself_what_cannot_be_taken_is_refused_before_the_queue(
    media: Media, field: str, error: type[Refused], given: str, allowed: str, inputs: LocalStorage
) -> None:
    with pytest.raises(error) as refused:
        copied(media, inputs, PICKY)
    assert (refused.value.status, refused.value.field) == (400, field)
    assert (refused.value.given, refused.value.allowed) == (given, allowed)


def test_what_is_just_within_is_taken(inputs: LocalStorage) -> None:
    assert len(copied(Media(reference_videos=(clip(14), clip(75, 256, 64))), inputs, PICKY)[1]) == 2
    assert len(copied(Media(reference_images=(picture(64, 256),)), inputs, PICKY)[1]) == 1


LATE = Media(frame_videos=(clip(100),), frame_images=(FrameImage(PNG_TEXT, 90), FrameImage(PNG_TEXT, "last")))


@pytest.mark.parametrize(
    ("media", "field", "error", "given", "allowed"),
    [
        (Media(frame_videos=(clip(150),)), "media.frame_videos[0]", VideoTooLong,
         "6 seconds", "less than the 6 seconds asked for, of which it is the beginning"),
        (Media(frame_videos=(clip(149),)), "media.frame_videos[0]", VideoTooLong,
         "6 seconds", "less than the 6 seconds asked for, of which it is the beginning"),
        (LATE, "media.frame_images[0].frame", InvalidValue, 90, "frames from 96 on"),
        (Media(reference_videos=(clip(13),)), "media.reference_videos[0]", VideoTooShort,
         "0.5 seconds", "at least 0.54 seconds"),
        (Media(reference_videos=(clip(77),)), "media.reference_videos[0]", VideoTooLong,
         "3.08 seconds", "up to 3 seconds"),
    ],
)  # fmt: skip
def test_what_the_tables_of_a_clip_say_to_the_frame_is_held_against_what_is_made(
    media: Media, field: str, error: type[Refused], given: object, allowed: str, inputs: LocalStorage
) -> None:
    """A frame of the model's own is a twelfth of a second: a clip a 25th shorter than the film leaves none of them."""
    with pytest.raises(error) as refused:
        copied(media, inputs, PICKY)
    assert (refused.value.field, refused.value.given, refused.value.allowed) == (field, given, allowed)
    assert refused.value.hint is not None or error is VideoTooLong


def test_a_clip_that_leaves_one_frame_to_make_and_a_keyframe_there_are_taken(inputs: LocalStorage) -> None:
    last = FrameImage(PNG_TEXT, "last")
    assert len(copied(Media(frame_videos=(clip(147),), frame_images=(last,)), inputs, PICKY)[1]) == 2
    assert len(copied(replace(LATE, frame_images=(FrameImage(PNG_TEXT, 96),)), inputs, PICKY)[1]) == 2


def test_a_clip_of_more_frames_than_anybody_looks_at_is_refused_however_short(inputs: LocalStorage) -> None:
    frames = [flat(32, 32)] * 1801
    many = film(frames, times_ms=range(1801), options={"preset": "ultrafast"})
    with pytest.raises(VideoTooManyFrames) as refused:
        copied(Media(source_video=text(many)), inputs)
    assert (refused.value.field, refused.value.allowed) == ("media.source_video", "up to 1800 frames")


def test_what_a_file_does_not_say_is_left_to_whoever_opens_it(inputs: LocalStorage) -> None:
    fragments = text(film([flat(64, 64)] * 5, container_options={"movflags": "frag_keyframe"}))
    assert copied(Media(reference_videos=(fragments,)), inputs, PICKY)[1]


def test_rules_that_leave_it_open_have_it_from_the_model_that_makes_it() -> None:
    hosted = MediaRules(reference_videos=MediaRule(1))
    filled = hosted.filled_by(PICKY.rules.media).reference_videos
    assert (filled.min_seconds, filled.max_seconds, filled.max_aspect, filled.max_items) == (0.54, 3, 4, 1)


def test_a_client_cannot_name_what_others_sent() -> None:
    from rushes.api.together import parse_request

    for source in ("sha256:" + "0" * 64, "url:0:https://example.com/a"):
        assert referred(source) is not None
        with pytest.raises(InvalidValue) as refused:
            parse_request(
                b'{"model": "rushes/mini", "prompt": "a", "media": {"frame_images": ["%s"]}}' % source.encode(),
                strict=False,
            )
        assert refused.value.field == "media.frame_images[0]"
    assert isinstance(referred("sha256:0"), Kept)
    assert referred("https://example.com/a") is None
