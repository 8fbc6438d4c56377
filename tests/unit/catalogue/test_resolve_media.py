"""Media on a model that takes it: how many, and at which frame each keyframe stands."""

from __future__ import annotations

import pytest
from catalogue_cases import BY_OPEN, BY_PICTURES, HUGE, OPEN_CARD, ask, notes

from rushes.catalogue.inputs import own_frame
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import ResolvedRequest
from rushes.errors import InvalidValue, MissingField, UnsupportedField

IMAGE = "https://example.com/a.png"
CLIP = "https://example.com/a.mp4"


def frames(*at: str | int | None) -> Media:
    return Media(frame_images=tuple(FrameImage(IMAGE, frame) for frame in at))


def placed(resolved: ResolvedRequest) -> list[str | int | None]:
    return [image.frame for image in resolved.media.frame_images]


@pytest.mark.parametrize(
    ("asked", "at"),
    [
        ((None,), [0]),
        ((None, None), [0, 47]),
        ((None, None, None), [0, 24, 47]),
        ((None, None, None, None, None), [0, 12, 24, 35, 47]),
        (("first", "last"), [0, 47]),
        (("Last",), [47]),
        ((0, 48), [0, 47]),
        (("last", 12, "first"), [47, 12, 0]),
        ((None, 30), [0, 30]),
    ],
)
def test_every_keyframe_gets_a_frame_of_the_two_second_clip(asked: tuple[str | int | None, ...], at: list[int]) -> None:
    assert placed(ask(OPEN_CARD.id, seconds=2.0, fps=24, media=frames(*asked))) == at


def test_three_images_without_a_frame_are_spread_with_a_warning() -> None:
    made = ask(OPEN_CARD.id, seconds=2.0, fps=24, media=frames(None, None, None))
    assert "0, 24 and 47" in notes(made, "warning")["media.frame_images"].message
    assert "media.frame_images" not in notes(ask(OPEN_CARD.id, media=frames(None, None)), "warning")


@pytest.mark.parametrize("frame", [-1, 49, pytest.param(HUGE, id="huge"), "middle", "", "12"])
def test_a_frame_that_is_not_in_the_clip_is_refused_by_its_path(frame: str | int) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(OPEN_CARD.id, seconds=2.0, fps=24, media=frames("first", frame))
    assert refused.value.field == "media.frame_images[1].frame"
    assert refused.value.allowed == '"first", "last" or a frame number from 0 to 48'


@pytest.mark.parametrize(
    "asked", [("first", "first"), ("first", 0), ("last", 48), (47, "last"), (None, "first"), (5, 5)]
)
def test_two_images_at_one_frame_are_refused(asked: tuple[str | int | None, ...]) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(OPEN_CARD.id, seconds=2.0, fps=24, media=frames(*asked))
    assert refused.value.field == "media.frame_images[1].frame"
    assert "already stands" in str(refused.value.hint)


def test_more_items_than_the_model_takes_are_refused_with_the_number() -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(OPEN_CARD.id, media=Media(reference_images=(IMAGE,) * 4))
    assert (refused.value.field, refused.value.given, refused.value.allowed) == (
        "media.reference_images",
        "4 items",
        "at most 3",
    )


