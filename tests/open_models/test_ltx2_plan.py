"""LTX-2 at each quality: exact ones change no bit, the others what their label says, and nothing of it is left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_ltx2
import torch
from elsewhere import go_on_elsewhere, to_the_end
from parts_in_memory import steps_run_out_of_memory
from small_requests import film, picture, small, sound
from step_by_step import a_step_is_computed_where_either_stream_has_drifted
from tiny_cards import with_weights
from tiny_ltx2 import DISTILLED, SECOND

from rushes.acceleration.dress import VARIANTS, Dress
from rushes.acceleration.plan import planned
from rushes.acceleration.tensors import TensorBytes
from rushes.catalogue.card import Card
from rushes.catalogue.cards import OPEN
from rushes.cli.race import psnr_db
from rushes.contract.request import QUALITIES, ResolvedRequest
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.eight_bits import KINDS
from rushes.models.ltx2 import memory
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.film import decoded, decoded_in_tiles
from rushes.models.ltx2.state import Ltx2State
from rushes.models.parts import FP8, INT8, How

REUSING = How(reuse=0.5)
SOUND = sound(5, 0.5)


def adapter_of(card: Card, how: How = How()) -> Ltx2Adapter:  # noqa: B008 - frozen
    adapter = Ltx2Adapter(card)
    adapter.accelerate(how, Dress(how))
    return adapter


def made(adapter: Ltx2Adapter, request: ResolvedRequest, inputs: Inputs = NO_INPUTS) -> Ltx2State:
    state = adapter.prepare(adapter.encode(request, inputs), 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return state


def frames(adapter: Ltx2Adapter, state: Ltx2State) -> Any:
    return np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])


def near(one: Ltx2State, other: Ltx2State) -> float:
    """How far two clips are apart at most, film and sound."""
    pairs = (one.latent_BNC, other.latent_BNC), (one.sound_BNC, other.sound_BNC)
    return max(float((mine - theirs).abs().max()) for mine, theirs in pairs)


@pytest.mark.parametrize("id", [card.id for card in OPEN if "models.ltx2." in card.adapter])
def test_every_card_takes_all_qualities(id: str) -> None:
    (card,) = (card for card in OPEN if card.id == id)
    assert card.rules.qualities == QUALITIES


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (SECOND, NO_INPUTS),
        (SECOND, Inputs(keyframes=((0, picture(1)), (13, picture(2))))),
        (SECOND, Inputs(sound=SOUND)),
        (SECOND + DISTILLED, NO_INPUTS),
    ],
    ids=["words", "pictures", "a given sound", "distilled"],
)
def test_steps_that_take_the_velocities_before_leave_passes_out_and_stay_close(
    tiny_card: Callable[..., Card], kind: str, inputs: Inputs
) -> None:
    card = tiny_card(kind)
    plain, reusing = adapter_of(card), adapter_of(card, REUSING)
    steps = 8 if kind.endswith(DISTILLED) else 12
    request = small(card, steps=steps, negative_prompt=None, **({} if steps == 8 else {"guidance_scale": 1}))
    passes: list[int] = []
    reusing.parts.transformer.register_forward_pre_hook(lambda *told: passes.append(1))
    exact, lossy = made(plain, request, inputs), made(reusing, request, inputs)
    assert 3 <= len(passes) < steps, "the first two and the last are always computed"
    assert near(exact, lossy) > 0
    assert psnr_db(frames(plain, exact), frames(reusing, lossy)) > 20  # weights by chance, eight times a plan's drift
    if inputs.sound is not None:
        assert torch.equal(exact.sound_BNC, lossy.sound_BNC)


def test_a_step_is_computed_where_either_stream_has_drifted(tiny_card: Callable[..., Card]) -> None:
    adapter = adapter_of(tiny_card(SECOND), REUSING)
    request = small(tiny_card(SECOND), steps=6, guidance_scale=1, negative_prompt=None)
    state = adapter.prepare(adapter.encode(request), 7)
    a_step_is_computed_where_either_stream_has_drifted(adapter, state)


def test_what_is_reused_belongs_to_the_clip_and_is_saved_with_it(
    tiny_card: Callable[..., Card], tmp_path: Path
) -> None:
    card = tiny_card(SECOND)
    request = small(card, steps=7, guidance_scale=1, negative_prompt=None)
    one = adapter_of(card, REUSING)
    passes: list[int] = []
    one.parts.transformer.register_forward_pre_hook(lambda *told: passes.append(1))
    begun = [one.prepare(one.encode(request), seed) for seed in (7, 9)]
    end, saved = to_the_end(one, begun[0], tmp_path)
    assert len(passes) < len(saved) == 7
    mine, theirs = begun
    while mine.index < mine.num_steps:
        mine, theirs = one.step(mine, mine.index), one.step(theirs, theirs.index)  # two clips take turns
    assert mine.to_bytes() == end
    # A state says itself what it may reuse: the process that goes on with it was told of no plan.
    go_on_elsewhere([(card, saved)])
    for path in saved:
        assert path.with_suffix(".end").read_bytes() == end, f"from step {path.stem}"


def test_without_reuse_nothing_is_remembered(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(SECOND)
    assert not made(adapter_of(card), small(card, steps=2, guidance_scale=1)).computed


def test_the_second_stage_remembers_nothing_of_the_first(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(SECOND + DISTILLED)
    adapter = adapter_of(with_weights(card, max_area=64 * 64), REUSING)
    request = small(adapter.describe(), width=128, height=128, steps=8, negative_prompt=None)
    state = adapter.prepare(adapter.encode(request), 7)
    while state.index < 9:
        state = adapter.step(state, state.index)
    assert state.computed["film"].latent.shape == state.latent_BNC.shape
    assert state.computed["film"].rate == float("inf")


def test_compiled_blocks_are_near_in_every_kind_of_pass_and_are_taken_off_again(
    tiny_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch refuses to compile a block that a tensor tells to leave its attention out, and the ninth kind of pass."""
    torch._dynamo.reset()
    card = tiny_card(SECOND)
    adapter = adapter_of(card)
    held = Inputs(keyframes=((0, picture(1)),))
    clips = [
        (small(card, steps=2, guidance_scale=scale, negative_prompt=None), inputs)
        for scale, inputs in ((1, NO_INPUTS), (3, NO_INPUTS), (3, held))
    ]

    def step(clip: tuple[ResolvedRequest, Inputs]) -> Ltx2State:
        return adapter.step(adapter.prepare(adapter.encode(*clip), 7), 0)

    plain = [step(clip) for clip in clips]
    compile_ = torch.nn.Module.compile
    traced: list[int] = []

    def backend(graph: Any, given: Any) -> Any:
        traced.append(1)
        return graph

    # Traced and run as traced: a compiler would take minutes, and what is shown is what is put on and taken off.
    def compiling(block: Any, **how: Any) -> None:
        assert how["recompile_limit"] == VARIANTS > 8
        compile_(block, backend=backend, **how)

    monkeypatch.setattr(torch.nn.Module, "compile", compiling)
    how = How(compiled=True)
    adapter.accelerate(how, Dress(how))
    for clip, expected in zip(clips, plain, strict=True):
        assert near(step(clip), expected) < 1e-4
    assert len(traced) > 3
    blocks = adapter.parts.transformer.transformer_blocks
    assert all(block._compiled_call_impl is not None for block in blocks)
    assert adapter.state_format() != Ltx2Adapter(card).state_format()
    done, how = len(traced), How(compiled=True, pieces=8)
    adapter.accelerate(how, Dress(how))
    assert near(step(clips[0]), plain[0]) < 1e-4
    assert 0 < len(traced) - done < len(blocks), "one code for all blocks, in pieces too"
    adapter.accelerate(How(), Dress(How()))
    assert near(step(clips[1]), plain[1]) == 0
    assert all(block._compiled_call_impl is None for block in blocks)
    torch._dynamo.reset()


