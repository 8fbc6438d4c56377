"""Which id finds which model, and what the operator may map."""

from __future__ import annotations

import re

import pytest
from catalogue_cases import BY_MINI, BY_PICTURES, MINI, OPEN_CARD

from rushes.catalogue.card import Card
from rushes.catalogue.cards import CARDS, OPEN
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.contracts import HOSTED
from rushes.catalogue.lookup import Catalogue
from rushes.errors import InvalidValue, ModelNotFound


def test_the_package_brings_its_embedded_model() -> None:
    assert [card.id for card in CARDS] == [MINI]
    assert CARD.adapter == "rushes.models.mini.adapter:MiniAdapter"


@pytest.mark.parametrize("asked", ["rushes/mini", "Rushes/Mini", "RUSHES/MINI"])
def test_ids_are_found_in_any_case_and_echoed_as_asked(asked: str) -> None:
    offer = Catalogue([CARD]).find(asked)
    assert (offer.asked_id, offer.card, offer.hosted) == (asked, CARD, False)


@pytest.mark.parametrize("hosted", sorted(HOSTED))
def test_a_hosted_id_answers_not_found_until_the_operator_maps_it(hosted: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD]).find(hosted)
    assert (refused.value.status, refused.value.code, refused.value.field) == (404, "model_not_available", "model")
    assert f"--serve-as {hosted}=rushes/mini" in str(refused.value.hint)


def test_a_mapped_id_is_served_and_its_neighbours_are_not() -> None:
    catalogue = Catalogue([CARD], {"MiniMax/hailuo-02": "Rushes/mini"})
    offer = catalogue.find("minimax/Hailuo-02")
    assert (offer.asked_id, offer.card.id, offer.hosted) == ("minimax/Hailuo-02", MINI, True)
    with pytest.raises(ModelNotFound):
        catalogue.find("Wan-AI/wan2.7-t2v")


def test_all_maps_every_hosted_id_and_a_pair_of_its_own_goes_first_in_either_order() -> None:
    for served_as in (
        {"all": MINI, "minimax/hailuo-02": OPEN_CARD.id},
        {"minimax/hailuo-02": OPEN_CARD.id, "ALL": MINI},
    ):
        catalogue = Catalogue([CARD, OPEN_CARD], served_as)
        assert catalogue.find("minimax/hailuo-02").card is OPEN_CARD
        assert all(catalogue.find(id).card is CARD for id in HOSTED if id != "minimax/hailuo-02")


def test_offers_list_what_is_really_here_first() -> None:
    ids = [offer.asked_id for offer in BY_MINI.offers()]
    assert ids[0] == MINI
    assert set(ids[1:]) == set(HOSTED)
    assert [offer.asked_id for offer in Catalogue([CARD]).offers()] == [MINI]


@pytest.mark.parametrize(
    ("served_as", "said"),
    [
        ({"minimax/hailuo-03": MINI}, "minimax/hailuo-02"),
        ({"minimax/hailuo-02": "rushes/maxi"}, "rushes/mini"),
        ({"all": "rushes/maxi"}, "rushes/mini"),
        ({MINI: MINI}, "really here"),
        ({"": ""}, "rushes/mini"),
    ],
)
def test_a_mapping_that_names_nothing_known_is_an_error_at_start(served_as: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        Catalogue([CARD], served_as)
    assert refused.value.field == "serve_as"
    assert said in refused.value.message


def test_a_near_miss_is_helped() -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD]).find("rushes/mimi")
    assert refused.value.hint == "did you mean rushes/mini?"
    assert refused.value.allowed == "rushes/mini"


def test_a_near_miss_of_a_hosted_id_is_told_which_one_and_how_it_could_be_here() -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD]).find("minimax/hailuo-2")
    assert str(refused.value.hint).startswith("did you mean minimax/hailuo-02? minimax/hailuo-02 is a hosted model")
    assert str(refused.value.hint).endswith("rushes serve --serve-as minimax/hailuo-02=rushes/mini")
    with pytest.raises(ModelNotFound) as refused:
        BY_MINI.find("minimax/hailuo-2")
    assert refused.value.hint == "did you mean minimax/hailuo-02?"


def test_the_hubs_name_of_a_model_that_could_be_here_is_not_taken_for_a_hosted_id() -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD]).find("Wan-AI/Wan2.1-T2V-1.3B")
    assert str(refused.value.hint).startswith("did you mean wan2.1-t2v-1.3b?")


def test_what_can_be_done_is_not_lost_behind_all_that_is_offered() -> None:
    with pytest.raises(ModelNotFound) as refused:
        BY_MINI.find("rushes/mimi")
    assert refused.value.allowed == f"rushes/mini or {len(HOSTED)} others (see the models list)"
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD], {"minimax/hailuo-02": MINI}).find("rushes/mimi")
    assert refused.value.allowed == "rushes/mini or minimax/hailuo-02"


@pytest.mark.parametrize("asked", ["", "\ud800", "x" * 1_000_000, "rushes/mini\x00", "../../etc/passwd"])
def test_any_other_string_is_a_model_that_is_not_here(asked: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        BY_MINI.find(asked)
    assert len(refused.value.message) < 800
    refused.value.message.encode("utf-8")


def test_ids_that_the_model_here_can_never_make_say_why() -> None:
    stuck = {offer.asked_id: offer.unmakeable for offer in BY_PICTURES.offers() if offer.unmakeable}
    assert stuck == {
        "Wan-AI/wan2.7-r2v": "Wan-AI/wan2.7-r2v needs media.reference_images or media.reference_videos, "
        "which test/pictures does not take"
    }
    assert not any(offer.unmakeable for offer in BY_MINI.offers())


@pytest.mark.parametrize("card", OPEN, ids=lambda card: card.id)
def test_a_model_that_could_be_here_is_answered_with_the_way_to_add_it(card: Card) -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD]).find(card.id.upper())
    assert str(refused.value.hint).endswith(f"rushes models add {card.id}")
    with pytest.raises(InvalidValue, match=f"rushes models add {re.escape(card.id)}$"):
        Catalogue([CARD], {"all": card.id})


def test_a_near_miss_of_a_model_that_could_be_here_is_told_both() -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD], addable=[OPEN_CARD]).find(OPEN_CARD.id + "x")
    assert f"did you mean {OPEN_CARD.id}?" in str(refused.value.hint)
    assert str(refused.value.hint).endswith(f"rushes models add {OPEN_CARD.id}")


def test_what_was_added_is_not_told_to_be_added() -> None:
    with pytest.raises(ModelNotFound) as refused:
        Catalogue([CARD, OPEN_CARD], addable=[OPEN_CARD]).find(OPEN_CARD.id + "x")
    assert refused.value.hint == f"did you mean {OPEN_CARD.id}?"
