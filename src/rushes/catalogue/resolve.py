"""From what was asked to what will be made: every value settled, or a refusal that says which field and why.

Nothing is clamped and nothing is dropped. A hosted id is held against its own rules first and then against
those of the model that stands in for it; an error names the one that set the limit.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from rushes.catalogue.advice import advise
from rushes.catalogue.card import SEED_HIGH, Advised, Limit, Rules
from rushes.catalogue.inputs import (
    Parties,
    adopt_lone_reference,
    check_media,
    check_positions,
    members_taken,
    own_places,
    place_keyframes,
)
from rushes.catalogue.lookup import Offer
from rushes.catalogue.loras import check_refiner, lora_notes, settle_loras, settle_readers, worn_always
from rushes.catalogue.sizes import Size, settle_size
from rushes.catalogue.wording import listed, number
from rushes.catalogue.words import check_text, checked_metadata
from rushes.contract.request import Note, ResolvedRequest, VideoRequest
from rushes.errors import InvalidDuration, InvalidValue, MissingField, UnsupportedField

_UNITS = {"seconds": " seconds", "fps": " frames per second"}


def random_seed() -> int:
    """A seed nobody can guess the next of; what `draw_seed` is outside tests."""
    return secrets.randbelow(SEED_HIGH + 1)


def resolve(request: VideoRequest, offer: Offer, draw_seed: Callable[[], int]) -> ResolvedRequest:
    """Settle `request` for the model behind `offer`.

    Depends on nothing but its arguments; `draw_seed` is called once, and only where no seed was given.
    Raises MissingField, UnsupportedField, InvalidDuration or InvalidValue of `errors`, and nothing else.
    """
    parties = offer.parties
    taken = members_taken(parties)
    media, adopted = adopt_lone_reference(request.media, taken)
    _check_needs(replace(request, media=media), parties)
    for rules, model in parties:
        check_media(media, rules, model, taken)
        check_text("prompt", request.prompt, rules.prompt, model)
        check_text("negative_prompt", request.negative_prompt, rules.negative_prompt, model)
        _check_audio(request, rules, model)

    size, sized = _settle_size(request, parties)
    check_refiner(size, _size_field(request), offer.card)
    seconds, fps = _settle(request, "seconds", parties), _settle(request, "fps", parties)
    num_frames = max(1, round(seconds * fps))
    media, placed = place_keyframes(media, num_frames)
    for rules, model in parties:
        check_positions(media, rules.media.frame_images, num_frames, model)

    resolved = ResolvedRequest(
        model=offer.asked_id,
        made_by=offer.card.id,
        revision=offer.card.revision,
        prompt=request.prompt or "",
        negative_prompt=request.negative_prompt or "",
        width=size.width,
        height=size.height,
        seconds=float(seconds),
        fps=int(fps),
        num_frames=num_frames,
        steps=int(_settle(request, "steps", parties)),
        guidance_scale=float(_settle(request, "guidance_scale", parties)),
        seed=_settle_seed(request, parties, draw_seed),
        output_format=_settle_format(request, parties),
        output_quality=int(_settle(request, "output_quality", parties)),
        generate_audio=bool(request.generate_audio),
        media=media,
        metadata=checked_metadata(request.metadata),
        quality=_settle_quality(request, parties),
        loras=settle_readers(settle_loras(request.loras or (), parties, worn_always(offer.card)), media, parties),
    )
    if (pace := offer.card.rules.media.pace) is not None:
        own_places(resolved, pace.rate(resolved.fps), pace.num_frames(resolved.seconds, resolved.fps))
    notes = (
        *(Note("warning", "request", _storable(warning)) for warning in request.warnings),
        *_stand_in_note(offer),
        *adopted,
        *placed,
        *sized,
        *_default_notes(request, resolved, offer.rules),
        *lora_notes(resolved.loras, offer.card.rules),
        *advise(request, resolved, offer.rules),
    )
    return replace(resolved, notes=notes)


def _stand_in_note(offer: Offer) -> tuple[Note, ...]:
    """A hosted id is never a silent alias: the job says what really made it."""
    if not offer.hosted:
        return ()
    return (Note("made", "model", f"{offer.asked_id} is not on this server; {offer.card.id} stands in for it"),)


def _storable(text: str) -> str:
    """`text`, which may quote what a client sent, as UTF-8 can hold it."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _check_needs(request: VideoRequest, parties: Parties) -> None:
    """Refuse a request without the one thing its model starts from, or whose model can start from nothing at all."""
    for rules, model in parties:
        if not rules.needs:
            continue
        possible = [path for path in rules.needs if all(other.takes(path) for other, _ in parties)]
        if not possible:
            raise UnsupportedField(
                field=rules.needs[0],
                model=parties[-1][1],
                hint=f"{model} starts from {listed(rules.needs)}; the operator must map it to a model that takes that",
            )
        if "prompt" in possible and any(other.prompt.need == "required" for other, _ in parties):
            continue  # words are asked for whatever else is given: `check_text` says so
        if not any(_is_given(request, path) for path in rules.needs):
            if "prompt" in possible and request.prompt is not None:
                raise InvalidValue(field="prompt", given="nothing", allowed=rules.prompt.allowed, model=model)
            raise MissingField(
                field=possible[0],
                allowed=listed(possible),
                model=model,
                hint="the video starts from it" if len(possible) == 1 else "the video starts from one of them",
            )


