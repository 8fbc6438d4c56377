"""Wan taught to do with four steps: its makers' schedule, their LoRAs in every step, and the base left as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, WanImageToVideoPipeline, WanPipeline
from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_wan_lora_to_diffusers as converted
from elsewhere import go_on_elsewhere, to_the_end
from PIL import Image
from safetensors.torch import load_file
from small_requests import FRAMES, INPUTS, SIDE, picture, small
from tiny_cards import folder_of, hashes_of, with_weights
from tiny_lora import ORIGINAL, linears, registered, saved, tensors
from tiny_wan import EXPERTS, FIRST_EXPERTS, TEXT

from rushes.acceleration.plan import planned
from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.contract.request import QUALITIES
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.models.adapter import NO_INPUTS
from rushes.models.parts import How
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.lora import published

T2V, I2V = "wan2.2-t2v-a14b-lightning", "wan2.2-i2v-a14b-lightning"
KINDS = {TEXT: T2V, EXPERTS: T2V, FIRST_EXPERTS: I2V}
ALPHA = 0.5  # of rank 4, as 8 of 64: the library folds their share into the numbers, and a power of two rounds nothing


@pytest.fixture(scope="module")
def distilled(
    tiny_folder: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Card, dict[str, Path]]]:
    """`distilled(kind)`: the card with a tiny checkpoint, and by network the files in its makers' spelling.

    With one expert there is no such card: it is that of two, with one.
    """
    place = tmp_path_factory.mktemp("lightning")
    found: dict[str, tuple[Card, dict[str, Path]]] = {}

    def made(kind: str) -> tuple[Card, dict[str, Path]]:
        if kind not in found:
            card = next(card for card in OPEN if card.id == KINDS[kind]).in_folder(tiny_folder(kind))
            adapter, files = WanAdapter(card), {}
            for seed, name in enumerate(adapter.layout.experts):
                network = adapter.parts.expert(name)
                names = {layer: published(layer) for layer in linears(network) if layer.startswith("blocks.")}
                alphas = {f"diffusion_model.{layer}.alpha": torch.tensor(ALPHA) for layer in names.values()}
                given = {**tensors(network, names, ORIGINAL, seed=seed), **alphas}
                files[name] = saved(place / f"{kind} {name}.safetensors", given)
            found[kind] = registered(card, "lightning", **files)[0], files
        return found[kind]

    return made


class Schedule(FlowMatchEulerDiscreteScheduler):  # type: ignore[misc, unused-ignore]
    """The library's, at the levels of noise where its makers' own scheduler stops."""

    def set_timesteps(self, num_inference_steps: Any = None, device: Any = None, **more: Any) -> None:
        levels = np.linspace(1, 0, num_inference_steps + 1)[:-1]
        super().set_timesteps(num_inference_steps, device=device, sigmas=levels)


class Worn(torch.nn.Module):  # type: ignore[misc, unused-ignore]
    """A layer of peft's: its own product, and B A beside it."""

    def __init__(self, plain: Any, down: torch.Tensor, up: torch.Tensor) -> None:
        super().__init__()
        self.plain, self.down, self.up = plain, down, up

    def forward(self, x: torch.Tensor) -> Any:
        return self.plain(x) + (x @ self.down.T) @ self.up.T * 1.0


def wears(network: Any, file: Path) -> None:
    """Put on a network of the library's what the library reads in `file`."""
    halves = converted(load_file(file))
    layers = {key.removeprefix("transformer.").rpartition(".lora_")[0] for key in halves}
    assert layers == {layer for layer in linears(network) if layer.startswith("blocks.")}
    for layer in layers:
        down, up = (halves[f"transformer.{layer}.lora_{half}.weight"] for half in "AB")
        network.set_submodule(layer, Worn(network.get_submodule(layer), down, up))


def asked(card: Card, **more: Any) -> Any:
    return small(card, negative_prompt=None, **more)


def begun(adapter: WanAdapter, card: Card, kind: str) -> Any:
    return adapter.prepare(adapter.encode(asked(card), INPUTS.get(kind, NO_INPUTS)), 7)


def film(engine: Engine, card: Card, request: Any) -> Any:
    return np.concatenate([chunk.frames_THWC for chunk in engine.generate(request, card, lambda progress: None)[1]])


