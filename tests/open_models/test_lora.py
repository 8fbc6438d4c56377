"""LoRAs: what they add is what the formula says, for one clip alone, and nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_requests import INPUTS, small
from tiny_cards import hashes_of
from tiny_lora import ORIGINAL, PEFT, RANK, linears, registered, saved, tensors
from tiny_wan import ANY, EXPERTS, FIRST_SEEN, TEXT, TEXT_OR_FIRST

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.contract.request import Lora
from rushes.engine.checkpoint import format_of
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS
from rushes.models.lora import Loras
from rushes.models.parts import FP8, INT8, How
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.lora import networks, published
from rushes.weights.lora import read

CLOSE = 2e-5
"""Of the largest number of a velocity: what float32 sums differ by in another order."""


@pytest.fixture(scope="module")
def lora(tiny_card: Callable[..., Card], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Card, Lora]]:
    """`lora(kind, name, seed)`: the card of a tiny checkpoint with a LoRA of every linear layer, by its name."""
    place = tmp_path_factory.mktemp("loras")

    def made(kind: str = TEXT, name: str = "penguins", seed: int = 1) -> tuple[Card, Lora]:
        card = tiny_card(kind)
        adapter = WanAdapter(card)
        network = adapter.parts.expert("transformer")
        file = saved(place / f"{kind} {name}.safetensors", tensors(network, same(linears(network)), seed=seed))
        return registered(card, name, **dict.fromkeys(adapter.layout.experts, file))

    return made


def same(names: list[str]) -> dict[str, str]:
    return {name: name for name in names}


def hash_of(*networks: Any) -> str:
    """Of every tensor of the networks, with its name."""
    said = sha256()
    for network in networks:
        for name, tensor in sorted(network.state_dict().items()):
            said.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return said.hexdigest()


def end(adapter: WanAdapter, card: Card, *loras: Lora, seed: int = 3, inputs: Any = NO_INPUTS, steps: int = 3) -> Any:
    """The state behind the last step of a clip made with `loras`."""
    state = adapter.prepare(adapter.encode(replace(small(card, steps=steps), loras=loras), inputs), seed)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state.latent_BCTHW


def film(engine: Engine, card: Card, *loras: Lora) -> Any:
    request = replace(small(card, steps=3), loras=loras)
    return np.concatenate([chunk.frames_THWC for chunk in engine.generate(request, card, lambda progress: None)[1]])


@pytest.mark.parametrize("weight", [1.0, 0.5, -2.0])
def test_what_is_added_is_weight_times_alpha_by_rank_times_B_A(
    tiny_card: Callable[..., Card], tmp_path: Path, weight: float
) -> None:
    """Against a network whose weights are written to: W + weight · alpha / rank · B A."""
    card = tiny_card(TEXT)
    plain = WanAdapter(card)
    network = plain.parts.expert("transformer")
    alpha, given = 3.0, tensors(network, same(linears(network)))
    alphas = {f"transformer.{name}.alpha": torch.tensor(alpha) for name in linears(network)}
    card, lora = registered(card, "penguins", transformer=saved(tmp_path / "a.safetensors", {**given, **alphas}))
    beside = end(WanAdapter(card), card, replace(lora, weight=weight))
    for name in linears(network):
        down, up = (given[key.format(name)].double() for key in PEFT)
        layer = network.get_submodule(name)
        layer.weight.copy_((layer.weight.double() + weight * alpha / RANK * up @ down).float())
    folded = end(plain, card)
    assert (beside - folded).abs().max() < CLOSE * folded.abs().max()
    assert (beside - end(WanAdapter(card), card)).abs().max() > 100 * CLOSE * folded.abs().max()


def test_a_layer_computes_what_peft_would_operation_by_operation(lora: Callable[..., tuple[Card, Lora]]) -> None:
    card, added = lora()
    adapter = WanAdapter(card, dtype=torch.bfloat16)
    network = adapter.parts.expert("transformer")
    loras = Loras(card, lambda: networks(adapter.layout.checkpoint.folder), adapter.device)
    for name in linears(network):
        layer = network.get_submodule(name)
        x = torch.randn(2, layer.in_features, generator=torch.Generator().manual_seed(5)).to(layer.weight.dtype)
        down, up = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
        term = loras._terms(added, "transformer", network)[name]
        down.weight, up.weight = (torch.nn.Parameter(part) for part in (term.down, term.up))
        with loras.worn(network, "transformer", [replace(added, weight=0.7)]):
            changed = network.get_submodule(name)(x)
        assert torch.equal(changed, layer(x) + up(down(x)) * 0.7), name
        assert changed.dtype == layer.weight.dtype


@pytest.mark.parametrize("kind", [TEXT, EXPERTS, TEXT_OR_FIRST, FIRST_SEEN, ANY])
def test_a_clip_without_one_is_the_same_before_and_after_a_clip_with_one(
    lora: Callable[..., tuple[Card, Lora]], kind: str
) -> None:
    card, added = lora(kind)
    adapter, inputs = WanAdapter(card), INPUTS.get(kind, NO_INPUTS)
    hashed_before, before = hash_of(*adapter.parts.experts), end(adapter, card, inputs=inputs)
    changed = end(adapter, card, added, inputs=inputs)
    assert hash_of(*adapter.parts.experts) == hashed_before
    assert torch.equal(end(adapter, card, inputs=inputs), before)
    assert not torch.equal(changed, before)
    assert torch.equal(end(WanAdapter(card), card, added, inputs=inputs), changed), "in a fresh process, as it were"
    assert torch.equal(end(adapter, card, replace(added, weight=0.0), inputs=inputs), before)


def test_nothing_is_left_of_one_whose_clip_failed_within_a_pass(
    lora: Callable[..., tuple[Card, Lora]], monkeypatch: pytest.MonkeyPatch
) -> None:
    card, added = lora()
    engine = Engine()
    adapter: Any = engine.adapter(card)
    (network,) = adapter.parts.experts
    before, weights, modules = film(engine, card), hash_of(network), [id(module) for module in network.modules()]

    def fails(*args: Any, **how: Any) -> Any:
        raise RuntimeError("the kernel failed")

    with monkeypatch.context() as patched:
        patched.setattr(network.blocks[1].attn1, "forward", fails)
        with pytest.raises(RuntimeError, match="the kernel failed"):
            film(engine, card, added)
    assert hash_of(network) == weights
    assert [id(module) for module in network.modules()] == modules
    assert np.array_equal(film(engine, card), before)


def test_nothing_is_left_of_one_whose_clip_was_cancelled_midway(lora: Callable[..., tuple[Card, Lora]]) -> None:
    class Cancelled(Exception):
        pass

    def cancels(progress: Any) -> None:
        if progress.stage == "denoising" and progress.step == 2:
            raise Cancelled

    card, added = lora()
    engine = Engine()
    adapter: Any = engine.adapter(card)
    before, weights = film(engine, card), hash_of(*adapter.parts.experts)
    with pytest.raises(Cancelled):
        engine.generate(replace(small(card), loras=(added,)), card, cancels)
    assert hash_of(*adapter.parts.experts) == weights
    assert np.array_equal(film(engine, card), before)


def test_a_model_that_shares_the_transformer_does_not_see_the_loras_of_another(
    lora: Callable[..., tuple[Card, Lora]],
) -> None:
    card, added = lora()
    engine = Engine(residency=KeptParts(1 << 40, lambda: hashes_of(card)))
    other = replace(card, id="studio/other", rules=replace(card.rules, loras=()))
    before = film(engine, other)
    adapters: list[Any] = [engine.adapter(one) for one in (card, other)]
    one, another = (
        adapter.prepare(adapter.encode(replace(small(card, steps=3), loras=loras)), 7)
        for adapter, loras in zip(adapters, ((added,), ()), strict=True)
    )
    for index in range(3):
        one, another = adapters[0].step(one, index), adapters[1].step(another, index)
    assert adapters[0].parts.experts[0] is adapters[1].parts.experts[0]
    frames = np.concatenate([chunk.frames_THWC for chunk in adapters[1].decode(another)])
    assert np.array_equal(frames, before)
    assert not torch.equal(one.latent_BCTHW, another.latent_BCTHW)


def test_two_add_up_and_each_counts_by_its_weight(lora: Callable[..., tuple[Card, Lora]]) -> None:
    card, penguins = lora(name="penguins", seed=1)
    snow_card, snow = lora(name="snow", seed=2)
    card = replace(card, rules=replace(card.rules, loras=(*card.rules.loras, *snow_card.rules.loras)))
    adapter = WanAdapter(card)
    both = end(adapter, card, penguins, replace(snow, weight=0.5))
    assert len({str(end(adapter, card, *some)) for some in ((), (penguins,), (snow,))}) == 3
    assert not torch.equal(both, end(adapter, card, penguins))
    assert torch.equal(end(adapter, card, penguins, replace(snow, weight=0.0)), end(adapter, card, penguins))


def test_a_file_for_each_expert_changes_that_expert_alone(tiny_card: Callable[..., Card], tmp_path: Path) -> None:
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)
    files = {
        name: saved(tmp_path / f"{name}.safetensors", tensors(expert, same(linears(expert)), seed=seed))
        for seed, (name, expert) in enumerate(zip(adapter.layout.experts, adapter.parts.experts, strict=True))
    }
    low, asked = registered(card, "low", transformer_2=files["transformer_2"])
    plain, changed = WanAdapter(card), WanAdapter(low)
    state: Any = plain.prepare(plain.encode(small(card)), 3)
    other: Any = changed.prepare(changed.encode(replace(small(card), loras=(asked,))), 3)
    solver, differ = plain._solver(4), []
    for index in range(4):
        state, other = plain.step(state, index), changed.step(other, index)
        differ.append(not torch.equal(state.latent_BCTHW, other.latent_BCTHW))
    experts = [plain._expert(solver, index) for index in range(4)]
    assert differ == [name == "transformer_2" for name in experts]
    assert len(set(experts)) == 2
    assert read(files["transformer"], networks(adapter.layout.checkpoint.folder)).keys() == set(adapter.layout.experts)


def test_one_file_that_names_both_experts_is_split_between_them(tiny_card: Callable[..., Card], tmp_path: Path) -> None:
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)
    first, second = adapter.parts.experts
    apart = {
        "transformer": tensors(first, same(linears(first)), seed=1),
        "transformer_2": tensors(second, same(linears(second)), seed=2),
    }
    whole = dict(apart["transformer"])
    whole |= {
        key.replace("transformer.", "transformer_2.", 1): tensor for key, tensor in apart["transformer_2"].items()
    }
    file = saved(tmp_path / "both.safetensors", whole)
    files = {name: saved(tmp_path / f"{name}.safetensors", each) for name, each in apart.items()}
    one_card, one = registered(card, "penguins", **dict.fromkeys(apart, file))
    two_card, two = registered(card, "penguins", **files)
    assert torch.equal(end(WanAdapter(one_card), one_card, one), end(WanAdapter(two_card), two_card, two))


@pytest.mark.parametrize("kind", [TEXT, FIRST_SEEN])
@pytest.mark.parametrize("flat", [False, True])
def test_the_makers_own_names_are_read_as_diffusers_reads_them(
    tiny_card: Callable[..., Card], tmp_path: Path, kind: str, flat: bool
) -> None:
    from diffusers.loaders import lora_conversion_utils as theirs

    adapter = WanAdapter(tiny_card(kind))
    network = adapter.parts.expert("transformer")
    convert = theirs._convert_non_diffusers_wan_lora_to_diffusers
    layers, spelling = linears(network), ORIGINAL
    if flat:
        convert = theirs._convert_musubi_wan_lora_to_diffusers
        spelling = ("lora_unet_{}.lora_down.weight", "lora_unet_{}.lora_up.weight")
        layers = [name for name in layers if name.startswith("blocks.")]
    names = {name: published(name).replace(".", "_") if flat else published(name) for name in layers}
    given = tensors(network, names, spelling)
    if flat:
        given |= {f"lora_unet_{name}.alpha": torch.tensor(2.0) for name in names.values()}
    file = saved(tmp_path / "original.safetensors", given)
    changes = read(file, networks(adapter.layout.checkpoint.folder))["transformer"]
    expected = convert(dict(given))
    assert sorted(change.layer for change in changes) == sorted(layers)
    for change in changes:
        down, up = (expected[f"transformer.{change.layer}.lora_{half}.weight"] for half in "AB")
        scale = 2.0 / RANK if flat else 1.0
        assert torch.allclose(up @ down, given[change.up] @ given[change.down] * scale, atol=1e-6), change.layer
    assert len(expected) == 2 * len(layers)


def test_an_alpha_that_diffusers_noted_and_a_bias_count(tiny_card: Callable[..., Card], tmp_path: Path) -> None:
    card = tiny_card(TEXT)
    network = WanAdapter(card).parts.expert("transformer")
    layer = "blocks.0.attn1.to_q"
    given = tensors(network, same([layer]))

    def made(name: str, more: dict[str, torch.Tensor], **notes: Any) -> Any:
        with_one, lora = registered(
            card, name, transformer=saved(tmp_path / f"{name}.safetensors", given | more, **notes)
        )
        return end(WanAdapter(with_one), with_one, lora)

    plain = made("plain", {})
    noted = made("noted", {}, lora_adapter_metadata={"transformer.r": RANK, "transformer.lora_alpha": 2 * RANK})
    assert not torch.equal(noted, plain)
    assert torch.equal(noted, made("key", {f"transformer.{layer}.alpha": torch.tensor(2.0 * RANK)}))
    root = {"transformer.lora_alpha": 2 * RANK**0.5, "transformer.use_rslora": True}
    assert torch.equal(noted, made("root", {}, lora_adapter_metadata=root))
    pattern = {"transformer.lora_alpha": 1, "transformer.alpha_pattern": {"attn1.to_q": 2 * RANK}}
    assert torch.equal(noted, made("pattern", {}, lora_adapter_metadata=pattern))
    bias = {f"transformer.{layer}.lora_B.bias": torch.ones(network.get_submodule(layer).out_features)}
    assert not torch.equal(plain, made("bias", bias))


def test_a_lora_that_is_another_now_fails_the_clip_and_not_the_next(lora: Callable[..., tuple[Card, Lora]]) -> None:
    card, added = lora()
    engine = Engine()
    for stale in (replace(added, revision="another"), replace(added, name="gone")):
        with pytest.raises(GenerationFailed, match=f"the LoRA {stale.name} is not what it was"):
            film(engine, card, stale)
    assert film(engine, card).shape == (17, 64, 64, 3)


def test_numbers_that_are_none_fail_the_clip_by_the_name_of_the_lora(
    tiny_card: Callable[..., Card], tmp_path: Path
) -> None:
    card = tiny_card(TEXT)
    given = tensors(WanAdapter(card).parts.expert("transformer"), same(["proj_out"]))
    given["transformer.proj_out.lora_A.weight"][0, 0] = float("nan")
    card, lora = registered(card, "spoilt", transformer=saved(tmp_path / "spoilt.safetensors", given))
    with pytest.raises(GenerationFailed, match="the LoRA spoilt cannot be read"):
        film(Engine(), card, lora)


def test_a_checkpoint_names_its_loras_and_goes_on_with_them_and_no_others(
    lora: Callable[..., tuple[Card, Lora]],
) -> None:
    card, added = lora()
    adapter = WanAdapter(card)
    whole = end(adapter, card, added)
    state: Any = adapter.prepare(adapter.encode(replace(small(card, steps=3), loras=(added,))), 3)
    state = adapter.step(state, 0)
    other = WanAdapter(card)
    state = other.restore(state.to_bytes())
    assert state.condition.numbers.loras == (added,)
    while state.index < state.num_steps:
        state = other.step(state, state.index)
    assert torch.equal(state.latent_BCTHW, whole)
    request = replace(small(card, steps=3), loras=(added,))
    others = [(), (replace(added, weight=0.5),), (replace(added, revision="another"),)]
    formats = {format_of(adapter, card, replace(request, loras=loras)) for loras in [(added,), *others]}
    assert len(formats) == 4


def test_the_memory_that_it_takes_is_foretold(lora: Callable[..., tuple[Card, Lora]]) -> None:
    card, added = lora()
    adapter = WanAdapter(card)
    network = adapter.parts.expert("transformer")
    request = small(card)
    plain, more = (adapter.needs(replace(request, loras=loras), How()) for loras in ((), (added,)))
    taken = sum(RANK * sum(network.get_submodule(name).weight.shape) * 4 for name in linears(network))
    grown = [other.size_bytes - one.size_bytes for one, other in zip(plain.stages, more.stages, strict=True)]
    assert dict(zip([stage.name for stage in plain.stages], grown, strict=True)) == {
        "words": 0,
        "steps": taken,
        "decoding": 0,
    }


def test_blocks_that_were_compiled_without_it_are_not_run_as_they_were(
    lora: Callable[..., tuple[Card, Lora]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan for a clip with LoRAs compiles nothing; where blocks are compiled all the same, they are traced anew."""
    card, added = lora()
    plain, compiled = WanAdapter(card), WanAdapter(card)
    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **how: compile_(self, backend="eager", **how))
    compiled.accelerate(How(compiled=True), Dress(How(compiled=True)))
    for loras in ((), (added,), (replace(added, weight=0.5),), ()):
        ends = [end(adapter, card, *loras, steps=1) for adapter in (plain, compiled)]
        assert (ends[1] - ends[0]).abs().max() < 1e-4


@pytest.mark.parametrize("matrices", [INT8, FP8])
def test_matrices_in_eight_bits_take_one_too_and_are_left_as_they_were(
    lora: Callable[..., tuple[Card, Lora]], matrices: str
) -> None:
    card, added = lora()
    adapter = WanAdapter(card)
    plain = end(adapter, card, added)
    adapter.accelerate(How(matrices=matrices), Dress(How(matrices=matrices)))
    before, with_it, after = (end(adapter, card, *loras) for loras in ((), (added,), ()))
    assert torch.equal(before, after)
    assert not torch.equal(before, with_it)
    near, far = (with_it - plain).abs().mean(), (before - plain).abs().mean()
    assert near < far / 4, "what is added is not rounded with the matrix"
