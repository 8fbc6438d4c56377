"""What is here, in the dialect of each generation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from generations import Client
from served import Server


@pytest.mark.parametrize(
    ("name", "ending"),
    [("1.5.35", "/v1"), ("1.5.35", ""), ("2.42.0", "/v1"), ("2.42.0", "/v2"), ("ts", "/v1"), ("ts", "/v2")],
)
def test_the_older_three_read_a_bare_array(
    client_named: Callable[[str], Client], server: Server, name: str, ending: str
) -> None:
    rows = client_named(name).returned("models.list", base_url=server.url + ending)
    assert {row["type"] for row in rows} == {"video"}
    ids = [row["id"] for row in rows]
    assert {"test/tiny", "rushes/mini", "minimax/hailuo-02"} < set(ids)
    assert len(set(ids)) == len(ids)
    assert all(row["object"] == "model" and type(row["created"]) is int for row in rows)


def test_the_newest_pages_to_the_end(newest: Client) -> None:
    whole = newest.returned("models.list_supported", modality="MODALITY_VIDEO")
    paged = newest.returned("models.list_supported", modality="MODALITY_VIDEO", limit=3)
    assert [row["id"] for row in paged] == [row["id"] for row in whole]
    assert len(whole) > 6
    assert {row["displayType"] for row in whole} == {"video"}


def test_the_newest_finds_one_by_id_and_by_word(newest: Client) -> None:
    one = newest.returned("models.retrieve_supported", id="test/tiny")
    assert one["displayName"] == "Tiny"
    assert "CAPABILITY_VIDEO_GENERATION" in one["capabilities"]
    found = newest.returned("models.list_supported", search="HAILUO")
    assert [row["id"] for row in found] == ["minimax/hailuo-02"]
    assert newest.refused("models.retrieve_supported", id="test/other").error["code"] == "model_not_available"


def test_the_newest_lists_a_project_without_models(newest: Client) -> None:
    assert newest.returned("models.list", project_id="mine") == []


def test_each_key_says_whose_it_is(client_named: Callable[[str], Client], server: Server) -> None:
    for name in ("2.42.0", "3.1.1"):
        client = client_named(name)
        assert client.returned("whoami")["type"] == "org_api_key"
        assert "other" in str(client.returned("whoami", key=server.other_key))
