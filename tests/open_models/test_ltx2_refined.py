"""A full checkpoint's film in two stages: the second wears its makers' distilled LoRA, for that stage alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_ltx2
import torch
from diffusers import LTX2ConditionPipeline, LTX2Pipeline
from safetensors.torch import load_file
from small_requests import SIDE, picture, small
from tiny_cards import copied, folder_of, with_weights
from tiny_lora import linears, registered, saved, tensors
from tiny_ltx2 import FIRST, SECOND, THIRD
from two_stages import LARGE, begun, ended, large, same, stock

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.contract.request import Lora
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.given import Held
from rushes.models.ltx2.guidance import published
from rushes.models.parts import How

ASKED: dict[str, Any] = {"steps": 3, "guidance_scale": 3, "negative_prompt": "blurry, text", "generate_audio": True}
Refined = Callable[[str], tuple[Card, dict[str, tuple[torch.Tensor, torch.Tensor]]]]


@pytest.fixture(scope="module")
def refined(tiny_card: Callable[..., Card], tmp_path_factory: pytest.TempPathFactory) -> Refined:
    """The card of a full checkpoint with an upsampler and its distilled LoRA, and what that adds, by layer.

    It makes no more than 64 by 64 pixels well in one pass.
    """
    known: dict[str, Any] = {}

    def card(kind: str) -> Any:
        if kind not in known:
            place = tmp_path_factory.mktemp("refined")
            found = with_weights(copied(tiny_card(kind), place / "model"), max_area=SIDE * SIDE)
            tiny_ltx2.upsampler().save_pretrained(place / "model" / "latent_upsampler")
            network = Ltx2Adapter(found).parts.transformer
            names = linears(network)
            file = saved(place / "distilled.safetensors", tensors(network, {name: name for name in names}, size=0.05))
            added = load_file(file)
            halves = {name: tuple(added[f"transformer.{name}.lora_{half}.weight"] for half in "AB") for name in names}
            known[kind] = registered(found, "distilled", transformer=file)[0], halves
        return known[kind]

    return card


@pytest.mark.parametrize("kind", [FIRST, SECOND, THIRD])
def test_both_stages_of_a_guided_film_are_the_stock_pipelines_in_a_row(
    refined: Refined, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, worn = refined(kind)
    adapter = Ltx2Adapter(card)
    assert adapter.guidance(3.0) == published(3.0, adapter.layout.guided_block)
    first = begun(adapter, **ASKED)
    theirs = stock(LTX2Pipeline, adapter, first, (), monkeypatch, worn, ASKED["negative_prompt"])
    assert same(adapter, ended(adapter, first), *theirs)


def test_both_stages_with_what_is_given_are_the_stock_pipelines_in_a_row(
    refined: Refined, monkeypatch: pytest.MonkeyPatch
) -> None:
    card, worn = refined(SECOND)
    adapter = Ltx2Adapter(card)
    clip = np.stack([picture(3 + n, LARGE, LARGE) for n in range(9)])
    given = [(0, Held(0, clip, 0.8)), (3, Held(17, picture(1, LARGE, LARGE)[None], 0.6))]
    first = begun(adapter, tuple(held for _, held in given), **ASKED)
    theirs = stock(LTX2ConditionPipeline, adapter, first, given, monkeypatch, worn, ASKED["negative_prompt"])
    assert same(adapter, ended(adapter, first), *theirs)


def test_the_lora_is_worn_in_the_second_stage_alone_and_nothing_of_it_is_left(refined: Refined) -> None:
    card, _ = refined(SECOND)
    adapter = Ltx2Adapter(card)
    network = adapter.parts.transformer
    weights = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    seen: list[bool] = []
    network.register_forward_pre_hook(lambda *told: seen.append(len(network.state_dict()) > len(weights) or worn()))

    def worn() -> bool:
        return not isinstance(network.transformer_blocks[0].attn1.to_q, torch.nn.Linear)

    state = ended(adapter, begun(adapter, **ASKED))
    assert state.num_steps == 3 + 3
    assert seen == [False] * 3 * 3 + [True] * 3, "three passes a guided step, then one"
    now = network.state_dict()
    assert list(now) == list(weights)
    assert all(torch.equal(now[name], tensor) for name, tensor in weights.items())


def test_from_every_step_another_adapter_goes_on_to_the_same_bytes(refined: Refined) -> None:
    card, _ = refined(SECOND)
    one, other = Ltx2Adapter(card), Ltx2Adapter(card)
    state = begun(one, **ASKED)
    saved_states = []
    while state.index < state.num_steps:
        saved_states.append(state.to_bytes())
        state = one.step(state, state.index)
    end = state.to_bytes()
    for content in saved_states:
        restored = other.restore(content)
        assert restored.to_bytes() == content
        assert ended(other, restored).to_bytes() == end, f"from step {restored.index}"


def test_a_request_that_wears_it_too_wears_it_once_in_the_second_stage(refined: Refined) -> None:
    card, _ = refined(SECOND)
    (added,) = card.rules.loras
    request = replace(large(card, **ASKED), loras=(Lora(added.name, 0.4, added.revision),))
    condition = Ltx2Adapter(card).encode(request, NO_INPUTS)
    assert [lora.weight for lora in condition.numbers.loras] == [0.4]
    assert condition.next is not None
    assert [(lora.name, lora.weight) for lora in condition.next.numbers.loras] == [("distilled", 1.0)]


def test_its_memory_is_foretold_with_the_large_film_alone(refined: Refined) -> None:
    card, _ = refined(SECOND)
    adapter = Ltx2Adapter(card)
    sized = adapter._loras.size_bytes(adapter.encode(large(card, **ASKED)).next.numbers.loras, 4)
    assert sized > 0
    without = Ltx2Adapter(replace(card, rules=replace(card.rules, loras=())))
    request = small(card, **ASKED)
    assert adapter.needs(request, How()) == without.needs(request, How())
    assert adapter.native(large(card, **ASKED)).how.endswith("and refined by the LoRA distilled")
    plain = {stage.name: stage.activation_bytes for stage in adapter.needs(large(card, **ASKED), How()).stages}
    adapter._loras.size_bytes = lambda loras, number_bytes: 0  # type: ignore[method-assign]
    bare = {stage.name: stage.activation_bytes for stage in adapter.needs(large(card, **ASKED), How()).stages}
    assert plain["steps"] - bare["steps"] == sized


def test_one_that_became_another_fails_the_clip_by_name(refined: Refined, tmp_path: Path) -> None:
    card, _ = refined(SECOND)
    adapter = Ltx2Adapter(card)
    state = begun(adapter, **ASKED)
    (added,) = card.rules.loras
    later = Ltx2Adapter(replace(card, rules=replace(card.rules, loras=(replace(added, revision="0" * 16),))))
    with pytest.raises(GenerationFailed, match="the LoRA distilled is not what it was"):
        ended(later, later.restore(state.to_bytes()))


def test_without_an_upsampler_a_large_size_is_made_smaller_and_scaled(refined: Refined, tmp_path: Path) -> None:
    card, _ = refined(SECOND)
    without = copied(card, tmp_path / "without")
    shutil.rmtree(folder_of(without) / "latent_upsampler")
    adapter = Ltx2Adapter(without)
    native = adapter.native(large(card, **ASKED))
    assert (native.width, native.height, native.how) == (SIDE, SIDE, "")


def test_blocks_that_wear_it_are_not_the_compiled_ones(refined: Refined, monkeypatch: pytest.MonkeyPatch) -> None:
    card, _ = refined(SECOND)
    adapter = Ltx2Adapter(card)
    state = begun(adapter, **{**ASKED, "guidance_scale": 1})
    expected = ended(adapter, state)
    calls: list[bool] = []

    def compiling(block: Any, **how: Any) -> None:
        def compiled(*given: Any, **named: Any) -> Any:
            calls.append(isinstance(block.attn1.to_q, torch.nn.Linear))
            return block._call_impl(*given, **named)

        block._compiled_call_impl = compiled

    monkeypatch.setattr(torch.nn.Module, "compile", compiling)
    adapter.accelerate(How(compiled=True), Dress(How(compiled=True)))
    assert torch.equal(ended(adapter, state).latent_BNC, expected.latent_BNC)
    assert calls == [True] * 3 * len(adapter.parts.transformer.transformer_blocks)
