"""What diffusers 0.42 does to LTX-2 without a word: each test shows the trap, and that we are not in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_ltx2
import torch
from diffusers import LTX2Pipeline
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from safetensors.torch import load_file, save_file
from small_requests import small
from step_by_step import refused_once_changed
from tiny_cards import copied, folder_of
from tiny_ltx2 import DISTILLED, FIRST, SECOND, THIRD

from rushes.catalogue.card import Card
from rushes.contract.events import Interrupted, Progress
from rushes.engine.engine import Engine
from rushes.errors import GenerationFailed, InvalidValue, Refused, WrongSetup
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.layout import check


@pytest.fixture(scope="module")
def adapter(tiny_card: Callable[..., Card]) -> Ltx2Adapter:
    return Ltx2Adapter(tiny_card(SECOND))


def stepped(adapter: Any, **asked: Any) -> Any:
    return adapter.step(adapter.prepare(adapter.encode(small(adapter.describe(), **asked)), 7), 0)


def stock(card: Card) -> Any:
    pipe = LTX2Pipeline.from_pretrained(folder_of(card), local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def passes(network: Any, make: Callable[[], Any]) -> int:
    """How often `network` runs while `make` does."""
    runs: list[int] = []
    hook = network.register_forward_pre_hook(lambda *given: runs.append(1))
    try:
        make()
    finally:
        hook.remove()
    return len(runs)


SMALL: dict[str, Any] = {
    "prompt": "A penguin waddles",
    "width": 64,
    "height": 64,
    "num_inference_steps": 2,
    "output_type": "latent",
    "return_dict": False,
}


def test_another_models_attention_backend_does_not_reach_ours(tiny_card: Callable[..., Card]) -> None:
    adapter = Engine().adapter(tiny_card(SECOND))  # which puts the plan on it
    before = stepped(adapter)
    named = _AttentionBackendRegistry.get_active_backend()[0]
    try:
        tiny_ltx2.transformer(SECOND).set_attention_backend("_native_math")
        leaked = _AttentionBackendRegistry.get_active_backend()[0]
        assert leaked != named, "the trap is gone: one model's choice no longer becomes the process's"
        assert stepped(adapter).to_bytes() == before.to_bytes()
    finally:
        _AttentionBackendRegistry.set_active_backend(named)


def test_no_cache_is_on_that_could_carry_one_clip_into_another(adapter: Ltx2Adapter) -> None:
    assert not adapter.parts.transformer.is_cache_enabled


def test_without_guidance_a_step_is_one_pass(tiny_card: Callable[..., Card], adapter: Ltx2Adapter) -> None:
    """A `guidance_scale` of 1 leaves the pipeline's other guidance on: three passes a step."""
    pipe = stock(tiny_card(SECOND))
    theirs = passes(
        pipe.transformer,
        lambda: pipe(**SMALL, num_frames=9, guidance_scale=1.0, audio_guidance_scale=1.0),
    )
    assert theirs == 2 * 3, "the trap is gone"
    assert passes(adapter.parts.transformer, lambda: stepped(adapter, guidance_scale=1)) == 1
    assert passes(adapter.parts.transformer, lambda: stepped(adapter, guidance_scale=3)) == 3


def test_guidance_by_attention_costs_nothing_where_the_network_ignores_it(tiny_card: Callable[..., Card]) -> None:
    """Without `perturbed_attn` the network takes the numbers of blocks, and predicts what it would without."""
    first = Ltx2Adapter(tiny_card(FIRST))
    state = first.prepare(first.encode(small(first.describe())), 7)
    solver = first._solver(state.num_steps, state.latent_BNC.shape[1], first._sigmas)
    words = state.condition.words.last()
    plain = first._predicted(state, solver, 0, words)
    skipping = first._predicted(state, solver, 0, words, spatio_temporal_guidance_blocks=list(range(30)))
    assert torch.equal(plain[0], skipping[0]), "the trap is gone: the pass means something now"
    assert passes(first.parts.transformer, lambda: stepped(first, guidance_scale=3)) == 2


def test_a_length_between_latent_frames_is_made_longer_and_announced(
    tiny_card: Callable[..., Card], adapter: Ltx2Adapter
) -> None:
    """The pipeline drops what does not fill a latent frame: of 24 frames it makes 17."""
    (latent, _) = stock(tiny_card(SECOND))(**SMALL, num_frames=24, guidance_scale=1.0)
    assert 1 + 8 * (latent.shape[2] - 1) == 17, "the trap is gone"
    request = small(adapter.describe(), seconds=1.0, steps=2, guidance_scale=1)
    native = adapter.native(request)
    assert (request.num_frames, native.num_frames) == (24, 25)
    film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(stepped(adapter, steps=2, guidance_scale=1))])
    assert film.shape == (native.num_frames, native.height, native.width, 3)


