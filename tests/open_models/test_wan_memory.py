"""What a clip needs is foretold from headers and shapes: held to counted tensor bytes, within the stated error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny_wan
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from small_requests import small
from tiny_wan import ANY, EXPERTS, FIRST_SEEN, TEXT, TEXT_OR_FIRST

from rushes.acceleration.dress import Dress
from rushes.acceleration.tensors import TensorBytes
from rushes.catalogue.card import Card
from rushes.engine.residency import tensor_bytes
from rushes.models.adapter import NO_INPUTS
from rushes.models.parts import FP8, How
from rushes.models.wan import memory
from rushes.models.wan.adapter import WanAdapter
from rushes.models.wan.film import decoded


def test_tensors_are_counted_while_they_live_and_those_from_before_are_not() -> None:
    before = torch.zeros(1000)
    with TensorBytes() as counted:
        one = before + 1
        view = one[:500]
        del one
        two = torch.zeros(2000)
        del view, two
        before.add_(1)
        three = before.double()
    assert counted.most == 4 * 1000 + 4 * 2000
    assert counted.now == three.nbytes


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [EXPERTS, TEXT_OR_FIRST, FIRST_SEEN, ANY])
def test_parts_take_what_their_headers_say(tiny_card: Callable[..., Card], kind: str, dtype: torch.dtype) -> None:
    parts = WanAdapter(tiny_card(kind), dtype=dtype).parts
    networks = {"text_encoder": parts.text_encoder, "vae": parts.vae, "transformer": parts.expert("transformer")}
    for name, network in networks.items():  # rotary tables are in no file
        assert parts.kept.sizes[name] == pytest.approx(tensor_bytes(network), rel=0.12), name


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Card]:
    """`middling(card, kind)`: `card` with a transformer and autoencoder wide enough that no constant hides the rest."""

    def card(known: Card, kind: str) -> Card:
        torch.manual_seed(0)
        folder = tmp_path_factory.mktemp("middling")
        pipe = tiny_wan.pipeline(kind)
        blocks = {**tiny_wan.BLOCKS, "attention_head_dim": 32, "num_attention_heads": 2, "num_layers": 2}
        if kind == TEXT:
            pipe.transformer = WanTransformer3DModel(in_channels=16, out_channels=16, **{**blocks, "ffn_dim": 384})
            pipe.vae = AutoencoderKLWan(base_dim=8, z_dim=16, num_res_blocks=2)
        elif kind == TEXT_OR_FIRST:
            pipe.transformer = WanTransformer3DModel(in_channels=48, out_channels=48, **{**blocks, "ffn_dim": 256})
        else:
            kinds = type(pipe.transformer)
            pipe.transformer = kinds(
                in_channels=16, out_channels=16, **{**blocks, "ffn_dim": 256}, vace_layers=[0], vace_in_channels=96
            )
        pipe.save_pretrained(folder, safe_serialization=True)
        return known.in_folder(folder)

    return card


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", [TEXT, TEXT_OR_FIRST, ANY])
@pytest.mark.parametrize(
    "how", [How(), How(together=True), How(together=True, matrices=FP8)], ids=["apart", "together", "fp8"]
)
def test_a_step_makes_what_is_foretold(
    tiny_card: Callable[..., Card], middling: Callable[..., Card], kind: str, dtype: torch.dtype, how: How
) -> None:
    card = middling(tiny_card(kind), kind)
    adapter = WanAdapter(card, dtype=dtype)
    adapter.accelerate(how, Dress(how))
    side = 384 if kind == TEXT_OR_FIRST else 256  # its tokens are larger: as many as the text's at least
    state = adapter.prepare(adapter.encode(small(card, width=side, height=side), NO_INPUTS), 7)
    adapter.parts.expert("transformer")
    with TensorBytes() as counted:
        adapter.step(state, 0)
    frames, rows, cols = state.latent_BCTHW.shape[2:]
    prompts = 2 if how.together else 1
    foretold = memory.pass_bytes(
        adapter.layout, how, prompts, frames=frames, rows=rows, cols=cols, number_bytes=dtype.itemsize
    )
    assert counted.most == pytest.approx(foretold, rel=memory.ERROR)


def test_decoding_makes_what_is_foretold(tiny_card: Callable[..., Card], middling: Callable[..., Card]) -> None:
    adapter = WanAdapter(middling(tiny_card(TEXT), TEXT))
    latent = torch.randn(1, 16, 3, 6, 8)
    vae = adapter.parts.vae
    with TensorBytes() as counted:
        for _ in decoded(latent, vae):
            pass
    foretold = memory.decoding_bytes(adapter.layout, 6 * 8 * 64, 9, How())
    assert counted.most == pytest.approx(foretold, rel=memory.ERROR)


def test_a_request_is_foretold_stage_by_stage_and_grows_with_its_size(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    adapter = WanAdapter(card)
    needs = adapter.needs(small(card), How())
    assert [stage.name for stage in needs.stages] == ["words", "steps", "steps", "decoding"]
    assert len({key for stage in needs.stages for key in stage.parts}) == 4
    assert needs.size_bytes(apart=True) < needs.size_bytes(apart=False)
    larger = small(card, width=256, height=256, seconds=3)
    assert adapter.needs(larger, How()).size_bytes(apart=True) > needs.size_bytes(apart=True)
    steps = [adapter.needs(larger, How(together=two)).stages[1].activation_bytes for two in (False, True)]
    assert 1.1 * steps[0] < steps[1] < 2 * steps[0]
    alone = adapter.needs(small(card, guidance_scale=1), How(together=True))
    assert alone == adapter.needs(small(card, guidance_scale=1), How())
    for name, how in (("decoding", How(tiles=True)), ("steps", How(pieces=8))):
        spared = {stage.name: stage for stage in adapter.needs(small(card, width=1280, height=704), how).stages}
        whole = {stage.name: stage for stage in adapter.needs(small(card, width=1280, height=704), How()).stages}
        assert spared[name].activation_bytes <= whole[name].activation_bytes
    assert "pictures" in {stage.name for stage in WanAdapter(tiny_card(ANY)).needs(small(tiny_card(ANY)), How()).stages}
