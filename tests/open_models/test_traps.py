"""What diffusers 0.42 does without a word, and would do to us: each test shows the trap, and that we are not in it.

| trap | held here by |
| --- | --- |
| one model's attention backend becomes the process's | another_models_attention_backend |
| the decoder remembers frames on the module | two_decodes_at_once |
| an interrupted clip is decoded all the same | a_clip_that_is_stopped |
| what a file lacks is filled with chance | weights_that_lack_a_tensor, weights_of_another_shape, two_names |
| a cast of the whole model rounds what must stay in float32 | in_bfloat16 |
| a cache in the network carries one clip into another | no_cache_is_on; test_wan_plan: what_is_reused |
| a cache that finds no layer does nothing, and says nothing | a_cache_of_the_librarys, a_cache_for_words |
| sizes and lengths are snapped by a line in a log | what_is_snapped |
| a scheduler holds one clip's history | test_wan_goes_on: two_clips_that_take_turns |
| sound is stepped by a copy of the film's scheduler | test_cosmos3_equals_stock: two_clips_that_take_turns |
| a guider is one for all clips | test_blocks_equal_stock: saved_after_any_step |
| blocks write into the latents they are given | test_blocks_equal_stock: a_step_leaves_the_state |
| blocks drop an input that they do not know | test_cosmos3_equals_stock: every_field_that_the_card_takes |
| blocks that are handed latents leave the picture out | test_cosmos3_equals_stock: noise_is_ours_and_the_first |
| a number of a configuration that is not known is dropped | test_animate2_equals_stock: a_folder_that_would_make |
| of a clip shorter than a segment too little is read | test_animate2_equals_stock: a_clip_that_is_too_short |
| compiled blocks stay compiled for the next job | test_compiled: compiled_blocks |
| an absent negative prompt becomes one of the makers' | test_kandinsky6_equals_stock: without_a_negative_prompt |
| attention to chosen blocks, not compiled, is to all of them | test_kandinsky6_two_stages: without_a_compiled_kernel |
| guidance in a batch of two changes the last bits | test_wan_plan: guidance_in_one_pass |
| a tokenizer is asked for its padding side before it is set | test_ltx2_equals_stock: film_and_sound_beside_a_clip |
| convolutions on a GPU may take kernels that round otherwise each time | convolutions_are_told |
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_wan
import torch
from diffusers import WanTransformer3DModel
from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from safetensors.torch import load_file, save_file
from small_requests import small
from tiny_cards import changed, copied, folder_of
from tiny_wan import EXPERTS, TEXT, TEXT_OR_FIRST
from transformers import LlamaConfig, LlamaForCausalLM

from rushes.catalogue.card import Card
from rushes.contract.events import Interrupted, Progress
from rushes.engine.engine import Engine
from rushes.errors import GenerationFailed
from rushes.models.loading import Folder
from rushes.models.wan.adapter import WanAdapter


def stepped(adapter: Any, card: Card) -> Any:
    return adapter.step(adapter.prepare(adapter.encode(small(card)), 7), 0)


def test_another_models_attention_backend_does_not_reach_ours(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    adapter = Engine().adapter(card)  # which puts the plan on it
    before = stepped(adapter, card)
    named = _AttentionBackendRegistry.get_active_backend()[0]
    try:
        tiny_wan.transformer().set_attention_backend("_native_math")
        leaked = _AttentionBackendRegistry.get_active_backend()[0]
        assert leaked != named, "the trap is gone: one model's choice no longer becomes the process's"
        assert torch.equal(stepped(adapter, card).latent_BCTHW, before.latent_BCTHW)
    finally:
        _AttentionBackendRegistry.set_active_backend(named)


@pytest.mark.parametrize("kind", [TEXT, TEXT_OR_FIRST])
def test_two_decodes_at_once_do_not_mix(tiny_card: Callable[..., Card], kind: str) -> None:
    """The library's decoder remembers the frames before in a list on the module, one for all who decode."""
    card = tiny_card(kind)
    adapter = WanAdapter(card)
    states = [adapter.prepare(adapter.encode(small(card)), seed) for seed in (1, 2)]
    alone = [[chunk.frames_THWC for chunk in adapter.decode(state)] for state in states]
    turns = zip(*(adapter.decode(state) for state in states), strict=True)
    for at, chunks in enumerate(turns):
        for film, chunk in zip(alone, chunks, strict=True):
            assert np.array_equal(chunk.frames_THWC, film[at])