def test_a_single_step_is_refused(tiny_card: Callable[..., Card]) -> None:
    """The schedule is stretched to end at a tenth, and of one step that is nothing over nothing."""
    card = tiny_card(SECOND)
    with np.errstate(invalid="ignore"):
        latent, _ = stock(card)(**{**SMALL, "num_inference_steps": 1}, num_frames=9, guidance_scale=1.0)
    assert torch.isnan(latent).any(), "the trap is gone"
    with pytest.raises(InvalidValue, match="steps"):
        small(card, steps=1)


@pytest.mark.parametrize("asked", [{"steps": 9}, {"guidance_scale": 3}, {"negative_prompt": "blurry"}])
def test_a_distilled_one_refuses_what_it_would_ignore(tiny_card: Callable[..., Card], asked: dict[str, Any]) -> None:
    distilled: dict[str, Any] = {"steps": 8, "negative_prompt": None}
    card = tiny_card(SECOND + DISTILLED)
    assert small(card, **distilled).guidance_scale == 1
    with pytest.raises(Refused, match=next(iter(asked))):
        small(card, **{**distilled, **asked})


def test_a_clip_that_is_stopped_is_not_decoded(adapter: Ltx2Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own interrupt skips what steps are left, and then decodes the noise: minutes at real sizes."""
    decodes: list[int] = []
    monkeypatch.setattr(adapter.parts.vae, "decode", lambda *given, **more: decodes.append(1))
    monkeypatch.setattr(adapter.parts.audio_vae, "decode", lambda *given, **more: decodes.append(1))

    def stop_in_the_second_step(progress: Progress) -> None:
        if progress.step:
            raise Interrupted("stopped")

    engine = Engine()
    monkeypatch.setattr(engine, "adapter", lambda card: adapter)
    with pytest.raises(Interrupted):
        engine.generate(small(adapter.describe(), generate_audio=True), adapter.describe(), stop_in_the_second_step)
    assert decodes == []


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "connectors", "vae", "audio_vae", "vocoder"])
def test_weights_that_lack_a_tensor_are_refused_by_name(
    tiny_card: Callable[..., Card], tmp_path: Path, part: str
) -> None:
    """Both libraries fill what is missing with chance and write a line to a log."""
    card = copied(tiny_card(SECOND), tmp_path / "ltx2")
    path = next((folder_of(card) / part).glob("*.safetensors"))
    tensors = load_file(path)
    del tensors[max(tensors)]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(GenerationFailed, match=f"{part} lacks"):
        getattr(Ltx2Adapter(card).parts, part)


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("transformer/config.json", {"cross_attn_mod": False}, "this one is of LTX-2"),
        ("transformer/config.json", {"ff_bias": False}, r"a text encoder of LTX-2\.5"),
        ("transformer/config.json", {"patch_size": 2}, "its configuration says otherwise"),
        ("vae/config.json", {"timestep_conditioning": True}, "its configuration says otherwise"),
        ("vae/config.json", {"latent_channels": "many"}, "lacks or garbles"),
    ],
)
def test_a_checkpoint_of_another_kind_is_not_added(
    tiny_card: Callable[..., Card], tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    refused_once_changed(check, tiny_card(SECOND), tmp_path, part, change, reason)


def test_the_generations_are_told_apart(tiny_folder: Callable[..., Path]) -> None:
    check(tiny_folder(FIRST), FIRST)
    check(tiny_folder(SECOND), SECOND + DISTILLED)
    for kind in (THIRD, THIRD + DISTILLED):
        check(tiny_folder(kind), kind)
    check(tiny_folder(THIRD), THIRD + DISTILLED)
    with pytest.raises(WrongSetup, match="holds the distilled one, and is alone"):
        check(tiny_folder(THIRD + DISTILLED), THIRD)
    with pytest.raises(WrongSetup, match=r"this one is of LTX-2\.3"):
        check(tiny_folder(SECOND), FIRST)
    with pytest.raises(WrongSetup, match=r"this one is of LTX-2\.5"):
        check(tiny_folder(THIRD + DISTILLED), SECOND)


def test_in_bfloat16_the_clip_and_its_decoders_stay_in_float32(tiny_card: Callable[..., Card]) -> None:
    adapter = Ltx2Adapter(tiny_card(SECOND), dtype=torch.bfloat16)
    for network in (adapter.parts.vae, adapter.parts.audio_vae, adapter.parts.vocoder):
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    state = stepped(adapter, generate_audio=True)
    assert (state.latent_BNC.dtype, state.sound_BNC.dtype) == (torch.float32, torch.float32)
    assert torch.isfinite(state.latent_BNC).all() and torch.isfinite(state.sound_BNC).all()
    assert adapter.restore(state.to_bytes()).to_bytes() == state.to_bytes()
    assert next(adapter.decode(state)).audio is not None
