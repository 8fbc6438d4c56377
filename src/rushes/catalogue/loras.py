"""Which of the registered changes of a model's weights a request names, and how much of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from rushes.catalogue.card import Card
from rushes.catalogue.inputs import Parties
from rushes.catalogue.sizes import Size
from rushes.catalogue.wording import listed, number
from rushes.contract.request import Lora, Note
from rushes.errors import InvalidValue, UnsupportedField, shown


def settle_loras(asked: Sequence[Lora], parties: Parties) -> tuple[Lora, ...]:
    """The LoRAs of `asked` as they were registered, each with its revision; by name, because their sum has no order.

    Names are matched without regard to case. Raises UnsupportedField, InvalidValue.
    """
    rules, model = parties[-1]  # the model that makes it: a hosted id has none of its own
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
        if not rules.lora_weight.holds(lora.weight):
            nearest = rules.lora_weight.nearest(lora.weight)
            raise InvalidValue(
                field=f"loras[{index}].weight",
                given=number(lora.weight),
                allowed=rules.lora_weight.allowed,
                model=model,
                hint=None if nearest is None else f"ask for {number(nearest)}",
            )
        settled[found.name] = replace(lora, name=found.name, revision=found.revision)
    return tuple(settled[name] for name in sorted(settled))


def check_refiner(size: Size, field: str, card: Card) -> None:
    """Refuse a size that takes a second stage of a model whose LoRA for it nobody registered. Raises InvalidValue."""
    weights = card.weights
    if weights is None or weights.refiner is None or size.width * size.height <= weights.max_area:
        return
    if all(lora.name != weights.refiner for lora in card.rules.loras):
        raise InvalidValue(
            field=field,
            given=size,
            allowed=f"up to {weights.max_area:,} pixels here",
            model=card.id,
            hint="a larger one takes a second stage, and for it the makers' distilled LoRA, which the operator adds "
            f"by rushes models add-lora {weights.refiner} --to {card.id} --from FILE",
        )


def lora_notes(loras: Sequence[Lora]) -> tuple[Note, ...]:
    """What the job says of the LoRAs it is made with."""
    return tuple(
        Note("made", "loras", f"with {lora.name} (revision {lora.revision}) at {number(lora.weight)}") for lora in loras
    )
