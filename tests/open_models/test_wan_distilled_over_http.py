"""A model that wears its makers' LoRAs, added and asked for through the Together client beside its base."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from generations import Client
from over_http import SMALLEST, added, changes_said, facts, refused, video, warm
from served import REAL, Server
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
    assert card.weights is not None
    for words in ((BASE,), (QUICK,), (BARE, "--like", QUICK)):
        added(folder / "data", *words, "--from", str(card.weights.folder))
    adapter, files = WanAdapter(card), []
    for seed, (option, name) in enumerate(zip(("--high", "--low"), adapter.layout.experts, strict=True)):
        network = adapter.parts.expert(name)
        names = {layer: published(layer) for layer in linears(network) if layer.startswith("blocks.")}
        files += [option, str(saved(folder / f"{name}.safetensors", tensors(network, names, ORIGINAL, seed=seed)))]
    flags = ["--to", QUICK, *files, "--data", str(folder / "data")]
    subprocess.run([*REAL, "models", "add-lora", "lightning", *flags], check=True, capture_output=True)
    with warm(folder, **PLAIN) as server:
        yield server


def test_four_steps_make_a_video_that_says_what_it_wears_and_its_base_makes_what_it_made(
    server: Server, client: Client
) -> None:
    _, before = video(server, client, **PLAIN)
    job, file = video(server, client, **ASKED)
    _, again = video(server, client, **{**ASKED, "steps": 4, "guidance_scale": 1})
    _, after = video(server, client, **PLAIN)
    assert facts(file)[:2] == (64, 64)
    assert again == file
    assert before == after
    said = changes_said(job)
    assert "with lightning (revision " in said
    assert "shifted by 5" in said


@pytest.mark.parametrize("change", [{"steps": 20}, {"negative_prompt": "blurry"}, {"guidance_scale": 4}])
def test_what_it_would_ignore_is_refused_by_name(server: Server, client: Client, change: dict[str, Any]) -> None:
    assert refused(client, **{**ASKED, **change}) == (400, *change)


def test_without_its_lora_all_is_refused_by_the_way_to_register_it(server: Server, client: Client) -> None:
    refusal = client.refused("videos.create", **{**SMALLEST, "model": BARE, "steps": 4})
    assert (refusal.status, refusal.error["param"]) == (400, "model")
    assert f"rushes models add-lora lightning --to {BARE} --high FILE --low FILE" in refusal.error["message"]