def _is_given(request: VideoRequest, path: str) -> bool:
    if path.startswith("media."):
        return path.removeprefix("media.") in request.media.given()
    return bool(getattr(request, path))


def _check_audio(request: VideoRequest, rules: Rules, model: str) -> None:
    if request.generate_audio and not rules.generate_audio:
        raise UnsupportedField(
            field="generate_audio", given="true", allowed="false", model=model, hint="this model makes no sound"
        )


def _settle_size(request: VideoRequest, parties: Parties) -> tuple[Size, tuple[Note, ...]]:
    (rules, model), *others = parties
    size, notes = settle_size(request, rules.sizes, model)
    for other, name in others:
        if not other.sizes.can_make(size):
            raise InvalidValue(
                field=_size_field(request),
                given=size,
                allowed=other.sizes.allowed,
                model=name,
            )
    return size, notes


def _size_field(request: VideoRequest) -> str:
    return "width" if request.resolution is None and request.ratio is None else "resolution"


def _settle(request: VideoRequest, field: str, parties: Parties) -> float:
    """The number asked for, or the first party's default, within every party's limit."""
    limit: Limit = getattr(parties[0][0], field)
    value: float | None = getattr(request, field)
    if value is None:
        value = limit.default
    if value is None:
        raise ValueError(f"{parties[0][1]}: no default for {field}")
    for rules, model in parties:
        limit = getattr(rules, field)
        if not limit.holds(value):
            nearest = limit.nearest(value)
            raise (InvalidDuration if field == "seconds" else InvalidValue)(
                field=field,
                given=number(value),
                allowed=limit.allowed,
                model=model,
                hint=_way_out(field, value, nearest, parties),
            )
    return value


def _way_out(field: str, value: float, nearest: float | None, parties: Parties) -> str | None:
    if nearest is None:
        return None
    hint = f"ask for {number(nearest)}"
    if field == "seconds" and value > nearest and "media.frame_videos" in members_taken(parties):
        return f"{hint}, or continue the clip with media.frame_videos"
    return hint


def _settle_seed(request: VideoRequest, parties: Parties, draw_seed: Callable[[], int]) -> int:
    if request.seed is None:
        return draw_seed()
    for rules, model in parties:
        if not rules.seed.holds(request.seed):
            raise InvalidValue(
                field="seed",
                given=number(request.seed),
                allowed=rules.seed.allowed,
                model=model,
                hint="leave seed out for a random one" if request.seed < 0 else None,
            )
    return request.seed


def _settle_format(request: VideoRequest, parties: Parties) -> str:
    asked = request.output_format
    chosen = parties[0][0].output_formats[0] if asked is None else asked.upper()
    for rules, model in parties:
        if chosen not in rules.output_formats:
            raise InvalidValue(field="output_format", given=asked, allowed=listed(rules.output_formats), model=model)
    return chosen


def _settle_quality(request: VideoRequest, parties: Parties) -> str:
    chosen = parties[0][0].qualities[0] if request.quality is None else request.quality
    for rules, model in parties:
        if chosen not in rules.qualities:
            raise InvalidValue(
                field="quality",
                given=chosen,
                allowed=listed(rules.qualities),
                model=model,
                hint="this model has no faster way" if len(rules.qualities) == 1 else None,
            )
    return chosen


def _default_notes(request: VideoRequest, resolved: ResolvedRequest, rules: Rules) -> tuple[Note, ...]:
    """One note per value that was not asked for; the size's are written where the size is settled."""
    values: dict[str, str] = {
        field: f"{number(getattr(resolved, field))}{_UNITS.get(field, '')}, the model's default"
        for field in ("seconds", "fps", "steps", "guidance_scale", "output_quality")
    }
    values["output_format"] = f"{resolved.output_format}, the model's default"
    heard = resolved.media.audio_inputs and not rules.media.audio_inputs.whole
    values["generate_audio"] = "none is made; the one that was sent is heard" if heard else "no sound"
    if len(rules.qualities) > 1:
        values["quality"] = f"{resolved.quality}, the model's default"
    notes = [Note("default", field, message) for field, message in values.items() if getattr(request, field) is None]
    if request.negative_prompt is None and rules.takes("negative_prompt"):
        such_as = (rules.advised or Advised()).negative_prompt
        suggestion = f'if something unwanted shows, name it, such as "{such_as}"'
        notes.append(Note("default", "negative_prompt", "nothing is excluded", suggestion))
    if request.seed is None:
        notes.append(
            Note(
                "default",
                "seed",
                f"{resolved.seed}, drawn for this video",
                f"send seed={resolved.seed} to make it again",
            )
        )
    return tuple(notes)
