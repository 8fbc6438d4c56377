"""LoRAs asked for by name through the Together client, of a tiny Wan that is served as any model is."""

from __future__ import annotations

import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from generations import Client
from over_http import LOADING_S, SMALLEST, Made, added, changes_said, refused, video, warm
from served import REAL, Server
from tiny_lora import linears, saved, tensors
from tiny_wan import TEXT

from rushes.catalogue.card import Card
from rushes.models.wan.adapter import WanAdapter

ID, OTHER = "wan2.1-t2v-1.3b", "studio/plain"
ASKED: dict[str, Any] = {
    "model": ID,
    **SMALLEST,
    "guidance_scale": 5,
}
PENGUINS = [{"name": "penguins", "weight": 0.5}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def server(folder: Path, tiny_card: Callable[..., Card]) -> Iterator[Server]:
    card = tiny_card(TEXT)
    assert card.weights is not None
    for words in ((ID,), (OTHER, "--like", ID)):
        added(folder / "data", *words, "--from", str(card.weights.folder))
    network = WanAdapter(card).parts.expert("transformer")
    for seed, name in enumerate(("penguins", "snow")):
        file = saved(folder / f"{name}.safetensors", tensors(network, {x: x for x in linears(network)}, seed=seed))
        flags = ["--to", ID, "--from", str(file), "--data", str(folder / "data")]
        subprocess.run([*REAL, "models", "add-lora", name, *flags], check=True, capture_output=True)
    with warm(folder, **ASKED) as server:
        yield server


def made(server: Server, client: Client, loras: Any = None, **changes: Any) -> Made:
    more = {"extra_body": {"loras": loras}} if loras is not None else {}
    return video(server, client, **{**ASKED, **changes}, **more)


def frames(file: bytes) -> Any:
    with av.open(io.BytesIO(file)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_the_models_list_has_the_names(server: Server, client: Client) -> None:
    limits = {model["id"]: model["limits"] for model in server.ask("GET", "/v1/models").json()}
    assert limits[ID]["loras"]["names"] == ["penguins", "snow"]
    assert "loras" not in limits[OTHER]


def test_a_clip_with_one_is_another_and_says_so_and_those_around_it_are_as_they_were(
    server: Server, client: Client
) -> None:
    before, with_it, again, fully, both, after, other = (
        made(server, client, loras, **changes)
        for loras, changes in (
            (None, {}),
            (PENGUINS, {}),
            (PENGUINS, {}),
            ([{"name": "Penguins"}], {}),
            ([{"name": "snow"}, {"name": "penguins"}], {}),
            ([], {}),
            (None, {"model": OTHER}),
        )
    )
    assert with_it[1] == again[1]
    assert before[1] == after[1]
    assert np.array_equal(frames(before[1]), frames(other[1])), "the other model has the same transformer in memory"
    assert len({file for _, file in (before, with_it, fully, both)}) == 4
    assert "with penguins (revision " in changes_said(with_it[0])
    assert "with penguins" not in changes_said(after[0])
    assert before[0]["made"]["sha256"] != with_it[0]["made"]["sha256"]


def test_what_this_model_has_not_is_refused_by_name(server: Server, client: Client) -> None:
    def answer(loras: Any, **changes: Any) -> tuple[int, Any]:
        return refused(client, **{**ASKED, **changes}, extra_body={"loras": loras})

    assert answer([{"name": "ice"}]) == (400, "loras[0].name")
    assert answer([{"name": "snow"}, {"name": "penguins", "weight": 5}]) == (400, "loras[1].weight")
    assert answer(PENGUINS, model=OTHER) == (400, "loras")
    assert answer("penguins") == (400, "loras")
    refusal = client.refused("videos.create", **ASKED, extra_body={"loras": [{"name": "penguin"}]})
    assert "allowed: penguins or snow; model wan2.1-t2v-1.3b. Hint: did you mean penguins?" in refusal.error["message"]


def test_a_copy_is_answered_only_for_the_same_ones_at_the_same_weight(server: Server, client: Client) -> None:
    _, file = made(server, client, PENGUINS)

    def asked_again(loras: Any) -> Made:
        return video(server, client, **ASKED, extra_body={"reuse": True, **({"loras": loras} if loras else {})})

    copy, copied = asked_again(PENGUINS)
    assert copy["reused"] is not None
    assert copied == file
    assert asked_again([{"name": "penguins", "weight": 0.25}])[0]["reused"] is None
    plain = asked_again(None)
    assert plain[1] != file


def test_the_terminal_makes_the_same_file_and_so_does_a_replay_of_it(
    server: Server, client: Client, folder: Path
) -> None:
    _, file = made(server, client, PENGUINS)
    environment = {**os.environ, "RUSHES_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}

    def rushes(*words: str) -> str:
        done = subprocess.run(
            [*REAL, *words], env=environment, capture_output=True, text=True, timeout=LOADING_S, cwd=folder
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    flags = [f"--{name.replace('_', '-')}={value}" for name, value in ASKED.items() if name != "prompt"]
    rushes("generate", ASKED["prompt"], *flags, "--lora", "penguins=0.5", "-o", "by-hand.mp4")
    assert (folder / "by-hand.mp4").read_bytes() == file
    assert json.loads(rushes("replay", "by-hand.mp4", "--prompt", ASKED["prompt"], "--json"))["same"] is True
