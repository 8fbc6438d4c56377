"""Which media a request may bring, how much of it, and at which frame each keyframe stands. Nothing is opened here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import partial

from rushes.catalogue.card import MediaRule, Rules
from rushes.catalogue.wording import counted, listed, number
from rushes.catalogue.words import refuse_unprintable
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import Note, ResolvedRequest
from rushes.errors import InvalidValue, MissingField, UnsupportedField

Parties = Sequence[tuple[Rules, str]]
"""Whose rules hold, with the name of each for errors (`lookup.Offer.parties`)."""


def members_taken(parties: Parties) -> tuple[str, ...]:
    """Paths of the media members that every party takes."""
    paths = (f"media.{member.name}" for member in fields(Media))
    return tuple(path for path in paths if all(rules.takes(path) for rules, _ in parties))


def adopt_lone_reference(media: Media, taken: Sequence[str]) -> tuple[Media, tuple[Note, ...]]:
    """Media with a single reference image made the first frame, where frames are `taken` and references are not.

    Clients of image-to-video models send their start image as `reference_images`; the intent leaves no doubt.
    """
    lone = len(media.reference_images) == 1 and not media.frame_images and not media.frame_videos
    if not lone or "media.reference_images" in taken or "media.frame_images" not in taken:
        return media, ()
    first = FrameImage(media.reference_images[0], "first")
    note = Note(
        "warning",
        "media.reference_images",
        "this model takes no reference images; the one given is used as the first frame",
        "send it as media.frame_images",
    )
    return replace(media, reference_images=(), frame_images=(first,)), (note,)


def check_media(media: Media, rules: Rules, model: str, taken: Sequence[str]) -> None:
    """Refuse members that `rules` do not take, or not together, and items beyond their number.

    `taken` is what the hint may offer.
    Raises UnsupportedField, InvalidValue.
    """
    for name in media.given():
        path = f"media.{name}"
        rule = rules.media.of(name)
        if not rule.max_items:
            hint = (
                f"it takes {listed(taken, 'and')}" if taken else "no media can be given with this model: leave it out"
            )
            raise UnsupportedField(field=path, model=model, hint=hint)
        items = [(item, source) for member, item, source in media.items() if member == name]
        if len(items) > rule.max_items:
            raise InvalidValue(
                field=path, given=counted(len(items), "item"), allowed=f"at most {rule.max_items}", model=model
            )
        for item, source in items:
            if not source.strip():
                raise InvalidValue(field=item, given="nothing", allowed="a URL, a data URL or base64", model=model)
            refuse_unprintable(item, source)
    _check_together(media, rules, model)


FRAMES, REFERENCES = ("frame_images", "frame_videos", "source_video"), ("reference_images", "reference_videos")


def _check_together(media: Media, rules: Rules, model: str) -> None:
    """Refuse what says twice how the video begins or who it is about, what lacks its company, and too many of all."""
    given = media.given()
    for one, other in rules.media.apart:
        if one in given and other in given:
            hint = "a video is made from one or from the other"
            for members, said in ((REFERENCES, "who the video is about"), (FRAMES, "how the video begins")):
                if one in members and other in members:
                    hint = f"each says {said}"
            raise InvalidValue(
                field=f"media.{one}", given=f"beside media.{other}", allowed="one of them", model=model, hint=hint
            )
    for one, others in rules.media.beside:
        if one in given and not any(other in given for other in others):
            raise MissingField(
                field=f"media.{others[0]}",
                allowed=listed([f"media.{other}" for other in others]),
                model=model,
                hint=f"media.{one} is heard beside one of them, not alone",
            )
    items, most = sum(1 for _ in media.items()), rules.media.most
    if most is not None and items > most:
        raise InvalidValue(field="media", given=counted(items, "item"), allowed=f"at most {most} together", model=model)


def place_keyframes(media: Media, num_frames: int) -> tuple[Media, tuple[Note, ...]]:
    """Media whose keyframes all have a frame index from 0 to num_frames - 1.

    Without a frame, one image is the first, two are the first and the last, more are spread evenly between these.
    The number `num_frames` itself (seconds x fps) means the last frame, as hosted clients count it.
    Raises InvalidValue with the item's path.
    """
    images = media.frame_images
    if not images:
        return media, ()
    last = num_frames - 1
    placed: list[FrameImage] = []
    holder: dict[int, int] = {}
    for item, image in enumerate(images):
        path = f"media.frame_images[{item}].frame"
        index = _even(item, len(images), last) if image.frame is None else _index(image.frame, last, path)
        if index == 0 and media.frame_videos:
            raise InvalidValue(
                field=path,
                given="the first frame",
                allowed="a frame after the clip in media.frame_videos",
                hint="the video begins with that clip",
            )
        if index in holder:
            raise InvalidValue(
                field=path,
                given="nothing" if image.frame is None else _spoken(image.frame),
                allowed="one image per frame",
                hint=f"media.frame_images[{holder[index]}] already stands at frame {index}",
            )
        holder[index] = item
        placed.append(replace(image, frame=index))
    notes: tuple[Note, ...] = ()
    if len(images) > 2 and any(image.frame is None for image in images):
        at = listed([image.frame for image in placed], "and")
        notes = (
            Note(
                "warning", "media.frame_images", f"images without a frame are spread evenly: {at}", "give each a frame"
            ),
        )
    return replace(media, frame_images=tuple(placed)), notes


def _even(item: int, items: int, last: int) -> int:
    return 0 if items == 1 else round(item * last / (items - 1))


def _index(frame: str | int, last: int, path: str) -> int:
    if isinstance(frame, int):
        if 0 <= frame <= last + 1:
            return min(frame, last)
    elif frame.strip().lower() in ("first", "last"):
        return 0 if frame.strip().lower() == "first" else last
    raise InvalidValue(
        field=path, given=_spoken(frame), allowed=f'"first", "last" or a frame number from 0 to {last + 1}'
    )


def _spoken(frame: str | int) -> str:
    return number(frame) if isinstance(frame, int) else frame


def own_frame(frame: int, fps: float, own_fps: float, last: int) -> int:
    """The frame of the model's own, 0 to `last`, that is shown nearest to `frame` of a video at `fps`.

    Half way between two it is the earlier one: were it now the one, now the other, as `round` has it, two moments
    a whole frame apart could meet.
    """
    return min(math.ceil(frame * own_fps / fps - 0.5), last)


def own_places(request: ResolvedRequest, own_fps: float, num_own: int) -> tuple[int, ...]:
    """Of each keyframe the frame of the model's own, one of `num_own` at `own_fps`; no frame twice.

    The door asks this of the card's pace, and the job of what its adapter is going to make.
    Raises InvalidValue with the item's path where two fall on one.
    """
    place = partial(own_frame, fps=request.fps, own_fps=own_fps, last=num_own - 1)
    frames = [int(image.frame or 0) for image in request.media.frame_images]
    places = [place(frame) for frame in frames]
    for item, own in enumerate(places):
        if own not in places[:item]:
            continue
        others = {*places[:item], *places[item + 1 :]}
        near = sorted(range(request.num_frames), key=lambda frame: (abs(frame - frames[item]), -frame))
        free = next((frame for frame in near if place(frame) not in others), None)
        raise InvalidValue(
            field=f"media.frame_images[{item}].frame",
            given=frames[item],
            allowed=f"one image for each frame of the model's own, of which it makes {own_fps:g} a second",
            model=request.made_by,
            hint=f"media.frame_images[{places.index(own)}] has the one that is shown there: "
            + ("leave one out" if free is None else f"the nearest that has one for itself is frame {free}"),
        )
    return tuple(places)


def check_positions(media: Media, rule: MediaRule, num_frames: int, model: str) -> None:
    """Refuse a placed keyframe at a frame where the model takes none, and the lack of one that it needs.

    Raises InvalidValue, MissingField.
    """
    placed = {image.frame for image in media.frame_images}
    absent = [place for place in rule.needed if {"first": 0, "last": num_frames - 1}[place] not in placed]
    if absent:
        raise MissingField(
            field="media.frame_images",
            allowed=f"an image for the {listed(rule.needed, 'and the')} frame",
            model=model,
            hint=f"the {listed(absent, 'and the')} frame is missing",
        )
    if "any" in rule.positions:
        return
    allowed = {0} if "first" in rule.positions else set()
    allowed |= {num_frames - 1} if "last" in rule.positions else set()
    for item, image in enumerate(media.frame_images):
        if image.frame not in allowed:
            raise InvalidValue(
                field=f"media.frame_images[{item}].frame",
                given="the last frame" if image.frame == num_frames - 1 else f"frame {image.frame}",
                allowed=f"the {listed(rule.positions, 'and the')} frame",
                model=model,
            )
