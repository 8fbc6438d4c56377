"""A clip that a LoRA was taught to look at: beside the film, in its first stage, at its size; saved and foretold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_ltx2
import torch
from diffusers import LTX2InContextPipeline
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES
from elsewhere import go_on_elsewhere, to_the_end
from parts_in_memory import counted
from PIL import Image
from small_requests import SIDE, film, picture, small, sound
from test_blocks_visit import ACCELERATOR, visits
from tiny_cards import copied, folder_of, with_weights
from tiny_ltx2 import DISTILLED, SECOND
from two_stages import LARGE, Changes, beside_a_clip, ended, large, put_on

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.cli.race_ltx2 import guidance_of_stock
from rushes.contract.media import Media
from rushes.contract.request import Lora
from rushes.engine.residency import KeptParts
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.ltx2 import memory
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.film import denormalised, latent_of, scale_of
from rushes.models.ltx2.given import Beside, Held, smaller
from rushes.models.ltx2.state import Ltx2State
from rushes.models.parts import INT8, How

TinyCard = Callable[..., Card]

ASKED: dict[str, Any] = {"steps": 3, "guidance_scale": 1, "media": Media(reference_videos=("x",))}


@pytest.fixture(scope="module")
def card(tiny_card: TinyCard, tmp_path_factory: pytest.TempPathFactory) -> Card:
    return beside_a_clip(tiny_card(SECOND), tmp_path_factory.mktemp("lora"))[0]


@pytest.fixture(scope="module")
def two_stages(tiny_card: TinyCard, tmp_path_factory: pytest.TempPathFactory) -> tuple[Card, Changes]:
    """A distilled checkpoint with an upsampler, of no more than 64 by 64 pixels in one pass, and what its LoRA adds."""
    place = tmp_path_factory.mktemp("two_stages")
    found = with_weights(copied(tiny_card(SECOND + DISTILLED), place / "model"), max_area=SIDE * SIDE)
    tiny_ltx2.upsampler().save_pretrained(place / "model" / "latent_upsampler")
    return beside_a_clip(found, place)


def made(adapter: Ltx2Adapter, inputs: Inputs, **asked: Any) -> Ltx2State:
    request = small(adapter.describe(), **{**ASKED, **asked})
    return ended(adapter, adapter.prepare(adapter.encode(request, inputs), 7))


def test_the_film_follows_the_clip_by_whichever_member_it_came(card: Card) -> None:
    adapter = Ltx2Adapter(card)
    inputs = [Inputs(references=(film(1, 17),)), Inputs(source_THWC=film(1, 17)), Inputs(references=(film(2, 17),))]
    one, same, other, none = (made(adapter, given) for given in (*inputs, NO_INPUTS))
    places = one.condition.numbers.places
    assert one.latent_BNC.shape[1] == places + 3 * 4
    assert torch.equal(one.latent_BNC, same.latent_BNC)
    films = [state.latent_BNC[:, :places] for state in (one, other, none)]
    assert not any(torch.equal(films[at], films[at - 1]) for at in range(3))
    assert len(list(adapter.decode(one))) == len(list(adapter.decode(none)))


def test_a_film_follows_a_clip_and_a_sound_at_once(card: Card) -> None:
    adapter = Ltx2Adapter(card)
    both = Inputs(references=(film(1, 9),), sound=sound(5, 1.0))
    media = replace(ASKED["media"], audio_inputs=("y",))
    one, quiet, alone = (
        made(adapter, inputs, media=media) for inputs in (both, replace(both, sound=None), replace(both, references=()))
    )
    places = one.condition.numbers.places
    assert torch.equal(one.sound_BNC, one.condition.given["sound"])
    assert one.latent_BNC.shape[1] == places + 2 * 4
    for other in (quiet, alone):
        assert not torch.equal(one.latent_BNC[:, :places], other.latent_BNC[:, :places])


def test_a_clip_that_is_looked_at_smaller_has_whole_places_too(tiny_card: TinyCard, tmp_path: Path) -> None:
    card, _ = beside_a_clip(tiny_card(SECOND), tmp_path, shrunk=2)
    adapter = Ltx2Adapter(card)
    plain, beside = (small(card, width=96, height=64, media=media) for media in (Media(), ASKED["media"]))
    sizes = [(native.width, native.height) for native in map(adapter.native, (plain, beside))]
    assert sizes == [(96, 64), (128, 64)]
    state = adapter.prepare(adapter.encode(beside, Inputs(references=(film(1, 9)[:, :, :1].repeat(128, 2),))), 7)
    assert state.latent_BNC.shape[1] == state.condition.numbers.places + 2 * 2 * 1


@pytest.mark.parametrize("reads", [None, "source_video"], ids=["gone", "for another member"])
def test_a_clip_whose_lora_looks_at_it_no_more_is_said_before_it_is_opened(card: Card, reads: str | None) -> None:
    request = small(card, **ASKED)
    now = [replace(lora, reads=reads) for lora in card.rules.loras if reads]
    adapter = Ltx2Adapter(replace(card, rules=card.rules.with_loras(now)))
    for verb in (adapter.native, lambda request: adapter.needs(request, How())):
        with pytest.raises(GenerationFailed, match=r"no LoRA looks at media\.reference_videos now, .*ask for it again"):
            verb(request)


@pytest.mark.parametrize("shrunk", [1, 2])
def test_a_large_film_looks_at_it_in_its_first_stage_as_the_librarys_pipeline_does(
    two_stages: tuple[Card, Changes], monkeypatch: pytest.MonkeyPatch, shrunk: int
) -> None:
    card, worn = two_stages
    card = replace(card, rules=card.rules.with_loras([replace(lora, shrunk=shrunk) for lora in card.rules.loras]))
    adapter = Ltx2Adapter(card)
    clip = film(1, 25).repeat(2, 1).repeat(2, 2)
    seen = smaller(smaller(clip, 2), shrunk)
    request = large(card, media=ASKED["media"])
    state = adapter.prepare(adapter.encode(request, Inputs(references=(clip,))), 7)
    # With nothing held firmly all is noise.
    loose = (Held(1, seen, 0.0),)
    noise = adapter.prepare(adapter.condition(small(card, **{**ASKED, "steps": 8, "negative_prompt": None}), loose), 7)
    drawn = [noise.latent_BNC, noise.sound_BNC]
    monkeypatch.setattr(
        "diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora.randn_tensor", lambda shape, **named: drawn.pop(0).clone()
    )
    pipe = LTX2InContextPipeline.from_pretrained(folder_of(card), local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = type(pipe.scheduler).from_config(
        pipe.scheduler.config, use_dynamic_shifting=False, shift_terminal=None
    )
    pipe.tokenizer_padding_side = "left"
    put_on(pipe.transformer, worn)
    latents, _ = pipe(
        prompt="A penguin waddles",
        width=SIDE,
        height=SIDE,
        num_frames=25,
        num_inference_steps=8,
        sigmas=[*DISTILLED_SIGMA_VALUES],
        reference_conditions=[LTX2ReferenceCondition([Image.fromarray(frame) for frame in seen])],
        reference_downscale_factor=shrunk,
        output_type="latent",
        return_dict=False,
        **guidance_of_stock(adapter.guidance(1.0)),
    )
    while state.index < 8:
        state = adapter.step(state, state.index)
    ours = denormalised(latent_of(state.latent_BNC, state.condition.numbers), scale_of(adapter.parts.vae))
    assert torch.equal(ours, latents)


def test_its_second_stage_neither_looks_at_it_nor_wears_the_lora(two_stages: tuple[Card, Changes]) -> None:
    card, _ = two_stages
    adapter = Ltx2Adapter(card)
    seen: list[bool] = []
    network = adapter.parts.transformer
    network.register_forward_pre_hook(
        lambda *told: seen.append(not isinstance(network.transformer_blocks[0].attn1.to_q, torch.nn.Linear))
    )
    request = large(card, media=ASKED["media"])
    state = adapter.prepare(adapter.encode(request, Inputs(references=(film(1, 25).repeat(2, 1).repeat(2, 2),))), 7)
    second = state.condition.next
    assert second is not None and not second.given
    state = ended(adapter, state)
    assert seen == [True] * 8 + [False] * 3
    assert state.latent_BNC.shape[1] == state.condition.numbers.places


def test_a_fresh_process_goes_on_from_every_step_to_the_same_bytes(
    two_stages: tuple[Card, Changes], tmp_path: Path
) -> None:
    card, _ = two_stages
    adapter = Ltx2Adapter(card)
    inputs = Inputs(keyframes=((13, picture(1, LARGE, LARGE)),), source_THWC=film(1, 17).repeat(2, 1).repeat(2, 2))
    state = adapter.prepare(adapter.encode(large(card, media=ASKED["media"]), inputs), 3)
    end, saved = to_the_end(adapter, state, tmp_path)
    go_on_elsewhere([(card, saved)])
    assert len(saved) == 11
    for path in saved:
        assert path.with_suffix(".end").read_bytes() == end, f"from step {path.stem}"


@pytest.mark.parametrize("matrices", ["", INT8], ids=["plain", "in eight bits"])
def test_blocks_that_visit_the_device_look_at_it_with_their_lora_on_to_the_same_bits(card: Card, matrices: str) -> None:
    adapter = Ltx2Adapter(card, device=ACCELERATOR, residency=KeptParts(1 << 40))
    roomy = How(apart=True, matrices=matrices)
    inputs = Inputs(references=(film(1, 9),))

    def end(how: How, weight: float = 1.0) -> bytes:
        adapter.accelerate(how, Dress(how))
        return made(adapter, inputs, steps=2, loras=(Lora("beside", weight),)).to_bytes()

    whole = end(roomy)
    assert end(replace(roomy, blocks=True)) == whole
    assert visits(adapter.parts.transformer), "they did take turns"
    states = [adapter.restore(saved) for saved in (whole, end(roomy, weight=0.5))]
    assert not torch.equal(*(state.latent_BNC[:, : state.condition.numbers.places] for state in states))


def test_steps_that_are_left_out_and_looks_at_the_film_have_it_beside_them_too(card: Card) -> None:
    how = How(reuse=0.5)
    one, other = Ltx2Adapter(card), Ltx2Adapter(card)
    one.accelerate(how, Dress(how))
    passes: list[int] = []
    hook = one.parts.transformer.register_forward_pre_hook(lambda *told: passes.append(1))
    state = one.prepare(one.encode(small(card, **{**ASKED, "steps": 7}), Inputs(references=(film(1, 9),))), 7)
    saved: list[bytes] = []
    while state.index < state.num_steps:
        saved.append(state.to_bytes())
        state = one.step(state, state.index)
        look = [chunk.frames_THWC.shape for chunk in one.decode(one.foreseen(state))]
        assert look == [(1, SIDE, SIDE, 3), (8, SIDE, SIDE, 3)]
    hook.remove()
    assert len(passes) < len(saved) == 7
    for index, half_made in enumerate(saved):
        assert ended(other, other.restore(half_made)).to_bytes() == state.to_bytes(), f"from step {index}"


@pytest.mark.parametrize("shrunk", [1, 2])
def test_what_stands_beside_is_foretold(
    tiny_card: TinyCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shrunk: int
) -> None:
    monkeypatch.setattr(tiny_ltx2, "VIDEO_WIDTH", 128)
    monkeypatch.setattr(tiny_ltx2, "SOUND_WIDTH", 64)
    plain = tiny_card(SECOND).in_folder(tiny_ltx2.built(SECOND, tmp_path / "model"))
    adapter = Ltx2Adapter(beside_a_clip(plain, tmp_path, shrunk)[0])
    sizes: dict[str, Any] = {"width": 640, "height": 640, "guidance_scale": 3}
    request = small(adapter.describe(), **{**ASKED, **sizes})
    clip = film(1, 25).repeat(10, 1).repeat(10, 2)
    adapter.parts.kept.get("vae")  # loaded before it is counted
    pictures = counted(lambda: adapter.condition(request, (), None, Beside(clip, shrunk)))
    state = adapter.prepare(adapter.condition(request, (), None, Beside(clip, shrunk)), 7)
    adapter.parts.kept.get("transformer")
    steps = counted(lambda: adapter.step(state, 0))
    needs = adapter.needs(request, How())
    foretold = {stage.name: stage.activation_bytes for stage in needs.stages}
    assert steps == pytest.approx(foretold["steps"], rel=memory.ERROR)
    assert pictures <= foretold["pictures"] * (1 + memory.ERROR)
    others = adapter.needs(replace(request, media=Media(), loras=()), How())
    assert "pictures" not in {stage.name for stage in others.stages}
