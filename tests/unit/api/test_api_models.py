"""The lists of models, in the dialect of each client generation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

import httpx
import pytest

from rushes.catalogue.card import AddedLora, MediaRules
from rushes.catalogue.cards import OPEN
from rushes.catalogue.cards.mini import CARD
from rushes.catalogue.lookup import Catalogue
from rushes.jobs.store import JobStore
from rushes.storage.local import LocalStorage
from rushes.videos import Videos

LIGHTNING = "wan2.2-t2v-a14b-lightning"


@pytest.fixture(scope="module")
def client(open_door: Callable[..., str], store: JobStore, storage: LocalStorage) -> Iterator[httpx.Client]:
    """A server whose operator mapped every hosted id to the embedded model, and one to a model of words only.

    And a model that always wears a LoRA, which is here.
    """
    words = replace(CARD, id="test/words", rules=replace(CARD.rules, media=MediaRules(), needs=("prompt",)))
    lightning = next(card for card in OPEN if card.id == LIGHTNING)
    worn = replace(lightning, rules=replace(lightning.rules, loras=(AddedLora("lightning", "cc33"),)))
    catalogue = Catalogue([CARD, words, worn], {"all": "rushes/mini", "Wan-AI/wan2.7-r2v": "test/words"})
    with httpx.Client(base_url=open_door(videos=Videos(catalogue, store, storage))) as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/v2/models", "/v1/models/"])
def test_old_clients_get_a_bare_array_of_rows_they_can_validate(client: httpx.Client, path: str) -> None:
    rows = client.get(path).json()
    assert isinstance(rows, list) and len(rows) > 5
    for row in rows:
        assert row["object"] == "model" and row["type"] == "video"
        assert type(row["created"]) is int
        assert set(row["pricing"]) >= {"hourly", "input", "output", "base", "finetune"}
        assert row["limits"]["prompt"] is None or row["limits"]["prompt"]["max_characters"] <= 32_000
    assert rows[0]["id"] == "rushes/mini"


def test_a_mapped_id_says_what_makes_it(client: httpx.Client) -> None:
    rows = {row["id"]: row for row in client.get("/v1/models").json()}
    hosted = rows["minimax/hailuo-02"]
    assert hosted["made_by"] == "rushes/mini" and "Rushes mini" in hosted["display_name"]
    assert hosted["organization"] == "minimax"
    assert rows["rushes/mini"]["made_by"] == "rushes/mini"


def test_a_mapped_id_that_no_request_can_meet_says_why(client: httpx.Client) -> None:
    old = {row["id"]: row["unmakeable"] for row in client.get("/v1/models").json()}
    new = {row["id"]: row["unmakeable"] for row in client.get("/v2/supported-models").json()["data"]}
    assert old == new
    assert (old["rushes/mini"], old["minimax/hailuo-02"]) == (None, None)
    assert old["Wan-AI/wan2.7-r2v"].endswith("which test/words does not take")


@pytest.mark.parametrize("path", ["/v1/models", "/v2/supported-models"])
def test_what_a_model_always_wears_takes_the_one_weight_that_is_shown(client: httpx.Client, path: str) -> None:
    rows = client.get(path).json()
    row = next(row for row in (rows if isinstance(rows, list) else rows["data"]) if row["id"] == LIGHTNING)
    assert row["limits"]["loras"]["always"] == {"name": "lightning", "weight": {"choices": [1], "default": 1}}


@pytest.mark.parametrize("prefix", ["/v2", "/v1/v2", "/v2/v2"])
def test_new_clients_page_to_the_end(client: httpx.Client, prefix: str) -> None:
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        page = client.get(f"{prefix}/supported-models", params=query).json()
        assert page["object"] == "list" and len(page["data"]) <= 2
        seen += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        query["after"] = page["next_cursor"]
    assert seen == [row["id"] for row in client.get("/v1/models").json()]


def test_rows_for_new_clients_are_spelled_as_theirs(client: httpx.Client) -> None:
    row = client.get("/v2/supported-models").json()["data"][0]
    assert row["capabilities"] == ["CAPABILITY_VIDEO_GENERATION"] and row["displayType"] == "video"
    assert "MODALITY_TEXT" in row["inputModalities"] and "MODALITY_VIDEO" in row["outputModalities"]
    assert datetime.fromisoformat(row["createdAt"]).tzinfo is not None
    needed = {"baseModel", "baseModelId", "deploymentProfiles", "products", "publisher", "status", "updatedAt", "name"}
    assert needed <= set(row)


@pytest.mark.parametrize(
    ("query", "some"),
    [
        ("modality=MODALITY_VIDEO", True),
        ("modality=MODALITY_TEXT", True),
        ("product=PRODUCT_SERVERLESS", True),
        ("product=PRODUCT_FINE_TUNING", False),
        ("adapterMode=ADAPTER_MODE_DISABLED", True),
        ("adapterMode=ADAPTER_MODE_DYNAMIC", False),
        ("search=RUSHES", True),
        ("search=no-such-model", False),
    ],
)
def test_filters_keep_what_they_name(client: httpx.Client, query: str, some: bool) -> None:
    assert bool(client.get(f"/v2/supported-models?{query}").json()["data"]) is some


@pytest.mark.parametrize("id", ["rushes%2Fmini", "rushes/mini", "Rushes%2FMINI"])
def test_one_model_by_its_id(client: httpx.Client, id: str) -> None:
    assert client.get(f"/v2/supported-models/{id}").json()["id"] == "rushes/mini"


def test_a_model_that_is_not_here(client: httpx.Client) -> None:
    reply = client.get("/v2/supported-models/nobody/nothing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_available")


def test_projects_hold_no_models_of_their_own(client: httpx.Client) -> None:
    assert client.get("/v2/projects/mine/models").json() == {"object": "list", "data": [], "next_cursor": None}
