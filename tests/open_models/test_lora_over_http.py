"""LoRAs asked for by name through the Together client, of a tiny Wan that is served as any model is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generations import Client
from over_http import SMALLEST, Make, added, changes_said, lora_added, made_by_hand, pictures, rushes, warm
from served import Server
from tiny_cards import folder_of
from tiny_lora import linears, saved, tensors
from tiny_wan import TEXT

from rushes.catalogue.card import Card
from rushes.models.wan.adapter import WanAdapter

ID, OTHER = "wan2.1-t2v-1.3b", "studio/plain"
ASKED: dict[str, Any] = {"model": ID, **SMALLEST, "guidance_scale": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path, tiny_card: Callable[..., Card]) -> Iterator[Server]:
    card = tiny_card(TEXT)
    for words in ((ID,), (OTHER, "--like", ID)):
        added(folder, *words, "--from", folder_of(card))
    network = WanAdapter(card).parts.expert("transformer")
    for seed, name in enumerate(("penguins", "snow")):
        file = saved(folder / f"{name}.safetensors", tensors(network, {x: x for x in linears(network)}, seed=seed))
        lora_added(folder, name, ID, "--from", file)
    with warm(folder, **ASKED) as server:
        yield server


def wearing(*loras: Any, **more: Any) -> dict[str, Any]:
    """What a request for these says."""
    return {"extra_body": {"loras": list(loras), **more}}


HALF, QUARTER = ({"name": "penguins", "weight": weight} for weight in (0.5, 0.25))
PENGUINS = wearing(HALF)


def test_the_models_list_has_the_names(server: Server) -> None:
    limits = {model["id"]: model["limits"] for model in server.ask("GET", "/v1/models").json()}
    assert limits[ID]["loras"]["names"] == ["penguins", "snow"]
    assert "loras" not in limits[OTHER]


def test_a_clip_with_one_is_another_and_says_so_and_those_around_it_are_as_they_were(made: Make) -> None:
    before, with_it, again = made(), made(**PENGUINS), made(**PENGUINS)
    fully, both = made(**wearing({"name": "Penguins"})), made(**wearing({"name": "snow"}, {"name": "penguins"}))
    after, other = made(**wearing()), made(model=OTHER)
    assert with_it[1] == again[1]
    assert before[1] == after[1]
    assert np.array_equal(pictures(before[1]), pictures(other[1])), "the other model has the same transformer in memory"
    assert len({file for _, file in (before, with_it, fully, both)}) == 4
    assert "with penguins (revision " in changes_said(with_it[0])
    assert "with penguins" not in changes_said(after[0])
    assert before[0]["made"]["sha256"] != with_it[0]["made"]["sha256"]


def test_what_this_model_has_not_is_refused_by_name(client: Client, refused: Callable[..., Any]) -> None:
    assert refused(**wearing({"name": "ice"})) == (400, "loras[0].name")
    assert refused(**wearing({"name": "snow"}, {"name": "penguins", "weight": 5})) == (400, "loras[1].weight")
    assert refused(**PENGUINS, model=OTHER) == (400, "loras")
    assert refused(extra_body={"loras": "penguins"}) == (400, "loras")
    refusal = client.refused("videos.create", **ASKED, **wearing({"name": "penguin"}))
    assert "allowed: penguins or snow; model wan2.1-t2v-1.3b. Hint: did you mean penguins?" in refusal.error["message"]


def test_a_copy_is_answered_only_for_the_same_ones_at_the_same_weight(made: Make) -> None:
    _, file = made(**PENGUINS)
    copy, copied = made(**wearing(HALF, reuse=True))
    assert copy["reused"] is not None
    assert copied == file
    assert made(**wearing(QUARTER, reuse=True))[0]["reused"] is None
    assert made(extra_body={"reuse": True})[1] != file


def test_the_terminal_makes_the_same_file_and_so_does_a_replay_of_it(made: Make, folder: Path) -> None:
    by_hand = made_by_hand(folder, ASKED, "--lora", "penguins=0.5")
    assert by_hand.read_bytes() == made(**PENGUINS)[1]
    assert json.loads(rushes(folder, "replay", str(by_hand), "--prompt", ASKED["prompt"], "--json"))["same"] is True