@pytest.mark.parametrize("how", [How(blocks=True), How(apart=True)], ids=["blocks", "apart"])
def test_ways_to_need_less_memory_that_are_exact_change_no_bit(tiny_card: Callable[..., Card], how: How) -> None:
    card = tiny_card(SECOND)
    request = small(card, steps=2)
    assert near(made(adapter_of(card), request), made(adapter_of(card, how), request)) == 0


def middling(card: Card, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """`card` with a transformer wide enough that no constant hides the rest."""
    monkeypatch.setattr(tiny_ltx2, "VIDEO_WIDTH", 128)
    monkeypatch.setattr(tiny_ltx2, "SOUND_WIDTH", 64)
    return card.in_folder(tiny_ltx2.built(SECOND, folder))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_pass_in_pieces_is_near_and_makes_the_room_that_is_foretold(
    tiny_card: Callable[..., Card], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    card = middling(tiny_card(SECOND), tmp_path, monkeypatch)
    adapter = Ltx2Adapter(card, dtype=dtype)
    request = small(card, width=640, height=640, steps=2, guidance_scale=1)
    state = adapter.prepare(adapter.encode(request), 7)
    plain = adapter.step(state, 0)
    how = How(pieces=8)
    adapter.accelerate(how, Dress(how))
    forward = adapter.parts.transformer.transformer_blocks[0].ff
    kind = type(forward)
    assert forward.pieces == 8
    with TensorBytes() as counted:
        pieces = adapter.step(state, 0)
    shape = memory.shape_of(request, adapter.native(request), adapter.layout, rows=1)
    foretold = memory.step_bytes(adapter.layout, shape, dtype.itemsize, how)
    assert counted.most == pytest.approx(foretold, rel=memory.ERROR)
    assert foretold < memory.step_bytes(adapter.layout, shape, dtype.itemsize) * 0.8
    assert near(plain, pieces) < (1e-4 if dtype == torch.float32 else 0.2)
    adapter.accelerate(How(), Dress(How()))
    assert adapter.parts.transformer.transformer_blocks[0].ff is forward
    assert type(forward) is kind.__mro__[1], "taken off again"
    assert "pieces" not in vars(forward)


def test_decoding_by_tiles_is_lossy_and_needs_less_and_hands_out_the_same_runs(
    tiny_card: Callable[..., Card],
) -> None:
    card = tiny_card(SECOND)
    adapter = adapter_of(card)
    latent = torch.randn(1, adapter.layout.channels, 3, 6, 10, generator=torch.Generator().manual_seed(0))
    vae, time = adapter.parts.vae, adapter.layout.time
    whole, tiles = list(decoded(latent, vae, time)), list(decoded_in_tiles(latent, vae, time, 4))
    assert [run.shape for run in tiles] == [run.shape for run in whole]
    assert [len(run) for run in whole] == [1, 8, 8]
    assert 20 < psnr_db(np.concatenate(whole), np.concatenate(tiles)) < float("inf")
    one = list(decoded_in_tiles(latent, vae, time, 16))
    assert np.abs(np.concatenate(one).astype(int) - np.concatenate(whole)).max() <= 1, "one tile is the whole"
    request = small(card, width=1280, height=704)
    stages = [{s.name: s for s in adapter.needs(request, how).stages} for how in (How(), How(tiles=True))]
    assert stages[1]["decoding"].activation_bytes < stages[0]["decoding"].activation_bytes / 3


def test_a_clip_decoded_by_tiles_is_decoded_by_tiles(
    tiny_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "TILE", 64)
    card = tiny_card(SECOND)
    adapter = adapter_of(card)
    state = made(adapter, small(card, steps=2, guidance_scale=1, width=192))
    whole = frames(adapter, state)
    adapter.accelerate(How(tiles=True), Dress(How(tiles=True)))
    assert 15 < psnr_db(frames(adapter, state), whole) < float("inf")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("matrices", [INT8, FP8])
def test_eight_bits_take_what_is_foretold_and_are_a_part_of_their_own(
    tiny_card: Callable[..., Card], matrices: str, dtype: torch.dtype
) -> None:
    card = tiny_card(SECOND)
    adapter = Ltx2Adapter(card, dtype=dtype)
    plain = adapter.parts.transformer
    adapter.accelerate(How(matrices=matrices), lambda network: None)
    network = adapter.parts.transformer
    for block in network.transformer_blocks:
        assert isinstance(block.attn1.to_q, KINDS[matrices])
        assert isinstance(block.audio_ff.net[2], KINDS[matrices])
    assert isinstance(network.proj_out, torch.nn.Linear)
    foretold = adapter.parts.kept.stored_bytes("transformer", matrices)
    assert foretold == pytest.approx(tensor_bytes(network), rel=0.12)
    assert foretold < tensor_bytes(plain)
    request = small(card)
    steps = [
        {s.name: s for s in adapter.needs(request, how).stages}["steps"] for how in (How(), How(matrices=matrices))
    ]
    assert sum(steps[1].parts.values()) < sum(steps[0].parts.values())
    adapter.accelerate(How(), lambda network: None)
    assert adapter.parts.transformer is plain


def test_a_fast_clip_without_room_is_made_in_eight_bits_and_the_exact_one_after_it_is_what_it_was(
    tiny_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    card, engine = tiny_card(SECOND), Engine(residency=KeptParts(1 << 40))

    def clip(**asked: Any) -> tuple[Any, Any]:
        request = small(card, guidance_scale=3, generate_audio=True, **asked)
        chunks = list(engine.generate(request, card, lambda progress: None)[1])
        return tuple(np.concatenate(parts) for parts in zip(*((c.frames_THWC, c.audio) for c in chunks), strict=True))

    exact = clip()
    adapter: Any = engine.adapter(card)
    steps_run_out_of_memory(adapter, monkeypatch)
    rounded = clip(quality="fast")
    plan = engine.plan(card)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["apart", "int8"]
    assert "the transformer's matrices in eight bits (lossy)" in plan.said()
    assert "take the one before (lossy)" in plan.said()
    assert 25 < psnr_db(rounded[0], exact[0]) < float("inf")
    assert not np.array_equal(rounded[1], exact[1])
    assert all(map(np.array_equal, clip(), exact)), "bit for bit"
    assert adapter.how == How()


@pytest.mark.parametrize("quality", ["exact", "high"])
def test_on_a_cpu_high_is_exact(tiny_card: Callable[..., Card], quality: str) -> None:
    plan = planned(tiny_card(SECOND), "cpu", quality)
    assert plan is not None
    assert plan.how == How()


def test_a_look_at_a_clip_that_reuses_shows_where_it_is_heading(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(SECOND)
    adapter = adapter_of(card, REUSING)
    state = adapter.prepare(adapter.encode(small(card, steps=8, guidance_scale=1), Inputs(lead_in_THWC=film(3, 9))), 7)
    start, looks = state.latent_BNC, []
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
        looks.append(state.foreseen_BNC)
    distances = [float((look - state.latent_BNC).abs().mean()) for look in looks if look is not None]
    assert len(distances) == 8
    assert max(distances) < float((start - state.latent_BNC).abs().mean())
    assert distances[-1] < 1e-5, "the last step ends where it sees the end"