@pytest.mark.parametrize(
    ("media", "field"),
    [
        (Media(frame_images=(FrameImage(IMAGE), FrameImage(" "))), "media.frame_images[1]"),
        (Media(audio_inputs=("",)), "media.audio_inputs[0]"),
        (Media(source_video="\n"), "media.source_video"),
        (Media(frame_videos=("\ud800",)), "media.frame_videos[0]"),
    ],
)
def test_an_item_with_nothing_usable_in_it_is_refused_by_its_path(media: Media, field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(OPEN_CARD.id, media=media)
    assert refused.value.field == field


def test_hailuo_takes_a_first_frame_and_no_last() -> None:
    hailuo = BY_OPEN.find("minimax/hailuo-02")
    assert placed(ask(hailuo, media=frames(None))) == [0]
    with pytest.raises(InvalidValue) as refused:
        ask(hailuo, media=frames("last"))
    assert (refused.value.field, refused.value.allowed) == ("media.frame_images[0].frame", "the first frame")
    with pytest.raises(InvalidValue) as refused:
        ask(hailuo, media=frames(None, None))
    assert refused.value.allowed == "at most 1"


def test_wan_image_to_video_takes_first_and_last_and_nothing_between() -> None:
    wan = BY_OPEN.find("Wan-AI/wan2.7-i2v")
    assert placed(ask(wan, seconds=2.0, media=frames("last", "first"))) == [59, 0]
    with pytest.raises(InvalidValue) as refused:
        ask(wan, seconds=2.0, media=frames(20))
    assert refused.value.allowed == "the first and the last frame"


@pytest.mark.parametrize(
    ("model", "media"),
    [
        ("Wan-AI/wan2.7-t2v", Media(audio_inputs=("https://example.com/a.wav",))),
        ("Wan-AI/wan2.7-i2v", Media(frame_videos=(CLIP,))),
        ("Wan-AI/wan2.7-r2v", Media(reference_images=(IMAGE,) * 3, reference_videos=(CLIP,) * 2)),
        ("Wan-AI/wan2.7-videoedit", Media(source_video=CLIP, reference_images=(IMAGE,))),
    ],
)
def test_each_wan_id_takes_its_own_media(model: str, media: Media) -> None:
    assert ask(BY_OPEN.find(model), media=media).media == media


@pytest.mark.parametrize(
    ("model", "field", "allowed"),
    [
        ("Wan-AI/wan2.7-i2v", "media.frame_images", "media.frame_images or media.frame_videos"),
        ("Wan-AI/wan2.7-r2v", "media.reference_images", "media.reference_images or media.reference_videos"),
        ("Wan-AI/wan2.7-videoedit", "media.source_video", "media.source_video"),
    ],
)
def test_an_id_that_starts_from_media_says_which_is_missing(model: str, field: str, allowed: str) -> None:
    with pytest.raises(MissingField) as refused:
        ask(BY_OPEN.find(model))
    assert (refused.value.field, refused.value.allowed) == (field, allowed)


def test_a_lone_reference_image_is_the_first_frame_where_only_frames_are_taken() -> None:
    made = ask(BY_OPEN.find("Wan-AI/wan2.7-i2v"), media=Media(reference_images=(IMAGE,)))
    assert made.media == Media(frame_images=(FrameImage(IMAGE, 0),))
    assert "first frame" in notes(made, "warning")["media.reference_images"].message


def test_two_reference_images_are_not_guessed_at() -> None:
    media = Media(reference_images=(IMAGE, IMAGE), frame_videos=(CLIP,))
    with pytest.raises(UnsupportedField) as refused:
        ask(BY_OPEN.find("Wan-AI/wan2.7-i2v"), media=media)
    assert refused.value.field == "media.reference_images"
    assert "media.frame_images" in str(refused.value.hint)


def test_media_that_the_hosted_id_takes_and_the_model_here_does_not_names_both() -> None:
    with pytest.raises(UnsupportedField) as refused:
        ask(BY_PICTURES.find("Wan-AI/wan2.7-t2v"), media=Media(audio_inputs=("https://example.com/a.wav",)))
    assert refused.value.field == "media.audio_inputs"
    assert "test/pictures" in refused.value.message
    assert "Wan-AI/wan2.7-t2v" in refused.value.message
    assert "it takes" not in str(refused.value.hint)


def test_a_clip_to_continue_and_one_to_edit_do_not_go_together() -> None:
    with pytest.raises(InvalidValue) as refused:
        ask(media=Media(frame_videos=(CLIP,), source_video=CLIP))
    assert (refused.value.field, refused.value.given) == ("media.frame_videos", "beside media.source_video")


def test_a_clip_to_continue_leaves_no_first_frame_to_give() -> None:
    for first in ("first", 0, None):
        media = Media(frame_videos=(CLIP,), frame_images=(FrameImage(IMAGE, first),))
        with pytest.raises(InvalidValue) as refused:
            ask(media=media)
        assert refused.value.field == "media.frame_images[0].frame"
    last = Media(frame_videos=(CLIP,), frame_images=(FrameImage(IMAGE, "last"),))
    assert placed(ask(seconds=2.0, media=last)) == [47]


def test_the_embedded_model_makes_a_video_from_pictures_without_a_word() -> None:
    assert ask(prompt=None, media=frames("first")).prompt == ""
    with pytest.raises(MissingField) as refused:
        ask(prompt=None)
    assert refused.value.field == "prompt"
    assert refused.value.allowed is not None and refused.value.allowed.startswith("prompt, media.frame_images, ")
    assert refused.value.allowed.endswith(" or media.audio_inputs")


@pytest.mark.parametrize(("frames", "fps"), [((0, 1), 24), ((46, "last"), 24), ((100, 102), 60), ((118, "last"), 60)])
def test_keyframes_on_one_frame_of_the_models_own_are_refused(frames: tuple[int, int | str], fps: int) -> None:
    media = Media(frame_images=tuple(FrameImage("https://example.com/a.png", frame) for frame in frames))
    with pytest.raises(InvalidValue) as refused:
        ask(media=media, seconds=2.0, fps=fps)
    assert refused.value.field == "media.frame_images[1].frame"
    assert refused.value.allowed == "one image for each frame of the model's own, of which it makes 12 a second"


@pytest.mark.parametrize(
    ("frames", "fps"), [((0, 2), 24), ((3, 5), 24), ((45, "last"), 24), ((28, 29), 15), ((0, 3), 60)]
)
def test_keyframes_that_the_model_can_tell_apart_are_taken(frames: tuple[int, int | str], fps: int) -> None:
    media = Media(frame_images=tuple(FrameImage("https://example.com/a.png", frame) for frame in frames))
    assert len(ask(media=media, seconds=2.0, fps=fps).media.frame_images) == 2


@pytest.mark.parametrize("own_fps", [8, 12, 16, 24])
@pytest.mark.parametrize("fps", [24, 25, 30, 48, 60])
def test_moments_a_frame_of_the_models_own_apart_have_a_frame_each(fps: int, own_fps: int) -> None:
    last = 2 * own_fps - 1
    assert (own_frame(0, fps, own_fps, last), own_frame(2 * fps - 1, fps, own_fps, last)) == (0, last)
    own = [own_frame(frame, fps, own_fps, last=1000) for frame in range(2 * fps)]
    apart = -(-fps // own_fps)
    assert all(early < late for early, late in zip(own, own[apart:], strict=False))
