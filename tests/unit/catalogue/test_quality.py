"""`quality`: what may be traded for time. Only a model that has another way takes anything but exact."""

from __future__ import annotations

import pytest

from rushes.api.together import parse_request
from rushes.catalogue.cards import CARDS, OPEN
from rushes.catalogue.limits import limits
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.request import QUALITIES, ResolvedRequest, VideoRequest
from rushes.errors import InvalidValue

MINI = CARDS[0]
WAN = next(card for card in OPEN if card.id == "wan2.1-t2v-1.3b")
CATALOGUE = Catalogue([MINI, WAN], {"minimax/hailuo-02": MINI.id, "Wan-AI/wan2.7-t2v": WAN.id})


def resolved(model: str, quality: str | None) -> ResolvedRequest:
    return resolve(VideoRequest(model=model, prompt="A penguin", quality=quality), CATALOGUE.find(model), lambda: 7)


@pytest.mark.parametrize("spelled", ["fast", "FAST", "Fast"])
def test_it_is_read_in_any_letter_case(spelled: str) -> None:
    body = f'{{"model": "m", "prompt": "p", "quality": "{spelled}"}}'.encode()
    assert parse_request(body).quality == "fast"


@pytest.mark.parametrize("given", ['"best"', "1", "true", '""', '["fast"]', '"fast "'])
def test_another_word_is_refused_with_those_that_are_known(given: str) -> None:
    with pytest.raises(InvalidValue, match=r"quality: .*allowed: exact, high or fast"):
        parse_request(f'{{"model": "m", "prompt": "p", "quality": {given}}}'.encode())


@pytest.mark.parametrize("absent", ["", ', "quality": null'])
def test_unless_asked_for_it_is_exact(absent: str) -> None:
    assert parse_request(f'{{"model": "m", "prompt": "p"{absent}}}'.encode()).quality is None
    for card in (MINI, WAN):
        assert resolved(card.id, None).quality == "exact"


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_model_with_other_ways_takes_all_three_and_says_so(quality: str) -> None:
    request = resolved(WAN.id, quality)
    assert request.quality == quality
    assert ResolvedRequest.from_json(request.to_json()) == request
    assert limits(WAN.rules)["quality"] == {"choices": list(QUALITIES), "default": "exact"}


@pytest.mark.parametrize("quality", ["high", "fast"])
def test_a_model_that_has_no_other_way_refuses_it(quality: str) -> None:
    with pytest.raises(InvalidValue, match=rf"quality: .*given {quality}; allowed: exact; .*no faster way"):
        resolved(MINI.id, quality)
    assert resolved(MINI.id, "exact").quality == "exact"
    assert limits(MINI.rules)["quality"] == {"choices": ["exact"], "default": "exact"}


def test_a_hosted_id_has_the_qualities_of_what_stands_in_for_it() -> None:
    with pytest.raises(InvalidValue, match="quality"):
        resolved("minimax/hailuo-02", "fast")
    assert resolved("Wan-AI/wan2.7-t2v", "fast").quality == "fast"


def test_the_default_is_said_where_there_is_a_choice() -> None:
    said = {note.field: note.message for note in resolved(WAN.id, None).notes if note.kind == "default"}
    assert said["quality"] == "exact, the model's default"
    assert "quality" not in {note.field for note in resolved(MINI.id, None).notes}


def test_a_row_of_a_version_that_knew_no_quality_is_exact() -> None:
    row = resolved(WAN.id, "fast").to_json()
    del row["quality"]
    assert ResolvedRequest.from_json(row).quality == "exact"