def test_a_clip_that_is_stopped_is_not_decoded(tiny_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's own interrupt skips what steps are left, and then decodes the noise: minutes at real sizes."""
    card = tiny_card(TEXT)
    adapter = WanAdapter(card)
    decodes: list[int] = []
    monkeypatch.setattr(adapter.parts.vae.decoder, "forward", lambda *given, **more: decodes.append(1))

    def stop_in_the_second_step(progress: Progress) -> None:
        if progress.step:
            raise Interrupted("stopped")

    engine = Engine()
    monkeypatch.setattr(engine, "adapter", lambda card: adapter)
    with pytest.raises(Interrupted):
        engine.generate(small(card), card, stop_in_the_second_step)
    assert decodes == []


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
def test_weights_that_lack_a_tensor_are_refused_by_name(
    tiny_card: Callable[..., Card], tmp_path: Path, part: str
) -> None:
    """Both libraries fill what is missing with chance and write a line to a log."""
    card = copied(tiny_card(TEXT), tmp_path / "wan")
    path = next((folder_of(card) / part).glob("*.safetensors"))
    tensors = load_file(path)
    name = max(tensors)
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    adapter = WanAdapter(card)
    with pytest.raises(GenerationFailed, match=f"{part} lacks"):
        _ = adapter.parts.experts if part == "transformer" else getattr(adapter.parts, part)


TIED, HEAD, WORDS = "model.embed_tokens.weight", "lm_head.weight", "text_encoder"


@pytest.mark.parametrize(
    ("tied", "without", "lacks"),
    [
        (True, {HEAD}, None),
        (True, {TIED}, None),  # its other name is there
        (True, {TIED, HEAD}, TIED),
        (False, {HEAD}, None),  # nobody asks it
        (False, {TIED}, TIED),
    ],
)
def test_of_a_tensor_with_two_names_one_is_enough_and_two_tensors_are_two(
    tmp_path: Path, tied: bool, without: set[str], lacks: str | None
) -> None:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    made = LlamaForCausalLM(LlamaConfig(vocab_size=50, tie_word_embeddings=tied, **sizes))
    made.save_pretrained(tmp_path / WORDS)
    kept = {name: tensor.clone() for name, tensor in made.state_dict().items() if name not in without}
    save_file(kept, tmp_path / WORDS / "model.safetensors", metadata={"format": "pt"})
    folder = Folder(tmp_path, torch.device("cpu"))
    if lacks is not None:
        with pytest.raises(GenerationFailed, match=f"{WORDS} lacks {re.escape(lacks)}"):
            folder.network(WORDS, LlamaForCausalLM, torch.float32)
        return
    loaded = folder.network(WORDS, LlamaForCausalLM, torch.float32)
    assert torch.equal(loaded.get_input_embeddings().weight, made.get_input_embeddings().weight)


def test_weights_of_another_shape_are_refused(tiny_card: Callable[..., Card], tmp_path: Path) -> None:
    card = copied(tiny_card(TEXT), tmp_path / "wan")
    changed(folder_of(card) / "transformer" / "config.json", {"ffn_dim": 48})
    with pytest.raises(GenerationFailed, match=r"transformer (has another shape|cannot be loaded)"):
        _ = WanAdapter(card).parts.experts


def test_in_bfloat16_the_sensitive_parts_stay_in_float32(tiny_card: Callable[..., Card]) -> None:
    """A cast of the whole model would round the time embedding and the norms, and only warn."""
    card = tiny_card(TEXT)
    adapter = WanAdapter(card, dtype=torch.bfloat16)
    (expert,) = adapter.parts.experts
    kinds = {name: parameter.dtype for name, parameter in expert.named_parameters()}
    kept = WanTransformer3DModel._keep_in_fp32_modules
    for name, dtype in kinds.items():
        fine = any(part in name.split(".") for part in kept)
        assert dtype == (torch.float32 if fine else torch.bfloat16), name
    assert {parameter.dtype for parameter in adapter.parts.vae.parameters()} == {torch.float32}
    state = stepped(adapter, card)
    assert state.latent_BCTHW.dtype == torch.float32
    assert torch.isfinite(state.latent_BCTHW).all()
    assert adapter.restore(state.to_bytes()).to_bytes() == state.to_bytes()


def test_no_cache_is_on_that_could_carry_one_clip_into_another(tiny_card: Callable[..., Card]) -> None:
    for expert in WanAdapter(tiny_card(EXPERTS)).parts.experts:
        assert not expert.is_cache_enabled


def test_a_cache_of_the_librarys_that_finds_no_layer_says_nothing() -> None:
    """Why no cache of the library's is in a plan: asked for by its defaults, this one computes everything."""
    from diffusers import TaylorSeerCacheConfig

    network = tiny_wan.transformer()
    told = {"hidden_states": torch.zeros(1, 16, 2, 4, 4), "encoder_hidden_states": torch.zeros(1, 512, 32)}
    calls: list[int] = []
    network.blocks[1].attn1.to_q.register_forward_pre_hook(lambda *given: calls.append(1))
    network.enable_cache(TaylorSeerCacheConfig())
    with torch.no_grad(), network.cache_context("clip"):
        for step in range(12):
            network(timestep=torch.tensor([900.0 - step]), **told)
    assert len(calls) == 12, "the trap is gone: it leaves work out now"


def test_a_cache_for_words_does_nothing_to_a_network_of_films() -> None:
    """It looks for the blocks of one network of pictures, finds none here, and says that it is on."""
    from diffusers import TextKVCacheConfig

    network = tiny_wan.transformer()
    calls: list[int] = []
    network.blocks[1].attn2.to_k.register_forward_pre_hook(lambda *given: calls.append(1))
    network.enable_cache(TextKVCacheConfig())
    assert network.is_cache_enabled
    told = {"hidden_states": torch.zeros(1, 16, 2, 4, 4), "encoder_hidden_states": torch.zeros(1, 512, 32)}
    with torch.no_grad(), network.cache_context("clip"):
        for step in range(3):
            network(timestep=torch.tensor([900.0 - step]), **told)
    assert len(calls) == 3, "the trap is gone: words are read once now"


def test_convolutions_are_told_to_round_alike_by_whoever_loads_a_model() -> None:
    by_hand = "import torch; before = torch.backends.cudnn.deterministic; import rushes.models.loading"
    said = subprocess.run(
        [sys.executable, "-c", f"{by_hand}; print(before, torch.backends.cudnn.deterministic)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == ["False", "True"]


def test_every_trap_of_the_table_is_held_by_tests_that_are_there() -> None:
    rows = [line.split("|")[2].strip() for line in (__doc__ or "").splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 15
    for row in rows:
        for held in re.split(r"[;,] ", row):
            file, _, name = held.rpartition(": ")
            text = (Path(__file__).parent / f"{file or 'test_traps'}.py").read_text("utf-8")
            assert re.search(rf"^def test_\w*{name}", text, re.MULTILINE), held


@pytest.mark.parametrize(("width", "height", "seconds"), [(70, 64, 1.0), (100, 72, 1.2)])
def test_what_is_snapped_is_announced_before_it_is_made(
    tiny_card: Callable[..., Card], width: int, height: int, seconds: float
) -> None:
    """The library rounds sizes and lengths by itself, and says so in a log; here they are known in advance."""
    card = tiny_card(TEXT_OR_FIRST)
    adapter = WanAdapter(card)
    request = small(card, width=width, height=height, seconds=seconds, steps=1)
    native = adapter.native(request)
    state = adapter.step(adapter.prepare(adapter.encode(request), 7), 0)
    film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
    assert film.shape == (native.num_frames, native.height, native.width, 3)
