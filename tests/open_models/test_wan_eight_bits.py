"""Matrices in eight bits: less memory foretold and taken, other numbers, and nothing of it left in an exact clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
import torch
from parts_in_memory import steps_run_out_of_memory
from small_requests import small
from tiny_wan import ANY, TEXT
from torch.nn.functional import linear

from rushes.acceleration.dress import Dress
from rushes.acceleration.plan import planned
from rushes.acceleration.trial import OFF, fp8_gain, fp8_pays
from rushes.catalogue.card import Card
from rushes.cli.race import psnr_db
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.models.eight_bits import KINDS, Fp8Linear, Int8Linear, narrowed, narrows
from rushes.models.parts import FP8, INT8, PUBLISHED, How
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
def test_a_layer_of_eight_bit_floats_multiplies_in_them_each_token_by_a_scale_of_its_own(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    plain = torch.nn.Linear(64, 48).to(dtype)
    plain.weight.data[7] = 0.0
    narrow = Fp8Linear(plain)
    assert (narrow.weight.dtype, narrow.steps.dtype) == (dtype, torch.float8_e4m3fn)
    off = (narrow.weight - plain.weight).float().abs()
    assert (off <= plain.weight.float().abs() / 16 * 1.1 + narrow.scale[:, None] * 2**-9).all(), "four bits of each"
    x = torch.randn(2, 5, 64, dtype=dtype) * torch.logspace(-6, 6, 10, dtype=dtype).reshape(2, 5, 1)
    x[0, 0] = 0.0
    made, expected = narrow(x).float(), plain(x).float()
    assert made.shape == expected.shape
    off = ((made - expected).norm(dim=-1) / expected.norm(dim=-1)).max()
    assert 0 < off < 0.06, "a token of millionths is as near as one of millions"
    assert torch.equal(narrow(x[:, 2:3]), narrow(x)[:, 2:3]), "whatever else is in the clip"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("matrices", [INT8, FP8])
@pytest.mark.parametrize("kind", [TEXT, ANY])
def test_what_is_foretold_of_it_is_there_and_is_less(
    tiny_card: Callable[..., Card], kind: str, matrices: str, dtype: torch.dtype
) -> None:
    adapter = WanAdapter(tiny_card(kind), dtype=dtype)
    plain_bytes = tensor_bytes(adapter.parts.expert("transformer"))
    adapter.accelerate(How(matrices=matrices), lambda network: None)
    network = adapter.parts.expert("transformer")
    assert all(isinstance(block.attn1.to_q, KINDS[matrices]) for block in network.blocks)
    foretold = adapter.networks.stored_bytes("transformer", matrices)
    assert foretold == pytest.approx(tensor_bytes(network), rel=0.12)
    assert foretold < plain_bytes
    request = small(tiny_card(kind))
    steps = [
        {stage.name: stage for stage in adapter.needs(request, how).stages}["steps"]
        for how in (How(), How(matrices=matrices))
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
        plan, names[quality] = planned(tiny_card(TEXT), "cuda", quality, fp8=lambda device: False), []
        while plan is not None and (plan := plan.lowered("steps")) is not None:
            names[quality].append(plan.techniques[-1].name)
    assert names == {
        "exact": ["apart", "blocks"],
        "high": ["passes", "apart", "blocks", "pieces"],
        "fast": ["passes", "apart", "int8", "blocks", "pieces"],
    }


def test_what_no_product_of_eight_bit_floats_takes_stays_plain_and_is_counted_so() -> None:
    network = torch.nn.Module()
    network.blocks = torch.nn.ModuleList([torch.nn.Sequential(torch.nn.Linear(64, 40), torch.nn.Linear(40, 64))])
    network.head = torch.nn.Linear(64, 64)
    assert {type(layer) for layer in narrowed(network, FP8).blocks[0]} == {torch.nn.Linear}
    assert [narrows(matrices, (64, 40)) for matrices in (PUBLISHED, FP8, INT8)] == [False, False, True]
    assert {type(layer) for layer in narrowed(network, INT8).blocks[0]} == {Int8Linear}
    assert type(network.head) is torch.nn.Linear


@pytest.mark.parametrize(
    ("quality", "device", "pays", "taken"),
    [
        ("fast", "cuda", True, True),
        ("fast", "cuda", False, False),
        ("high", "cuda", True, False),
        ("exact", "cuda", True, False),
    ],
)
def test_products_in_eight_bit_floats_are_of_fast_clips_on_a_card_that_gains_by_them(
    tiny_card: Callable[..., Card], quality: str, device: str, pays: bool, taken: bool
) -> None:
    plan = planned(tiny_card(TEXT), device, quality, fp8=lambda asked: pays and asked == device)
    assert plan is not None
    assert (plan.how.matrices == FP8) == taken
    assert ("multiplied in eight-bit floats (lossy)" in plan.said()) == taken
    assert plan.tried == (), "for time, not because memory was short"
    names = []
    while (plan := plan.lowered("steps")) is not None:
        names.append(plan.techniques[-1].name)
        assert (plan.how.matrices == FP8) == taken
    assert ("int8" in names) == (quality == "fast" and not taken), "they are in eight bits already"


def test_a_clip_by_them_is_near_and_the_exact_one_after_it_is_what_it_was(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    adapter, films, formats = WanAdapter(card), [], []
    plan = planned(card, "cpu", "fast", fp8=lambda device: True)
    assert plan is not None
    for how in (How(), replace(plan.how, reuse=0.0), How()):
        adapter.accelerate(how, Dress(how))
        formats.append(adapter.state_format())
        state = adapter.prepare(adapter.encode(small(card)), 7)
        while state.index < state.num_steps:
            state = adapter.step(state, state.index)
        films.append(np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)]))
    assert 20 < psnr_db(films[1], films[0]) < float("inf")  # weights by chance
    assert np.array_equal(films[2], films[0]), "bit for bit"
    assert formats[0] == formats[2] != formats[1]


def test_what_a_card_gains_is_tried_by_products_that_come_out_right() -> None:
    gain, off = fp8_gain(torch.device("cpu"), torch.bfloat16, tokens=64, width=256)
    assert gain > 0
    assert 0.01 < off < OFF
    assert not fp8_pays("cpu"), "torch makes them of plain ones there"
    assert torch.cuda.is_available() or not fp8_pays("cuda")


@pytest.mark.parametrize("matrices", [INT8, FP8])
def test_blocks_in_eight_bits_are_traced_whole(
    tiny_card: Callable[..., Card], traced: list[Any], matrices: str
) -> None:
    card, ends = tiny_card(TEXT), []
    adapter = WanAdapter(card)
    for how in (How(matrices=matrices), How(matrices=matrices, compiled=True)):
        adapter.accelerate(how, Dress(how))
        ends.append(adapter.step(adapter.prepare(adapter.encode(small(card, steps=1)), 7), 0).latent_BCTHW)
    assert traced
    assert (ends[1] - ends[0]).abs().max() < 1e-4
