"""LoRAs on LTX-2: film and sound follow them, for one clip alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_requests import small
from tiny_lora import ORIGINAL, linears, registered, saved, tensors
from typer.testing import CliRunner

from rushes.assemble import build_catalogue
from rushes.catalogue.card import Card
from rushes.cli.app import app
from rushes.contract.request import Lora
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.lora import networks, published
from rushes.models.parts import How
from rushes.settings import Settings
from rushes.weights.lora import read

KIND = "LTX-2.3"


def end(adapter: Ltx2Adapter, card: Card, *loras: Lora) -> Any:
    """The state behind the last step of a clip made with `loras`."""
    state: Any = adapter.prepare(adapter.encode(replace(small(card, steps=2), loras=loras)), 3)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def test_film_and_sound_follow_one_and_nothing_of_it_is_left(tiny_card: Callable[..., Card], tmp_path: Path) -> None:
    card = tiny_card(KIND)
    network = Ltx2Adapter(card).parts.transformer
    file = saved(tmp_path / "a.safetensors", tensors(network, {name: name for name in linears(network)}, size=0.1))
    card, lora = registered(card, "penguins", transformer=file)
    adapter = Ltx2Adapter(card)
    weights = {name: tensor.clone() for name, tensor in adapter.parts.transformer.state_dict().items()}
    before, with_it, after = (end(adapter, card, *loras) for loras in ((), (lora,), ()))
    assert torch.equal(before.latent_BNC, after.latent_BNC)
    assert torch.equal(before.sound_BNC, after.sound_BNC)
    assert not torch.equal(before.latent_BNC, with_it.latent_BNC)
    assert not torch.equal(before.sound_BNC, with_it.sound_BNC)
    now = adapter.parts.transformer.state_dict()
    assert list(now) == list(weights)
    assert all(torch.equal(now[name], tensor) for name, tensor in weights.items())
    begun: Any = adapter.prepare(adapter.encode(replace(small(card, steps=2), loras=(lora,))), 3)
    other = Ltx2Adapter(card)
    state: Any = other.restore(adapter.step(begun, 0).to_bytes())
    assert torch.equal(other.step(state, 1).latent_BNC, with_it.latent_BNC), "gone on with by what the state names"
    request = small(card, steps=2)
    plain, more = (adapter.needs(replace(request, loras=loras), How()).stages for loras in ((), (lora,)))
    grown = {one.name for one, other in zip(plain, more, strict=True) if other.size_bytes > one.size_bytes}
    assert grown == {"steps"}


def test_one_that_was_taught_beside_a_clip_is_registered_with_the_member_it_looks_at(
    tiny_folder: Callable[..., Path], tiny_card: Callable[..., Card], tmp_path: Path
) -> None:
    network = Ltx2Adapter(tiny_card(KIND)).parts.transformer
    changes = tensors(network, {name: name for name in linears(network)})
    half, slow = (
        str(saved(tmp_path / f"{factor}.safetensors", changes, **{f"reference_{factor}_factor": 2}))
        for factor in ("downscale", "temporal_scale")
    )
    data = tmp_path / "data"

    def models(*words: str) -> tuple[int, Any]:
        done = CliRunner().invoke(app, ["models", *words, "--data", str(data), "--json"])
        said = json.loads(done.stdout)
        return done.exit_code, said.get("error", said)

    assert models("add", "ltx-2.3", "--accept-licence", "--from", str(tiny_folder(KIND)))[0] == 0
    to = ("--to", "ltx-2.3", "--from")
    for words, param, reason in [
        ((*to, half), "reads", "its notes say that it was taught beside a clip"),
        ((*to, half, "--reads", "frame_videos"), "reads", "allowed: reference_videos or source_video"),
        ((*to, slow, "--reads", "source_video"), "from", "a reference_temporal_scale_factor of 1"),
    ]:
        code, error = models("add-lora", "redraw", *words)
        assert (code, error["param"]) == (2, param)
        assert reason in error["message"]
    code, error = models("add-lora", "distilled", *to, half, "--reads", "source_video")
    assert (code, error["param"]) == (2, "name")
    assert "allowed: another name for one that looks at a clip; model ltx-2.3" in error["message"]
    code, said = models("add-lora", "redraw", *to, half, "--reads", "media.source_video")
    assert (code, said["reads"], said["shrunk"]) == (0, "media.source_video", 2)
    info = models("info", "ltx-2.3")[1]
    assert info["loras"] == [said]
    assert info["limits"]["loras"]["reads"] == {"redraw": "media.source_video"}
    assert "source_video" in info["limits"]["media"]
    rules = build_catalogue(Settings.load({"data": data}, environ={})).find("ltx-2.3").card.rules
    (lora,) = rules.loras
    assert (lora.reads, lora.shrunk) == ("source_video", 2)
    assert rules.takes("media.source_video") and not rules.takes("media.reference_videos")


@pytest.mark.parametrize("kind", ["LTX-2", "LTX-2.3"])
def test_the_makers_own_names_are_read_as_diffusers_reads_them(
    tiny_card: Callable[..., Card], tmp_path: Path, kind: str
) -> None:
    from diffusers.loaders import lora_conversion_utils as theirs

    adapter = Ltx2Adapter(tiny_card(kind))
    network = adapter.parts.transformer
    given = tensors(network, {name: published(name) for name in linears(network)}, ORIGINAL)
    file = saved(tmp_path / "original.safetensors", given)
    (changes,) = read(file, networks(adapter.layout.checkpoint.folder)).values()
    expected = theirs._convert_non_diffusers_ltx2_lora_to_diffusers(dict(given))
    assert sorted(change.layer for change in changes) == sorted(linears(network))
    for change in changes:
        for half, key in (("down", change.down), ("up", change.up)):
            assert torch.equal(expected[f"transformer.{change.layer}.lora_{half}.weight"], given[key]), change.layer
