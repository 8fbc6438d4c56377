"""A film larger than one pass makes well: made at half its sides, enlarged as latents, refined as the library does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTX2ConditionPipeline, LTX2Pipeline
from diffusers.pipelines.ltx2.utils import STAGE_2_DISTILLED_SIGMA_VALUES
from elsewhere import go_on_elsewhere, to_the_end
from small_requests import SIDE, picture, small, sound
from tiny_cards import changed, copied, folder_of, with_weights
from tiny_ltx2 import DISTILLED, FIRST, SECOND, THIRD
from two_stages import LARGE, begun, ended, large, same, stock

from rushes.catalogue.card import Card
from rushes.contract.artifact import Artifact
from rushes.errors import WrongSetup
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.given import Held
from rushes.models.ltx2.layout import check
from rushes.models.ltx2.schedule import DISTILLED_SIGMAS, REFINING_SIGMAS

STEPS = len(DISTILLED_SIGMAS) + len(REFINING_SIGMAS)
SOUND = sound(5, 0.5)
GIVEN = Inputs(keyframes=((13, picture(1, LARGE, LARGE)),), lead_in_THWC=np.stack([picture(2, LARGE, LARGE)] * 5))

TinyCard = Callable[..., Card]


@pytest.fixture(scope="session")
def large_card(tiny_card: TinyCard) -> TinyCard:
    """The card of a distilled checkpoint that makes no more than 64 by 64 pixels well in one pass."""

    return lambda kind=SECOND + DISTILLED: with_weights(tiny_card(kind), max_area=SIDE * SIDE)


@pytest.fixture(scope="module")
def adapter(large_card: TinyCard) -> Ltx2Adapter:
    return Ltx2Adapter(large_card())


@pytest.mark.parametrize("kind", [FIRST, SECOND])
def test_both_stages_from_words_are_the_stock_pipelines_in_a_row(
    large_card: TinyCard, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tuple(STAGE_2_DISTILLED_SIGMA_VALUES) == REFINING_SIGMAS
    adapter = Ltx2Adapter(large_card(kind + DISTILLED))
    first = begun(adapter, generate_audio=True)
    theirs = stock(LTX2Pipeline, adapter, first, (), monkeypatch)
    assert theirs[0].shape[1:] == (LARGE, LARGE, 3)
    assert same(adapter, ended(adapter, first), *theirs)


@pytest.mark.parametrize("kind", [SECOND, THIRD])
def test_both_stages_with_what_is_given_are_the_stock_pipelines_in_a_row(
    large_card: TinyCard, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = Ltx2Adapter(large_card(kind + DISTILLED))
    clip = np.stack([picture(3 + n, LARGE, LARGE) for n in range(9)])
    given = [(0, Held(0, clip, 0.8)), (3, Held(17, picture(1, LARGE, LARGE)[None], 0.6))]
    first = begun(adapter, tuple(held for _, held in given), generate_audio=True)
    theirs = stock(LTX2ConditionPipeline, adapter, first, given, monkeypatch)
    assert same(adapter, ended(adapter, first), *theirs)


@pytest.fixture(scope="module")
def gone_on(large_card: TinyCard, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Path]]:
    """The end of an undisturbed clip with all that can be given, and the states before its steps, gone on with."""
    card = large_card()
    adapter = Ltx2Adapter(card)
    inputs = replace(GIVEN, sound=SOUND)
    state = adapter.prepare(adapter.encode(large(card), inputs), 3)
    end, saved = to_the_end(adapter, state, tmp_path_factory.mktemp("states"))
    go_on_elsewhere([(card, saved)])
    return end, saved


def test_a_fresh_process_goes_on_from_every_step_of_both_stages_to_the_same_bytes(
    gone_on: tuple[bytes, list[Path]],
) -> None:
    end, saved = gone_on
    assert len(saved) == STEPS
    for path in saved:
        assert path.with_suffix(".end").read_bytes() == end, f"from step {path.stem}"


def test_progress_counts_the_steps_of_both_stages_and_the_size_changes_between_them(adapter: Ltx2Adapter) -> None:
    state, rows = begun(adapter), []
    while state.index < state.num_steps:
        assert state.num_steps == STEPS
        state = adapter.step(state, state.index)
        rows.append(state.condition.numbers.rows * adapter.layout.space)
    assert rows == [SIDE] * 8 + [LARGE] * 3
    (chunk,) = {chunk.frames_THWC.shape[1:] for chunk in adapter.decode(state)}
    assert chunk == (LARGE, LARGE, 3)


def test_the_job_says_how_a_film_came_to_its_size(adapter: Ltx2Adapter) -> None:
    native = adapter.native(large(adapter.describe(), width=130, height=126))
    artifact = Artifact("k", "video/mp4", 1, "00", 130, 126, 24, 24, False, native)
    first, second = (note.message for note in artifact.changes())
    assert first == "made at 64×64; enlarged as latents to 128×128, and refined"
    assert second.startswith("made at 128×128; scaled to 130×126")
    assert Artifact.from_json(json.loads(json.dumps(artifact.to_json()))) == artifact


def test_what_one_pass_makes_well_is_made_in_one(adapter: Ltx2Adapter) -> None:
    request = small(adapter.describe(), steps=8, negative_prompt=None)
    assert adapter.native(request).how == ""
    assert adapter.prepare(adapter.condition(request, ()), 7).num_steps == 8


@pytest.mark.parametrize("inputs", [Inputs(keyframes=GIVEN.keyframes), Inputs(sound=SOUND)], ids=["picture", "sound"])
def test_what_is_given_is_read_in_both_stages(adapter: Ltx2Adapter, inputs: Inputs) -> None:
    request = large(adapter.describe())
    free, led = (adapter.prepare(adapter.encode(request, given), 7) for given in (NO_INPUTS, inputs))
    while free.index < 8:
        free, led = adapter.step(free, free.index), adapter.step(led, led.index)
    places = free.condition.numbers.places
    assert not torch.equal(free.latent_BNC, led.latent_BNC[:, :places]), "in the first"
    second = led.condition.next
    assert second is not None
    forgotten = replace(led, condition=replace(led.condition, next=replace(second, given={})))
    one, other = (adapter.step(state, 8).latent_BNC[:, : 4 * places] for state in (led, forgotten))
    assert not torch.equal(one, other), "in the second"
    if inputs.sound is not None:
        assert torch.equal(ended(adapter, led).sound_BNC, led.condition.given["sound"])


def test_a_frame_that_is_held_firmly_ends_as_it_was_given_at_the_size_of_the_second_stage(
    adapter: Ltx2Adapter,
) -> None:
    state = ended(adapter, adapter.prepare(adapter.encode(large(adapter.describe()), GIVEN), 7))
    given = state.condition.given
    firm = given["held"][0, :, 0] == 1
    assert firm.sum() >= 16, "a latent frame of four by four places at least"
    assert torch.allclose(state.latent_BNC[:, firm], given["clean"][:, firm], atol=1e-6)


def test_the_second_stage_draws_noise_of_its_own(adapter: Ltx2Adapter) -> None:
    state = begun(adapter)
    while state.index < 8:
        state = adapter.step(state, state.index)
    one, other = (adapter.step(replace(state, seed=seed), 8) for seed in (7, 8))
    assert not torch.equal(one.latent_BNC, other.latent_BNC)
    assert not torch.equal(one.sound_BNC, other.sound_BNC)


def test_without_an_upsampler_a_large_size_is_made_smaller_and_scaled(large_card: TinyCard, tmp_path: Path) -> None:
    card = large_card()
    without = copied(card, tmp_path / "without")
    shutil.rmtree(folder_of(without) / "latent_upsampler")
    adapter = Ltx2Adapter(without)
    native = adapter.native(large(card))
    assert (native.width, native.height, native.how) == (SIDE, SIDE, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temporal_upsample": True}, "doubles both sides"),
        ({"rational_spatial_scale": 1.5}, "doubles both sides"),
        ({"in_channels": 128}, "doubles both sides"),
        ({"_class_name": "LTXLatentUpsamplerModel"}, "is a LTXLatentUpsamplerModel"),
        (None, "latent_upsampler/ has none"),
    ],
)
def test_an_upsampler_that_does_not_fit_is_refused_when_it_is_added(
    tiny_folder: Callable[..., Path], tmp_path: Path, change: dict[str, Any] | None, said: str
) -> None:
    folder = tmp_path / "spoilt"
    shutil.copytree(tiny_folder(SECOND + DISTILLED), folder)
    check(folder, SECOND + DISTILLED)
    config = folder / "latent_upsampler" / "config.json"
    if change is None:
        (config.parent / "diffusion_pytorch_model.safetensors").unlink()
    else:
        changed(config, change)
    with pytest.raises(WrongSetup) as refused:
        check(folder, SECOND + DISTILLED)
    assert said in str(refused.value)
