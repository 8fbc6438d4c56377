"""Our loop around the library's blocks, and the blocks run whole by the library: bit for bit, saved at every step."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_blocks
import torch
from diffusers import DiffusionPipeline, HunyuanVideo15Pipeline
from parts_in_memory import counted
from small_requests import small
from step_by_step import FIELDS, each_makes_another_film, ended, finished, refused_once_changed
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cards import folder_of, published_card

from rushes.catalogue.card import Card
from rushes.diffusion.noise import noise
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.blocks.layout import BLOCKS, check
from rushes.models.blocks.order import blocks_of
from rushes.models.blocks.unpadded import PICTURE, Unmasked
from rushes.models.parts import How

FRAMES = {HUNYUAN_1_5: 25, LTX: 25}
SHAPES = {HUNYUAN_1_5: (1, 4, 7, 8, 8), LTX: (1, 7 * 16 * 16, 8)}


@pytest.fixture(scope="module")
def blocks_card(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place = tmp_path_factory.mktemp("blocks")
    return cache(lambda kind: published_card(kind).in_folder(tiny_blocks.built(kind, place / kind)))


@pytest.fixture(scope="module")
def blocks(blocks_card: Callable[[str], Card]) -> Callable[[str], BlocksAdapter]:
    """One adapter of a kind for all tests: what a clip leaves on it, another would show."""
    return cache(lambda kind: BlocksAdapter(blocks_card(kind)))


def begun(adapter: BlocksAdapter, **asked: Any) -> Any:
    request = small(adapter.describe(), **asked)
    return adapter.prepare(adapter.encode(request), request.seed)


def stock(card: Card, kind: str, guidance: float) -> np.ndarray:
    """Frames of the library's blocks, run by the library from the same noise."""
    parts = DiffusionPipeline.from_pretrained(folder_of(card), local_files_only=True).components
    pipe = blocks_of(kind).init_pipeline()
    pipe.update_components(**{name: part for name, part in parts.items() if part is not None})
    pipe.update_components(guider=pipe.guider.new(guidance_scale=guidance))
    made = pipe(
        prompt="A penguin waddles",
        negative_prompt="blurry, text",
        width=64,
        height=64,
        num_frames=FRAMES[kind],
        num_inference_steps=4,
        latents=torch.from_numpy(noise(7, SHAPES[kind])),
        output_type="np",
        output="videos",
    )
    frames: np.ndarray = (np.asarray(made[0]) * 255).round().astype(np.uint8)
    return frames


@pytest.fixture
def padded(blocks: Callable[[str], BlocksAdapter], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BlocksAdapter]:
    """`blocks`, with what the library pads words by still in them: else the last bits of a step are others."""

    def adapter(kind: str) -> BlocksAdapter:
        monkeypatch.setattr(blocks(kind), "_family", replace(BLOCKS[kind], padded=False))
        return blocks(kind)

    return adapter


@pytest.mark.parametrize("kind", [HUNYUAN_1_5, LTX])
def test_our_loop_makes_what_the_blocks_make_whole(padded: Callable[[str], BlocksAdapter], kind: str) -> None:
    adapter = padded(kind)
    ours, _ = finished(adapter, begun(adapter, guidance_scale=5.0))
    theirs = stock(adapter.describe(), kind, 5.0)
    assert ours.shape == (FRAMES[kind], 64, 64, 3)
    assert np.array_equal(ours, theirs), np.abs(ours.astype(int) - theirs).max()