@pytest.mark.parametrize(("id", "kind"), [(T2V, EXPERTS), (I2V, FIRST_EXPERTS)])
def test_the_steps_stand_where_the_makers_say_and_each_expert_has_two(
    distilled: Callable[[str], tuple[Card, dict[str, Path]]], id: str, kind: str
) -> None:
    card, _ = distilled(kind)
    assert card.id == id
    adapter = WanAdapter(card)
    solver = adapter._solver(4)
    assert solver.timesteps.tolist() == pytest.approx([1000.0, 937.5, 833.3333, 625.0])
    assert solver.sigmas.tolist() == pytest.approx([1.0, 0.9375, 0.8333333, 0.625, 0.0])
    experts = [adapter._expert(solver, index) for index in range(4)]
    assert experts == ["transformer", "transformer", "transformer_2", "transformer_2"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_is_the_stock_pipelines_that_wears_the_same(
    distilled: Callable[[str], tuple[Card, dict[str, Path]]], kind: str
) -> None:
    card, files = distilled(kind)
    adapter = WanAdapter(card)
    state = begun(adapter, card, kind)
    noise = state.latent_BCTHW
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)

    pictured = kind == FIRST_EXPERTS
    pipe: Any = (WanImageToVideoPipeline if pictured else WanPipeline).from_pretrained(card.weights.folder)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = Schedule(shift=5.0)
    given = {"image": Image.fromarray(picture(1)), "last_image": Image.fromarray(picture(2))} if pictured else {}

    def stock() -> Any:
        return pipe(
            prompt="A penguin waddles",
            width=SIDE,
            height=SIDE,
            num_frames=FRAMES,
            num_inference_steps=4,
            guidance_scale=1.0,
            latents=noise.clone(),
            output_type="latent",
            max_sequence_length=512,
            **given,
        ).frames

    plain = stock()
    for name, file in files.items():
        wears(getattr(pipe, name), file)
    assert torch.equal(adapter.finished(state), stock())
    assert not torch.equal(adapter.finished(state), plain)


def test_its_transformers_are_the_bases_own_and_the_base_is_as_it_was(
    distilled: Callable[[str], tuple[Card, dict[str, Path]]],
) -> None:
    card, _ = distilled(EXPERTS)
    base = next(found for found in OPEN if found.id == "wan2.2-t2v-a14b").in_folder(folder_of(card))
    engine = Engine(residency=KeptParts(1 << 40, lambda: hashes_of(card)))
    before = film(engine, base, small(base))
    quick = film(engine, card, asked(card))
    adapters: list[Any] = [engine.adapter(one) for one in (base, card)]
    assert all(one is other for one, other in zip(*(adapter.parts.experts for adapter in adapters), strict=True))
    assert np.array_equal(film(engine, base, small(base)), before)
    assert np.array_equal(film(engine, card, asked(card)), quick)
    assert not np.array_equal(quick, before)


def test_a_fresh_process_goes_on_from_every_step_to_the_same_bytes(
    distilled: Callable[[str], tuple[Card, dict[str, Path]]], tmp_path: Path
) -> None:
    card, _ = distilled(EXPERTS)
    adapter = WanAdapter(card)
    end, states = to_the_end(adapter, begun(adapter, card, EXPERTS), tmp_path)
    go_on_elsewhere([(card, states)])
    assert len(states) == 4
    assert all(path.with_suffix(".end").read_bytes() == end for path in states)


def test_a_checkpoint_of_another_schedule_is_of_another_format(
    distilled: Callable[[str], tuple[Card, dict[str, Path]]],
) -> None:
    card, _ = distilled(EXPERTS)
    cards = [with_weights(card, shift=shift) for shift in (5.0, 3.0, None)]
    assert len({WanAdapter(one).state_format() for one in cards}) == 3


@pytest.mark.parametrize("quality", QUALITIES)
def test_of_four_steps_none_is_left_out(distilled: Callable[[str], tuple[Card, dict[str, Path]]], quality: str) -> None:
    plan = planned(distilled(EXPERTS)[0], "cuda", quality, changed=True)
    assert plan is not None
    assert {technique.name for technique in plan.techniques} == {"attention", "precision", "family"}
    assert plan.how == How()


def test_what_the_loras_take_on_the_device_is_foretold(
    distilled: Callable[[str], tuple[Card, dict[str, Path]]],
) -> None:
    card, files = distilled(EXPERTS)
    adapter, request = WanAdapter(card), asked(card)
    numbers = sum(tensor.numel() for file in files.values() for tensor in load_file(file).values() if tensor.dim() == 2)

    def foretold(asked: Any) -> Any:
        return next(stage for stage in adapter.needs(asked, How()).stages if stage.name == "steps").activation_bytes

    assert foretold(request) - foretold(replace(request, loras=())) == 4 * numbers
