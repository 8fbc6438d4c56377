"""`loras`: changes of a model's weights by the names that its operator gave them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rushes.api.together import parse_request
from rushes.catalogue.card import AddedLora
from rushes.catalogue.cards import CARDS, OPEN
from rushes.catalogue.limits import limits
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.loras import worn_always
from rushes.catalogue.resolve import resolve
from rushes.contract.media import Media
from rushes.contract.request import Lora, ResolvedRequest, VideoRequest
from rushes.errors import InvalidValue, MissingField, Refused, UnknownField, UnsupportedField
from rushes.jobs.rows import hash_of
from rushes.perform import described

MINI = CARDS[0]
PLAIN = next(card for card in OPEN if card.id == "wan2.1-t2v-1.3b")
ADDED = (AddedLora("Penguins", "aa11"), AddedLora("studio/snow", "bb22"))
WAN = replace(PLAIN, rules=replace(PLAIN.rules, loras=ADDED))
CATALOGUE = Catalogue([MINI, WAN], {"Wan-AI/wan2.7-t2v": WAN.id, "minimax/hailuo-02": MINI.id})


def read(loras: Any) -> tuple[Lora, ...] | None:
    return parse_request(json.dumps({"model": WAN.id, "prompt": "p", "loras": loras}).encode()).loras


def resolved(*loras: Lora, model: str = WAN.id) -> ResolvedRequest:
    return resolve(VideoRequest(model=model, prompt="A penguin", loras=loras), CATALOGUE.find(model), lambda: 7)


def test_names_are_read_with_their_weights() -> None:
    given = [{"name": "penguins", "weight": 0.8}, {"name": "snow"}, {"name": "ice", "weight": None}]
    assert read(given) == (Lora("penguins", 0.8), Lora("snow"), Lora("ice", 1.0))
    assert read(None) is None
    assert read([]) == ()


@pytest.mark.parametrize(
    ("given", "kind", "field"),
    [
        ("penguins", InvalidValue, "loras"),
        ({"name": "penguins"}, InvalidValue, "loras"),
        ([{"name": "p"}] * 9, InvalidValue, "loras"),
        (["penguins"], InvalidValue, "loras[0]"),
        ([{"weight": 1}], MissingField, "loras[0].name"),
        ([{"name": None}], MissingField, "loras[0].name"),
        ([{"name": ""}], InvalidValue, "loras[0].name"),
        ([{"name": 7}], InvalidValue, "loras[0].name"),
        ([{"name": "p"}, {"name": "q", "weight": "1"}], InvalidValue, "loras[1].weight"),
        ([{"name": "p", "weight": True}], InvalidValue, "loras[0].weight"),
        ([{"name": "p", "wieght": 0.5}], UnknownField, "loras[0].wieght"),
    ],
)
def test_what_is_no_name_with_a_weight_is_refused_by_its_place(given: Any, kind: type[Refused], field: str) -> None:
    with pytest.raises(kind) as refusal:
        read(given)
    assert refusal.value.field == field


def test_a_request_is_settled_to_the_registered_names_and_revisions_in_one_order() -> None:
    request = resolved(Lora("STUDIO/Snow", 0.5), Lora("penguins"))
    assert request.loras == (Lora("Penguins", 1.0, "aa11"), Lora("studio/snow", 0.5, "bb22"))
    assert request == resolved(Lora("penguins"), Lora("studio/snow", 0.5))
    assert ResolvedRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
    made = [note.message for note in request.notes if (note.kind, note.field) == ("made", "loras")]
    assert made == ["with Penguins (revision aa11) at 1", "with studio/snow (revision bb22) at 0.5"]


@pytest.mark.parametrize(
    ("loras", "field", "reason"),
    [
        ([Lora("ice")], "loras[0].name", "given ice; allowed: Penguins or studio/snow; model wan2.1-t2v-1.3b"),
        ([Lora("penguins"), Lora("penguin")], "loras[1].name", "did you mean Penguins?"),
        ([Lora("penguins"), Lora("PENGUINS")], "loras[1].name", "given Penguins twice"),
        ([Lora("penguins", 4.5)], "loras[0].weight", r"given 4.5; allowed: -4 to 4; .*ask for 4"),
        ([Lora("penguins", -9)], "loras[0].weight", "ask for -4"),
    ],
)
def test_another_name_or_weight_is_refused_with_those_that_are_known(
    loras: list[Lora], field: str, reason: str
) -> None:
    with pytest.raises(InvalidValue, match=reason) as refusal:
        resolved(*loras)
    assert refusal.value.field == field


@pytest.mark.parametrize("model", [MINI.id, "minimax/hailuo-02"])
def test_a_model_that_has_none_refuses_any(model: str) -> None:
    with pytest.raises(UnsupportedField, match=r"loras: .*no LoRA is registered for this model"):
        resolved(Lora("penguins"), model=model)
    assert resolved(model=model).loras == ()


def test_a_hosted_id_has_those_of_what_stands_in_for_it() -> None:
    assert resolved(Lora("penguins"), model="Wan-AI/wan2.7-t2v").loras == (Lora("Penguins", 1.0, "aa11"),)


def test_a_model_says_which_it_has() -> None:
    said = limits(WAN.rules)["loras"]
    assert said == {
        "names": ["Penguins", "studio/snow"],
        "weight": {"minimum": -4, "maximum": 4, "default": 1},
    }
    assert "loras" not in limits(PLAIN.rules)


def test_two_requests_are_the_same_only_with_the_same_ones_of_the_same_bytes_at_the_same_weight() -> None:
    request = resolved(Lora("penguins"))
    others = [(), (Lora("Penguins", 0.5, "aa11"),), (Lora("Penguins", 1.0, "cc33"),), (Lora("studio/snow"),)]
    hashes = [hash_of(one.to_json()) for one in (request, *(replace(request, loras=loras) for loras in others))]
    assert len(set(hashes)) == 5


def test_the_file_says_which_ones_made_it_and_without_any_it_says_what_it_always_said() -> None:
    assert described(resolved(Lora("penguins")))["loras"] == [{"name": "Penguins", "weight": 1.0, "revision": "aa11"}]
    assert "loras" not in described(resolved())


LIGHTNING = next(card for card in OPEN if card.id == "wan2.2-t2v-a14b-lightning")


def quick(*loras: Lora, added: tuple[AddedLora, ...] = (AddedLora("lightning", "cc33"), *ADDED)) -> ResolvedRequest:
    card = replace(LIGHTNING, rules=replace(LIGHTNING.rules, loras=added))
    request = VideoRequest(model=card.id, prompt="A penguin", loras=loras)
    return resolve(request, Catalogue([card]).find(card.id), lambda: 7)


def test_a_model_that_is_made_by_one_wears_it_whether_or_not_it_is_asked_for() -> None:
    worn = Lora("lightning", 1.0, "cc33")
    assert quick().loras == quick(Lora("Lightning")).loras == (worn,)
    assert quick(Lora("penguins", 0.5)).loras == (Lora("Penguins", 0.5, "aa11"), worn)
    assert "with lightning (revision cc33) at 1" in [note.message for note in quick().notes]
    assert quick().steps == 4
    with pytest.raises(InvalidValue, match=r"given 0\.5; allowed: 1 only") as refusal:
        quick(Lora("lightning", 0.5))
    assert refusal.value.field == "loras[0].weight"


def test_a_model_says_that_the_one_it_always_wears_takes_one_weight() -> None:
    rules = replace(LIGHTNING.rules, loras=(AddedLora("lightning", "cc33"), *ADDED))
    assert limits(rules, worn_always(LIGHTNING))["loras"] == {
        "names": ["lightning", "Penguins", "studio/snow"],
        "weight": {"minimum": -4, "maximum": 4, "default": 1},
        "always": {"name": "lightning", "weight": {"choices": [1], "default": 1}},
    }
    without = replace(rules, loras=ADDED)
    assert "always" not in limits(without, worn_always(LIGHTNING))["loras"], "it is not here yet"


@pytest.mark.parametrize("added", [(), ADDED])
def test_without_it_all_is_refused_by_the_way_to_register_it(added: tuple[AddedLora, ...]) -> None:
    with pytest.raises(InvalidValue) as refusal:
        quick(added=added)
    assert refusal.value.field == "model"
    command = "rushes models add-lora lightning --to wan2.2-t2v-a14b-lightning --high FILE --low FILE"
    assert command in str(refusal.value)


LTX = next(card for card in OPEN if card.id == "ltx-2.3")
DEPTH, POSE = AddedLora("depth", "dd44", reads="reference_videos"), AddedLora("pose", "ee55", reads="reference_videos")
REDRAW = AddedLora("redraw", "ff66", reads="source_video", shrunk=2)
CLIP, SOURCE = Media(reference_videos=("x",)), Media(source_video="x")


def beside(*loras: Lora, media: Media, added: tuple[AddedLora, ...], model: str = LTX.id) -> ResolvedRequest:
    catalogue = Catalogue([replace(LTX, rules=LTX.rules.with_loras(added))], {"Wan-AI/wan2.7-r2v": LTX.id})
    request = VideoRequest(model=model, prompt="A penguin", loras=loras, media=media)
    return resolve(request, catalogue.find(model), lambda: 7)


def test_a_clip_is_looked_at_by_the_lora_that_was_taught_to_named_or_not() -> None:
    worn = (Lora("depth", 1.0, "dd44"),)
    request = beside(media=CLIP, added=(*ADDED, DEPTH, REDRAW))
    assert request.loras == worn == beside(Lora("Depth"), media=CLIP, added=(*ADDED, DEPTH)).loras
    assert "with depth (revision dd44) at 1, which looks at media.reference_videos" in [
        note.message for note in request.notes
    ]
    assert beside(Lora("depth", 0.5), media=CLIP, added=(DEPTH, POSE)).loras == (Lora("depth", 0.5, "dd44"),)
    assert beside(media=SOURCE, added=(DEPTH, REDRAW)).loras == (Lora("redraw", 1.0, "ff66"),)
    names = [lora.name for lora in beside(Lora("studio/snow"), media=CLIP, added=(*ADDED, DEPTH)).loras]
    assert names == ["depth", "studio/snow"]
    assert beside(media=Media(), added=(DEPTH, REDRAW)).loras == ()


def test_a_hosted_id_whose_clips_a_lora_looks_at_is_served_by_it() -> None:
    refiner = AddedLora("distilled", "0d")  # for the size that it has by default
    worn = (Lora("depth", 1.0, "dd44"),)
    assert beside(media=CLIP, added=(DEPTH, refiner), model="Wan-AI/wan2.7-r2v").loras == worn
    with pytest.raises(UnsupportedField, match=r"must map it to a model"):
        beside(media=CLIP, added=(REDRAW, refiner), model="Wan-AI/wan2.7-r2v")


def test_a_hosted_id_neither_lists_nor_takes_one_that_looks_at_what_it_does_not_take() -> None:
    hosted = "Wan-AI/wan2.7-r2v"
    catalogue = Catalogue([replace(LTX, rules=LTX.rules.with_loras((*ADDED, DEPTH, REDRAW)))], {hosted: LTX.id})
    names = [lora.name for lora in (*ADDED, DEPTH)]
    said = limits(catalogue.find(hosted).rules)["loras"]
    assert (said["names"], said["reads"]) == (names, {"depth": "media.reference_videos"})
    with pytest.raises(UnsupportedField, match=r"loras: .*given redraw; model Wan-AI/wan2.7-r2v.*media.source_video"):
        beside(Lora("redraw"), media=CLIP, added=(DEPTH, REDRAW, AddedLora("distilled", "0d")), model=hosted)


@pytest.mark.parametrize(
    ("loras", "media", "added", "kind", "field", "reason"),
    [
        ([], CLIP, (), UnsupportedField, "media.reference_videos", "it takes media.frame_images"),
        ([], CLIP, (REDRAW,), UnsupportedField, "media.reference_videos", "media.source_video"),
        ([], CLIP, (DEPTH, POSE), MissingField, "loras", "allowed: depth or pose; .*looked at by one of them: name it"),
        ([Lora("depth"), Lora("pose")], CLIP, (DEPTH, POSE), InvalidValue, "loras", "given depth and pose"),
        ([Lora("depth")], Media(), (DEPTH,), MissingField, "media.reference_videos", r"leave depth out of loras"),
        ([Lora("redraw")], CLIP, (DEPTH, REDRAW), MissingField, "media.source_video", "the LoRA redraw was taught"),
        ([], replace(CLIP, source_video="x"), (DEPTH, REDRAW), InvalidValue, "media.reference_videos", "one of them"),
        ([], replace(CLIP, reference_videos=("x", "y")), (DEPTH,), InvalidValue, "media.reference_videos", "at most 1"),
    ],
)
def test_a_clip_without_its_lora_and_a_lora_without_its_clip_are_refused(
    loras: list[Lora], media: Media, added: tuple[AddedLora, ...], kind: type[Refused], field: str, reason: str
) -> None:
    with pytest.raises(kind, match=reason) as refusal:
        beside(*loras, media=media, added=added)
    assert refusal.value.field == field


def test_a_model_says_which_ones_look_at_what() -> None:
    said = limits(LTX.rules.with_loras((*ADDED, DEPTH, REDRAW)))
    assert said["loras"]["reads"] == {"depth": "media.reference_videos", "redraw": "media.source_video"}
    assert {"reference_videos", "source_video"} < said["media"].keys()
    assert not {"reference_videos", "source_video"} & limits(LTX.rules)["media"].keys()
    assert "reads" not in limits(LTX.rules.with_loras(ADDED))["loras"]


def test_a_row_of_a_version_that_knew_none_has_none() -> None:
    row = resolved().to_json()
    del row["loras"]
    assert ResolvedRequest.from_json(row).loras == ()