@pytest.mark.parametrize("guidance", [6.0, 1.0])
def test_it_makes_what_hunyuan_videos_stock_pipeline_makes(
    padded: Callable[[str], BlocksAdapter], guidance: float
) -> None:
    """With a guidance of 1 the library's own blocks end with an error: they miss the negative words they skipped."""
    adapter = padded(HUNYUAN_1_5)
    pipe = HunyuanVideo15Pipeline.from_pretrained(folder_of(adapter.describe()), local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.guider = pipe.guider.new(guidance_scale=guidance)
    made = pipe(
        prompt="A penguin waddles",
        negative_prompt="blurry, text",
        width=64,
        height=64,
        num_frames=25,
        num_inference_steps=4,
        latents=torch.from_numpy(noise(7, SHAPES[HUNYUAN_1_5])),
        output_type="np",
    ).frames[0]
    ours, _ = finished(adapter, begun(adapter, guidance_scale=guidance))
    assert np.array_equal(ours, (made * 255).round().astype(np.uint8))


@pytest.mark.parametrize("guidance", [6.0, 1.0])
def test_words_without_padding_make_the_same_clip_from_far_less(
    blocks: Callable[[str], BlocksAdapter], padded: Callable[[str], BlocksAdapter], guidance: float
) -> None:
    adapter, ends, made_bytes = blocks(HUNYUAN_1_5), [], []
    adapter.step(begun(adapter, guidance_scale=guidance), 0)  # loaded before it is counted, whichever test is the first
    for one in (blocks, padded):
        state = begun(one(HUNYUAN_1_5), guidance_scale=guidance)
        pieces = [state.values[name].shape[1] for name in ("prompt_embeds", "prompt_embeds_2", PICTURE)]
        assert (pieces == [1000, 256, 729]) == (one is padded)
        assert all(pieces[at] < most for at, most in enumerate((1000, 1, 1))) == (one is blocks)
        made_bytes.append(counted(lambda state=state: adapter.step(state, 0)))
        state = ended(adapter, state)
        ends.append((state.values["latents"], finished(adapter, state)[0].astype(int)))
    (ours, our_film), (theirs, their_film) = ends
    assert 0 < (ours - theirs).norm() / theirs.norm() < 1e-6
    assert np.abs(our_film - their_film).max() <= 1
    assert made_bytes[0] < made_bytes[1] / 4


def test_letters_between_quotes_and_an_empty_negative_prompt_are_read_too(
    blocks: Callable[[str], BlocksAdapter],
    padded: Callable[[str], BlocksAdapter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = {"prompt": 'A shield that says "RUSHES"', "negative_prompt": None, "steps": 2}
    states = [begun(one(HUNYUAN_1_5), **asked) for one in (blocks, padded)]
    letters = [state.values["prompt_embeds_2"].shape[1] for state in states]
    assert 0 < letters[0] < letters[1] == 256
    theirs = finished(padded(HUNYUAN_1_5), states[1])[0]
    monkeypatch.undo()
    ours = finished(blocks(HUNYUAN_1_5), states[0])[0]
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_after_a_step_the_network_is_the_librarys_again_for_whoever_shares_it(
    blocks: Callable[[str], BlocksAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = blocks(HUNYUAN_1_5)
    network = adapter.networks.get("transformer")
    before = [block.attn.processor for block in network.transformer_blocks]
    seen: list[Any] = []
    watch = network.transformer_blocks[0].register_forward_pre_hook(
        lambda block, given: seen.append(block.attn.processor)
    )
    state = begun(adapter)
    adapter.step(state, 0)
    monkeypatch.setattr(Unmasked, "__call__", lambda *given, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        adapter.step(state, 0)
    watch.remove()
    assert all(isinstance(processor, Unmasked) for processor in seen)
    assert [block.attn.processor for block in network.transformer_blocks] == before
    assert not any(isinstance(processor, Unmasked) for processor in before)


def test_its_film_is_decoded_by_the_librarys_tiles_at_every_quality(
    padded: Callable[[str], BlocksAdapter], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of 32 pixels instead of 256, to be quick."""
    adapter = padded(HUNYUAN_1_5)
    vae = adapter.networks.get("vae")
    smaller = dict.fromkeys(("tile_sample_min_height", "tile_sample_min_width"), 32)
    smaller |= dict.fromkeys(("tile_latent_min_height", "tile_latent_min_width"), 4)
    for name, value in smaller.items():
        monkeypatch.setattr(vae, name, value)
    state = begun(adapter, steps=1)
    for how in (How(), How(compiled=True)):
        adapter.accelerate(how, lambda network: None)
        done = ended(adapter, state)
        ours, _ = finished(adapter, done)
        assert adapter.how.tiles
        vae.enable_tiling(**smaller)
        with torch.no_grad():
            latents = done.values["latents"] / vae.config.scaling_factor
            theirs = adapter.pipe.video_processor.postprocess_video(vae.decode(latents).sample, output_type="np")[0]
            vae.disable_tiling()
            plain = adapter.pipe.video_processor.postprocess_video(vae.decode(latents).sample, output_type="np")[0]
        assert np.array_equal(ours, (theirs * 255).round().astype(np.uint8))
        assert not np.array_equal(ours, (plain * 255).round().astype(np.uint8))
    adapter.accelerate(How(), adapter.networks.dress)


@pytest.mark.parametrize("kind", [HUNYUAN_1_5, LTX])
def test_saved_after_any_step_a_clip_goes_on_to_the_same_bytes(
    blocks: Callable[[str], BlocksAdapter], kind: str
) -> None:
    adapter = blocks(kind)
    state = begun(adapter)
    plain, _ = finished(adapter, state)
    for index in range(state.num_steps + 1):
        saved = state.to_bytes()
        again = adapter.restore(saved)
        assert (again.index, again.to_bytes()) == (index, saved)
        # Another clip in between: nothing of it may stay on scheduler or guider.
        other = begun(adapter, seed=8, guidance_scale=2.0, steps=3)
        adapter.step(other, 0)
        assert np.array_equal(finished(adapter, again)[0], plain)
        if index < state.num_steps:
            state = adapter.step(state, index)


GOES_ON = """
import sys, hashlib, json
import numpy as np, torch
torch.set_num_threads(1)
from rushes.catalogue.cards.blocks import CARDS
from rushes.models.blocks.adapter import BlocksAdapter
kind, folder, saved = sys.argv[1:]
card = next(card for card in CARDS if card.weights.layout == kind)
adapter = BlocksAdapter(card.in_folder(folder))
state = adapter.restore(open(saved, "rb").read())
while state.index < state.num_steps:
    state = adapter.step(state, state.index)
film = np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])
print(json.dumps({"sha": hashlib.sha256(film.tobytes()).hexdigest(), "format": adapter.state_format()}))
"""


def test_another_process_goes_on_to_the_same_bytes(blocks: Callable[[str], BlocksAdapter], tmp_path: Path) -> None:
    adapter = blocks(HUNYUAN_1_5)
    half = adapter.step(adapter.step(begun(adapter), 0), 1)
    (tmp_path / "saved").write_bytes(half.to_bytes())
    done = subprocess.run(
        [sys.executable, "-c", GOES_ON, HUNYUAN_1_5, str(folder_of(adapter.describe())), str(tmp_path / "saved")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["format"] == adapter.state_format()
    assert said["sha"] == hashlib.sha256(finished(adapter, half)[0].tobytes()).hexdigest()


@pytest.mark.parametrize("kind", [HUNYUAN_1_5, LTX])
def test_a_step_leaves_the_state_before_it_as_it_was(blocks: Callable[[str], BlocksAdapter], kind: str) -> None:
    adapter = blocks(kind)
    state = begun(adapter)
    before = state.to_bytes()
    adapter.step(state, 0)
    assert state.to_bytes() == before


@pytest.mark.parametrize("kind", [HUNYUAN_1_5, LTX])
def test_every_field_that_the_card_takes_changes_the_film(blocks: Callable[[str], BlocksAdapter], kind: str) -> None:
    adapter = blocks(kind)
    each_makes_another_film(adapter, (begun(adapter, **{"steps": 2, **change}) for change in FIELDS))


@pytest.mark.parametrize("bytes_", [b"", b"no state", b"\x02\0\0\0\0\0\0\0{}"])
def test_bytes_that_are_no_state_are_refused(blocks: Callable[[str], BlocksAdapter], bytes_: bytes) -> None:
    with pytest.raises(ValueError, match="these bytes are no"):
        blocks(LTX).restore(bytes_)


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("vae/config.json", {"timestep_conditioning": True}, "draws no noise of its own"),
        ("scheduler/scheduler_config.json", {"stochastic_sampling": True}, "draws no noise of its own"),
        ("model_index.json", {"_class_name": "WanPipeline"}, "names WanPipeline"),
        ("model_index.json", {"scheduler": ["diffusers", "UniPCMultistepScheduler"]}, "a scheduler of the kind"),
    ],
)
def test_a_folder_that_could_not_be_gone_on_with_is_refused(
    blocks_card: Callable[[str], Card], tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    refused_once_changed(check, blocks_card(LTX), tmp_path, part, change, reason)
