"""Which of the registered changes of a model's weights a request names, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from rushes.catalogue.card import Card, Choice, Limit, Rules, Weights
from rushes.catalogue.inputs import Parties, members_taken
from rushes.catalogue.sizes import Size
from rushes.catalogue.wording import listed, number
from rushes.contract.media import Media
from rushes.contract.request import Lora, Note
from rushes.errors import InvalidValue, MissingField, UnsupportedField, shown

WORN_WEIGHT = Choice((1,), 1)
"""What a LoRA takes without which a model is another one."""


def weight_of(name: str, rules: Rules, worn: str | None) -> Limit:
    """What the LoRA `name` takes as its weight; `worn` is the one that the model always wears."""
    return WORN_WEIGHT if name == worn else rules.lora_weight


def settle_loras(asked: Sequence[Lora], parties: Parties, worn: str | None = None) -> tuple[Lora, ...]:
    """The LoRAs of `asked` as they were registered, each with its revision; by name, because their sum has no order.

    `worn` is one that the model always wears, asked for or not. Names are matched without regard to case.
    Raises UnsupportedField, InvalidValue.
    """
    rules, model = parties[-1]  # the model that makes it: a hosted id has none of its own
    if worn is not None and all(lora.name.casefold() != worn.casefold() for lora in asked):
        asked = (*asked, Lora(worn))
    if asked and not rules.loras:
        raise UnsupportedField(
            field="loras", given=shown(asked[0].name), model=model, hint="no LoRA is registered for this model"
        )
    known = {lora.name.casefold(): lora for lora in rules.loras}
    settled: dict[str, Lora] = {}
    for index, lora in enumerate(asked):
        found = known.get(lora.name.casefold())
        if found is None:
            close = get_close_matches(lora.name.casefold(), known, n=1)
            raise InvalidValue(
                field=f"loras[{index}].name",
                given=shown(lora.name),
                allowed=listed(one.name for one in rules.loras),
                model=model,
                hint=f"did you mean {known[close[0]].name}?" if close else None,
            )
        if found.name in settled:
            raise InvalidValue(field=f"loras[{index}].name", given=f"{found.name} twice", allowed="each once")
        weight = weight_of(found.name, rules, worn)
        if not weight.holds(lora.weight):
            nearest = weight.nearest(lora.weight)
            raise InvalidValue(
                field=f"loras[{index}].weight",
                given=number(lora.weight),
                allowed=weight.allowed,
                model=model,
                hint=None if nearest is None else f"ask for {number(nearest)}",
            )
        settled[found.name] = replace(lora, name=found.name, revision=found.revision)
    return tuple(settled[name] for name in sorted(settled))


def settle_readers(loras: tuple[Lora, ...], media: Media, parties: Parties) -> tuple[Lora, ...]:
    """`loras`, and the one that looks at what `media` bring, where none is named and one alone can be meant.

    Raises MissingField, UnsupportedField, InvalidValue.
    """
    rules, model = parties[-1]
    readers = {lora.name: lora for lora in rules.loras if lora.reads in rules.lora_media}
    given = media.given()
    for lora in loras:  # by name, and no longer where the request has them
        if lora.name not in readers or readers[lora.name].reads in given:
            continue
        wanted = f"media.{readers[lora.name].reads}"
        if wanted not in members_taken(parties):
            hint = f"it looks at {wanted}, which this model does not take: leave it out"
            raise UnsupportedField(field="loras", given=lora.name, model=parties[0][1], hint=hint)
        hint = f"the LoRA {lora.name} was taught to look at one: send it, or leave {lora.name} out of loras"
        raise MissingField(field=wanted, allowed="a clip", model=model, hint=hint)
    for member in given:
        names = [name for name, lora in readers.items() if lora.reads == member]
        worn = [lora.name for lora in loras if lora.name in names]
        if len(worn) > 1:
            raise InvalidValue(
                field="loras", given=listed(worn, "and"), allowed=f"one that looks at media.{member}", model=model
            )
        if names and not worn:
            if len(names) > 1:
                hint = f"media.{member} is looked at by one of them: name it"
                raise MissingField(field="loras", allowed=listed(names), model=model, hint=hint)
            loras = (*loras, Lora(names[0], 1.0, readers[names[0]].revision))
    return tuple(sorted(loras, key=lambda lora: lora.name))


def check_refiner(size: Size, field: str, card: Card) -> None:
    """Refuse what takes a LoRA of the makers' that nobody registered: a second stage, or all. Raises InvalidValue."""
    weights = card.weights
    if weights is None or weights.refiner is None or any(lora.name == weights.refiner for lora in card.rules.loras):
        return
    if weights.always_refined:
        raise InvalidValue(
            field="model",
            given=card.id,
            allowed="a model that has all it needs",
            hint="it lacks its distilled LoRA, which the operator adds by " + to_add_refiner(card.id, weights),
        )
    if size.width * size.height > weights.max_area:
        raise InvalidValue(
            field=field,
            given=size,
            allowed=f"up to {weights.max_area:,} pixels here",
            model=card.id,
            hint="a larger one takes a second stage, and for it the makers' distilled LoRA, which the operator adds "
            f"by {to_add_refiner(card.id, weights)}",
        )


def to_add_refiner(id: str, weights: Weights) -> str:
    """The command by which the operator registers the LoRA that `weights` of the model `id` name."""
    files = " ".join(f"{option} FILE" for option in weights.refiner_files)
    return f"rushes models add-lora {weights.refiner} --to {id} {files}"


def worn_always(card: Card) -> str | None:
    """The LoRA without which `card` is another model."""
    return card.weights.refiner if card.weights is not None and card.weights.always_refined else None


def lora_notes(loras: Sequence[Lora], rules: Rules) -> tuple[Note, ...]:
    """What the job says of the LoRAs it is made with."""
    reads = {lora.name: f", which looks at media.{lora.reads}" for lora in rules.loras if lora.reads}
    return tuple(
        Note(
            "made",
            "loras",
            f"with {lora.name} (revision {lora.revision}) at {number(lora.weight)}{reads.get(lora.name, '')}",
        )
        for lora in loras
    )
