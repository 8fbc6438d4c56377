"""Text encoders whose layers visit the device one at a time: the same words from the memory of the largest layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tiny_h3
import tiny_ltx2
import tiny_wan
import torch
from parts_in_memory import counted
from small_requests import small
from test_blocks_visit import ACCELERATOR, LTX_2
from test_compiled import CASES as COMPILED
from test_compiled import Case, latents
from tiny_cards import each_of
from tiny_wan import TEXT

from rushes.acceleration.plan import planned
from rushes.catalogue.card import Card
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.models.blocks import chance as hunyuan
from rushes.models.ltx2 import chance as ltx2
from rushes.models.parts import How
from rushes.models.visits import visiting
from rushes.models.wan.adapter import WanAdapter

pytestmark = pytest.mark.filterwarnings(tiny_h3.OLD_NORM)

ENCODERS: dict[str, Callable[[], Any]] = {
    "umt5": tiny_wan.text_encoder,
    "qwen 2.5": lambda: hunyuan.text_encoder(16),
    "gemma 3": lambda: ltx2.text_encoder(16, 24),
    "gemma 4": tiny_ltx2.newest_text_encoder,
}
CASES = {
    **{name: case for name, case in COMPILED.items() if name != "cosmos 3"},  # which has no text encoder
    "ltx-2": Case(LTX_2.card, LTX_2.adapter, COMPILED["wan"].clips),
}


case, card = each_of(CASES)


@pytest.fixture(params=ENCODERS, ids=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return ENCODERS[request.param]().eval()


def views(encoder: Any, device: str = "cpu") -> tuple[torch.Tensor, ...]:
    pieces = torch.arange(3, 10, device=device)[None]
    mask = {"attention_mask": torch.ones_like(pieces)} if "Gemma4" in type(encoder).__name__ else {}
    with torch.no_grad():
        said: tuple[torch.Tensor, ...] = encoder(input_ids=pieces, output_hidden_states=True, **mask).hidden_states
    return said


def test_what_is_read_is_the_same_to_the_bit_and_every_weight_is_home_again(encoder: Any) -> None:
    before, weights = views(encoder), dict(encoder.named_parameters())
    visiting(encoder, torch.device("cpu"))
    for _ in range(2):
        assert all(map(torch.equal, views(encoder), before))
        assert all(tensor is weights[name] for name, tensor in encoder.named_parameters())


def test_nothing_is_computed_with_a_weight_that_stayed_at_home(encoder: Any) -> None:
    """On torch's device without memory, beside which a product of what is on another one is on the other one."""
    visiting(encoder, torch.device("meta"))
    assert {view.device.type for view in views(encoder, "meta")} == {"meta"}
    assert {tensor.device.type for tensor in encoder.parameters()} == {"cpu"}


def test_a_layer_comes_alone() -> None:
    encoder = ltx2.text_encoder(64, 512)
    largest = max(tensor.nbytes for tensor in encoder.parameters())
    plain = counted(lambda: views(encoder))
    visiting(encoder, torch.device("cpu"))
    made = counted(lambda: views(encoder))
    assert largest <= made <= plain + largest * 1.1 < tensor_bytes(encoder)


def test_a_layer_that_fails_goes_home_with_all_that_it_is_part_of(encoder: Any) -> None:
    named = {name: module for name, module in encoder.named_modules() if "vision" not in name}
    layer = [module for module in named.values() if isinstance(module, torch.nn.Linear)][3]
    weights = dict(encoder.named_parameters())
    visiting(encoder, torch.device("cpu"))

    def fail(module: Any, given: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    failing = layer.register_forward_pre_hook(fail)
    with pytest.raises(torch.OutOfMemoryError):
        views(encoder)
    failing.remove()
    assert all(tensor is weights[name] for name, tensor in encoder.named_parameters())


def test_a_clip_has_the_same_bytes_and_the_encoder_of_whoever_has_room_is_another(case: Case, card: Card) -> None:
    kept, clip = KeptParts(1 << 40), case.clips[0]
    plain, visited, encoders = {}, {}, []
    for how, tensors in ((How(apart=True), plain), (How(apart=True, layers=True), visited)):
        adapter, before = case.adapter(card, device=ACCELERATOR, residency=kept), kept.loaded_bytes
        tensors |= latents(adapter, card, how, clip)
        readers = [name for name in adapter.networks.kinds if name.startswith("text_encoder")]
        encoders.append([adapter.networks.get(name) for name in readers])
    here = sum(adapter.networks.here_bytes(name, by_turns=True) for name in readers)
    assert kept.loaded_bytes - before == here, "as foretold, and of the rest nothing is loaded again"
    for roomy, visitor in zip(*encoders, strict=True):
        assert visitor is not roomy
        assert any(module._forward_pre_hooks for module in visitor.modules())
        assert not any(module._forward_pre_hooks for module in roomy.modules())
    assert here < sum(adapter.networks.sizes[name] for name in readers)
    assert plain.keys() == visited.keys()
    assert all(torch.equal(plain[name], visited[name]) for name in plain)


def test_words_that_have_no_room_are_read_so_before_a_video_is_refused(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    for device, names in (("cuda", ["apart", "layers"]), ("cpu", ["apart"])):
        plan, tried = planned(card, device), []
        while plan is not None and (plan := plan.lowered("words")) is not None:
            tried.append(plan.techniques[-1].name)
            assert plan.exactness == "exact"
        assert tried == names
    needs = [WanAdapter(card).needs(small(card), how) for how in (How(apart=True), How(apart=True, layers=True))]
    words = [next(stage for stage in each.stages if stage.name == "words") for each in needs]
    assert words[1].size_bytes < words[0].size_bytes
    assert words[1].activation_bytes == words[0].activation_bytes
