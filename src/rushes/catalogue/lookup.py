"""Which model answers to an id: a card's own, or a hosted id that the operator mapped to one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from rushes.catalogue.card import Card, Rules
from rushes.catalogue.cards import OPEN
from rushes.catalogue.contracts import HOSTED
from rushes.catalogue.wording import listed
from rushes.errors import InvalidValue, ModelNotFound

ALL = "all"  # in a serve-as map: every hosted id that has no entry of its own
_LONGEST_GUESSED = 100
_A_SLIP = 0.9
_MOST_NAMED = 8  # ids in a refusal: behind them stands what can be done


@dataclass(frozen=True, slots=True)
class Offer:
    """An id that can be asked for: `rules` are the id's, `card` is the model that makes it; both must be met."""

    asked_id: str
    rules: Rules
    card: Card

    @property
    def hosted(self) -> bool:
        """Whether the id is a hosted one that the card only stands in for."""
        return self.asked_id.casefold() != self.card.id.casefold()

    @property
    def parties(self) -> tuple[tuple[Rules, str], ...]:
        """Whose rules hold, the asked id's first, with the name that an error gives for each."""
        if not self.hosted:
            return ((self.rules, self.asked_id),)
        return ((self.rules, self.asked_id), (self.card.rules, f"{self.card.id}, which serves {self.asked_id} here"))

    @property
    def unmakeable(self) -> str | None:
        """Why no request for this id can be made by its card; None where some can. For the operator to read."""
        needs = self.rules.needs
        if needs and not any(self.card.rules.takes(need) for need in needs):
            return f"{self.asked_id} needs {listed(needs)}, which {self.card.id} does not take"
        if not self.rules.prompt.taken and self.card.rules.prompt.need == "required":
            return f"{self.asked_id} takes no prompt, without which {self.card.id} makes nothing"
        return None


class Catalogue:
    """The models of this server.

    `served_as` maps hosted ids, or "all", to card ids: {"minimax/hailuo-02": "rushes/mini"}. An unknown id on either
    side raises InvalidValue here, at start, so that a typing error is not found by the first client.
    Ids are matched without regard to case, because clients in the wild write `minimax/Hailuo-02`.
    `addable` are models that could be here: who asks for one of them is told how it is added.
    """

    def __init__(
        self,
        cards: Iterable[Card],
        served_as: Mapping[str, str] | None = None,
        hosted: Mapping[str, Rules] = HOSTED,
        addable: Iterable[Card] = OPEN,
    ) -> None:
        self._cards = {card.id.casefold(): card for card in cards}
        self._addable = {card.id.casefold(): card.id for card in addable if card.id.casefold() not in self._cards}
        self._offers = {key: Offer(card.id, card.rules, card) for key, card in self._cards.items()}
        self._hosted = {id.casefold(): id for id in hosted if id.casefold() not in self._cards}
        for asked_id, card in self._mapped(served_as or {}).items():
            self._offers[asked_id.casefold()] = Offer(asked_id, hosted[asked_id].filled_by(card.rules), card)

    def find(self, model_id: str) -> Offer:
        """The offer behind `model_id`, which is kept as the client wrote it. Raises ModelNotFound."""
        offer = self._offers.get(model_id.casefold())
        if offer is None:
            raise ModelNotFound(
                field="model", given=model_id, allowed=self._allowed(), hint=self._hint(model_id.casefold())
            )
        return replace(offer, asked_id=model_id)

    def offers(self) -> tuple[Offer, ...]:
        """Every id that can be asked for, the models that are here first, then the hosted ids by name."""
        return tuple(sorted(self._offers.values(), key=lambda offer: (offer.hosted, offer.asked_id.casefold())))

    def _mapped(self, served_as: Mapping[str, str]) -> dict[str, Card]:
        """Card by hosted id, spelled as in the contracts; entries of their own win over "all"."""
        cards: dict[str, Card] = {}
        single: dict[str, Card] = {}
        for asked_id, card_id in served_as.items():
            card = self._target(asked_id, card_id)
            if asked_id.casefold() == ALL:
                cards |= dict.fromkeys(self._hosted.values(), card)
            elif asked_id.casefold() in self._hosted:
                single[self._hosted[asked_id.casefold()]] = card
            else:
                raise self._not_hosted(asked_id)
        return cards | single

    def _target(self, asked_id: str, card_id: str) -> Card:
        card = self._cards.get(card_id.casefold())
        if card is None:
            raise InvalidValue(
                field="serve_as",
                given=f"{asked_id}={card_id}",
                allowed=f"after =, {self._allowed_cards()}",
                hint=self._to_add(card_id.casefold()) or f"{card_id} is no model on this server",
            )
        return card

    def _not_hosted(self, asked_id: str) -> InvalidValue:
        here = asked_id.casefold() in self._cards
        return InvalidValue(
            field="serve_as",
            given=asked_id,
            allowed=f"before =, {listed([ALL, *self._hosted.values()])}",
            hint="this model is really here and answers to its own name" if here else None,
        )

    def _allowed(self) -> str:
        """The ids that can be asked for; where they are many, those that are really here."""
        offers = self.offers()
        if len(offers) <= _MOST_NAMED:
            return listed(offer.asked_id for offer in offers)
        named = [offer.asked_id for offer in offers if not offer.hosted][:_MOST_NAMED]
        return f"{listed([*named, f'{len(offers) - len(named)} others'])} (see the models list)"

    def _allowed_cards(self) -> str:
        return listed(card.id for card in self._cards.values())

    def _hint(self, key: str) -> str | None:
        if key in self._hosted or key in self._addable:
            return self._way(key)
        if len(key) >= _LONGEST_GUESSED:  # comparing costs the product of the lengths, and an id may be of any length
            return None
        known = {**self._addable, **{key: offer.asked_id for key, offer in self._offers.items()}}
        # A hosted id only where it is misspelt: what looks like one otherwise is rather of a model that can be here.
        close = difflib.get_close_matches(key, self._hosted, n=1, cutoff=_A_SLIP)
        close = close or difflib.get_close_matches(key, known, n=1)
        if not close:
            return None
        way = self._way(close[0])
        return f"did you mean {(self._hosted | known)[close[0]]}?" + (f" {way}" if way else "")

    def _way(self, key: str) -> str | None:
        """How a known id that cannot be asked for comes to be one that can."""
        if key in self._hosted and key not in self._offers:
            card_id = next((card.id for card in self._cards.values()), "MODEL")
            return (
                f"{self._hosted[key]} is a hosted model that is not here; "
                f"the operator can let another stand in for it: rushes serve --serve-as {self._hosted[key]}={card_id}"
            )
        return self._to_add(key)

    def _to_add(self, key: str) -> str | None:
        id = self._addable.get(key)
        return None if id is None else f"{id} is not here yet; the operator can add it: rushes models add {id}"
