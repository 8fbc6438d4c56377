"""Our loop around the library's blocks, and the blocks run whole by the library: bit for bit, saved at every step."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_blocks
import torch
from diffusers import DiffusionPipeline, HunyuanVideo15Pipeline
from small_requests import small
from step_by_step import FIELDS, each_makes_another_film, finished, refused_once_changed
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cards import folder_of, published_card

from rushes.catalogue.card import Card
from rushes.diffusion.noise import noise
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.blocks.layout import check
from rushes.models.blocks.order import blocks_of

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


@pytest.mark.parametrize("kind", [HUNYUAN_1_5, LTX])
def test_our_loop_makes_what_the_blocks_make_whole(blocks: Callable[[str], BlocksAdapter], kind: str) -> None:
    adapter = blocks(kind)
    ours, _ = finished(adapter, begun(adapter, guidance_scale=5.0))
    theirs = stock(adapter.describe(), kind, 5.0)
    assert ours.shape == (FRAMES[kind], 64, 64, 3)
    assert np.array_equal(ours, theirs), np.abs(ours.astype(int) - theirs).max()


@pytest.mark.parametrize("guidance", [6.0, 1.0])
def test_it_makes_what_hunyuan_videos_stock_pipeline_makes(
    blocks: Callable[[str], BlocksAdapter], guidance: float
) -> None:
    """With a guidance of 1 the library's own blocks end with an error: they miss the negative words they skipped."""
    adapter = blocks(HUNYUAN_1_5)
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
