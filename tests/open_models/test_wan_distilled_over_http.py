"""A model that wears its makers' LoRAs, added and asked for through the Together client beside its base."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from generations import Client
from over_http import SMALLEST, Make, added, changes_said, facts, lora_added, warm
from served import Server
from tiny_cards import folder_of
from tiny_lora import ORIGINAL, linears, saved, tensors
from tiny_wan import EXPERTS

from rushes.catalogue.card import Card
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.lora import published

BASE, QUICK, BARE = "wan2.2-t2v-a14b", "wan2.2-t2v-a14b-lightning", "studio/bare"
PLAIN: dict[str, Any] = {"model": BASE, **SMALLEST}
ASKED: dict[str, Any] = {"model": QUICK, **SMALLEST, "steps": None}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_card: Callable[..., Card]) -> Iterator[Server]:
    folder, card = tmp_path_factory.mktemp("served"), tiny_card(EXPERTS)
    for words in ((BASE,), (QUICK,), (BARE, "--like", QUICK)):
        added(folder, *words, "--from", folder_of(card))
    adapter, files = WanAdapter(card), list[object]()
    for seed, (option, name) in enumerate(zip(("--high", "--low"), adapter.layout.experts, strict=True)):
        network = adapter.parts.expert(name)
        names = {layer: published(layer) for layer in linears(network) if layer.startswith("blocks.")}
        files += [option, saved(folder / f"{name}.safetensors", tensors(network, names, ORIGINAL, seed=seed))]
    lora_added(folder, "lightning", QUICK, *files)
    with warm(folder, **PLAIN) as server:
        yield server


def test_four_steps_make_a_video_that_says_what_it_wears_and_its_base_makes_what_it_made(made: Make) -> None:
    _, before = made(**PLAIN)
    job, file = made()
    _, again = made(steps=4, guidance_scale=1)
    _, after = made(**PLAIN)
    assert facts(file)[:2] == (64, 64)
    assert again == file
    assert before == after
    said = changes_said(job)
    assert "with lightning (revision " in said
    assert "shifted by 5" in said


@pytest.mark.parametrize("change", [{"steps": 20}, {"negative_prompt": "blurry"}, {"guidance_scale": 4}])
def test_what_it_would_ignore_is_refused_by_name(refused: Callable[..., Any], change: dict[str, Any]) -> None:
    assert refused(**change) == (400, *change)


def test_without_its_lora_all_is_refused_by_the_way_to_register_it(client: Client) -> None:
    refusal = client.refused("videos.create", **{**SMALLEST, "model": BARE, "steps": 4})
    assert (refusal.status, refusal.error["param"]) == (400, "model")
    assert f"rushes models add-lora lightning --to {BARE} --high FILE --low FILE" in refusal.error["message"]
