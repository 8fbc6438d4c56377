"""Matrices in eight bits: less memory foretold and taken, other numbers, and nothing of it left in an exact clip."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from parts_in_memory import steps_run_out_of_memory
from small_requests import small
from tiny_wan import ANY, TEXT
from torch.nn.functional import linear

from rushes.acceleration.plan import planned
from rushes.catalogue.card import Card
from rushes.cli.race import psnr_db
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.models.int8 import Int8Linear
from rushes.models.parts import How
from rushes.models.wan.adapter import WanAdapter


def bits_of(network: Any) -> str:
    said = sha256()
    for name, tensor in sorted(network.state_dict().items()):
        said.update(name.encode() + tensor.contiguous().view(torch.uint8).numpy().tobytes())
    return said.hexdigest()


def film(engine: Engine, card: Card, **asked: Any) -> Any:
    _, chunks = engine.generate(small(card, **asked), card, lambda progress: None)
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_layer_multiplies_with_its_matrix_to_within_a_step_of_each_row(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    plain = torch.nn.Linear(64, 48).to(dtype)
    plain.weight.data[7] = 0.0
    rounded = Int8Linear(plain)
    widest = plain.weight.float().abs().amax(dim=1, keepdim=True)
    off = (rounded.steps * rounded.scale[:, None] - plain.weight.float()).abs()
    assert (off <= widest / 127 / 2 * 1.001).all()
    assert off.max() > 0
    assert (rounded.weight.dtype, rounded.steps.dtype) == (dtype, torch.int8), "LoRAs compute in the layer's numbers"
    x = torch.randn(5, 64, dtype=dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 3e-2
    assert torch.allclose(rounded(x), linear(x, rounded.weight, plain.bias), atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [TEXT, ANY])
def test_what_is_foretold_of_it_is_there_and_is_less(
    tiny_card: Callable[..., Card], kind: str, dtype: torch.dtype
) -> None:
    adapter = WanAdapter(tiny_card(kind), dtype=dtype)
    plain_bytes = tensor_bytes(adapter.parts.expert("transformer"))
    adapter.accelerate(How(int8=True), lambda network: None)
    network = adapter.parts.expert("transformer")
    assert all(isinstance(block.attn1.to_q, Int8Linear) for block in network.blocks)
    foretold = adapter.networks.int8_bytes("transformer")
    assert foretold == pytest.approx(tensor_bytes(network), rel=0.12)
    assert foretold < plain_bytes
    request = small(tiny_card(kind))
    steps = [
        {stage.name: stage for stage in adapter.needs(request, how).stages}["steps"] for how in (How(), How(int8=True))
    ]
    assert sum(steps[1].parts.values()) < sum(steps[0].parts.values())


def test_a_fast_clip_without_room_is_made_in_eight_bits_and_the_exact_one_after_it_is_what_it_was(
    tiny_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    card, engine = tiny_card(TEXT), Engine(residency=KeptParts(1 << 40))
    exact = film(engine, card)
    adapter: Any = engine.adapter(card)
    before = bits_of(adapter.parts.expert("transformer"))
    steps_run_out_of_memory(adapter, monkeypatch, times=3)
    rounded = film(engine, card, quality="fast")
    plan = engine.plan(card)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["passes", "apart", "int8"]
    assert "the transformer's matrices in eight bits (lossy)" in plan.said()
    assert 30 < psnr_db(rounded, exact) < float("inf")
    assert np.array_equal(film(engine, card), exact), "bit for bit"
    assert bits_of(adapter.parts.expert("transformer")) == before
    assert adapter.how == How()


def test_it_is_a_rung_of_fast_clips_alone(tiny_card: Callable[..., Card]) -> None:
    names: dict[str, list[str]] = {}
    for quality in ("exact", "high", "fast"):
        plan, names[quality] = planned(tiny_card(TEXT), "cuda", quality), []
        while plan is not None and (plan := plan.lowered("steps")) is not None:
            names[quality].append(plan.techniques[-1].name)
    assert names == {
        "exact": ["apart", "blocks"],
        "high": ["passes", "apart", "blocks", "pieces"],
        "fast": ["passes", "apart", "int8", "blocks", "pieces"],
    }
