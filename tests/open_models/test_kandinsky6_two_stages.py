"""A film larger than one pass of Kandinsky 6 makes well: enlarged by its makers' super-resolution, bit for bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_kandinsky6
import torch
from diffusers import Kandinsky6SRPipeline
from diffusers.models.transformers.transformer_kandinsky6_sr import Kandinsky6SRAttnProcessor
from PIL import Image
from small_requests import picture, small
from step_by_step import (
    FROM_PICTURE,
    another_process_goes_on_to_the_same_bytes,
    ended,
    first_frame,
    joined,
    refused_once_changed,
    taking_turns_they_do_not_mix,
)
from tiny_cards import copied, folder_of, published_card, with_weights
from tiny_kandinsky6 import DISTILLED, KANDINSKY_6

from rushes.catalogue.card import Card
from rushes.contract.artifact import Artifact
from rushes.errors import WrongSetup
from rushes.models.adapter import Frames
from rushes.models.kandinsky6 import nabla, refine
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.kandinsky6.film import decoded
from rushes.models.kandinsky6.layout import check, read
from rushes.weights.checkpoint import looked_at

SIDE, STRETCHED, LARGE = 48, 56, 112
"""Of the first stage, of the film as it is encoded again, and of what comes out."""
TILES, TILE_STEPS = 4, 2
FRAMES = 25
UNCOMPILED = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


@pytest.fixture(scope="module")
def large_card(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Card]:
    """A card of a checkpoint that makes no more than 48 by 48 pixels well in one pass."""
    place = tmp_path_factory.mktemp("large")

    def made(kind: str = KANDINSKY_6, **enlarger: Any) -> Card:
        folder = place / f"{kind} {sorted(enlarger.items())}".replace("/", "")
        if not folder.exists():
            tiny_kandinsky6.with_enlarger(tiny_kandinsky6.built(folder, kind), **enlarger)
        return with_weights(published_card(kind).in_folder(folder), max_area=SIDE * SIDE)

    return made


@pytest.fixture(scope="module")
def adapter(large_card: Callable[..., Card]) -> KandinskyAdapter:
    return KandinskyAdapter(large_card())


def large(card: Card, **asked: Any) -> Any:
    return small(card, **{"width": LARGE, "height": LARGE, "steps": 2, "guidance_scale": 2.0, **asked})


def begun(adapter: KandinskyAdapter, first: Frames | None = None, **asked: Any) -> Any:
    if adapter.layout.distilled:
        asked = {"steps": 10, "guidance_scale": 1.0, "negative_prompt": None, **asked}
    media = {} if first is None else {"media": FROM_PICTURE}
    request = large(adapter.describe(), **media, **asked)
    return adapter.prepare(adapter.encode(request, first_frame(first)), request.seed)


def stock(adapter: KandinskyAdapter, film: Frames, monkeypatch: pytest.MonkeyPatch, **parts: Any) -> Frames:
    """What the library's pipeline makes of a film, at its own defaults, from our noise."""
    folder = folder_of(adapter.describe()) / "super_resolution"
    pipe = Kandinsky6SRPipeline.from_pretrained(folder, local_files_only=True, **parts)
    pipe.set_progress_bar_config(disable=True)
    numbers = iter(range(TILES))

    def drawn(shape: Any, dtype: torch.dtype, **named: Any) -> torch.Tensor:
        return adapter._noise(7, shape, refine.STREAM + next(numbers)).to(dtype)

    monkeypatch.setattr("diffusers.pipelines.kandinsky6.pipeline_kandinsky6_sr.randn_tensor", drawn)
    distilled = "Piflow" in type(pipe.scheduler).__name__
    asked = {"num_inference_steps": 2} if distilled else {}
    made = pipe(video=[Image.fromarray(frame) for frame in film], output_type="np", **asked).frames[0]
    return (made * 255).round().astype(np.uint8)  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", [KANDINSKY_6, DISTILLED])
@pytest.mark.parametrize("distilled", [True, False], ids=["in 2", "in 4"])
def test_both_stages_are_the_stock_pipelines_in_a_row(
    large_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch, kind: str, distilled: bool
) -> None:
    """The first stage equals its pipeline in test_kandinsky6_equals_stock.py. Attention is ours in both: see below."""
    adapter = KandinskyAdapter(large_card(kind, distilled=distilled))
    state = ended(adapter, begun(adapter, picture(1, LARGE, LARGE), generate_audio=True))
    film = np.concatenate(list(decoded(state.latent_BTHWC, adapter.parts.vae)))
    assert film.shape == (FRAMES, SIDE, SIDE, 3)
    assert adapter._second is not None
    transformer = adapter._second.parts.transformer
    assert all(block.self_attention.processor is nabla.NABLA for block in transformer.visual_transformer_blocks)
    theirs = stock(adapter, film, monkeypatch, transformer=transformer)
    ours, heard = joined(adapter.decode(state))
    assert ours.shape == (FRAMES, LARGE, LARGE, 3)
    assert np.array_equal(ours, theirs), np.abs(ours.astype(int) - theirs).max()
    assert len(heard) == 50_000, "of sound, which is the first stage's"


def test_in_bfloat16_too(large_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an accelerator: the library keeps every number of this stage so, and ours are its."""
    adapter = KandinskyAdapter(large_card(), dtype=torch.bfloat16)
    state = ended(adapter, begun(adapter))
    film = np.concatenate(list(decoded(state.latent_BTHWC, adapter.parts.vae)))
    assert adapter._second is not None
    parts = {"transformer": adapter._second.parts.transformer, "dtype": torch.bfloat16}
    assert np.array_equal(joined(adapter.decode(state))[0], stock(adapter, film, monkeypatch, **parts))


@UNCOMPILED
def test_where_every_block_is_chosen_the_librarys_own_attention_makes_the_same_film(
    large_card: Callable[..., Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a level: its kernel sums in another order."""
    adapter = KandinskyAdapter(large_card(nabla_window=(13, 3, 3)))
    state = ended(adapter, begun(adapter))
    film = np.concatenate(list(decoded(state.latent_BTHWC, adapter.parts.vae)))
    off = np.abs(joined(adapter.decode(state))[0].astype(int) - stock(adapter, film, monkeypatch))
    assert off.max() <= 1
    assert off.mean() < 1e-3


def attention(transformer: Any, processor: Any, hidden: torch.Tensor, sparse: dict[str, Any]) -> torch.Tensor:
    block = transformer.visual_transformer_blocks[0]
    block.self_attention.set_processor(processor)
    tokens, width = hidden.shape[1], sum(transformer.config.axes_dims)
    still = torch.eye(2).expand(tokens, 1, width // 2, 2, 2)
    with torch.no_grad():
        return block.self_attention(hidden, still, sparse)  # type: ignore[no-any-return]


@UNCOMPILED
def test_without_a_compiled_kernel_the_library_attends_to_every_block_and_ours_to_the_chosen() -> None:
    torch.manual_seed(3)
    transformer: Any = tiny_kandinsky6.enlarger(True).transformer
    hidden = 3 * torch.randn(1, 6 * nabla.SIDE, tiny_kandinsky6.FINE_WIDTH)
    few = {"sta_mask": torch.eye(6, dtype=torch.bool), "threshold": 0.3}
    every = {"sta_mask": torch.ones(6, 6, dtype=torch.bool), "threshold": 0.3}
    ours, ours_of_all = (attention(transformer, nabla.NABLA, hidden, sparse) for sparse in (few, every))
    theirs, theirs_of_all = (attention(transformer, Kandinsky6SRAttnProcessor(), hidden, one) for one in (few, every))
    assert torch.equal(theirs, theirs_of_all), "the library forgets what was chosen: this can go once it does not"
    torch.testing.assert_close(ours_of_all, theirs_of_all)
    assert (ours - theirs).abs().max() > 0.01


@pytest.mark.parametrize("at_a_time", [1, 1 << 30])
def test_each_block_attends_to_the_chosen_ones_alone(monkeypatch: pytest.MonkeyPatch, at_a_time: int) -> None:
    monkeypatch.setattr(nabla, "MASKED", at_a_time)
    torch.manual_seed(4)
    asks, answers, values = (torch.randn(1, 2, 5 * nabla.SIDE, 8) for _ in range(3))
    chosen = torch.rand(1, 2, 5, 5) < 0.5
    chosen |= torch.eye(5, dtype=torch.bool)
    seen = nabla.attended(asks, answers, values, chosen).unflatten(2, (5, -1))
    for head in range(2):
        for block in range(5):
            there = chosen[0, head, block].repeat_interleave(nabla.SIDE)
            row = asks[0, head].unflatten(0, (5, -1))[block]
            scores = (row @ answers[0, head, there].T / 8**0.5).softmax(-1)
            torch.testing.assert_close(seen[0, head, block], scores @ values[0, head, there])


def test_another_process_goes_on_from_every_step_of_both_stages_to_the_same_bytes(
    adapter: KandinskyAdapter, tmp_path: Path
) -> None:
    clips = [(adapter, begun(adapter, picture(1, LARGE, LARGE), generate_audio=True))]
    (saved,) = another_process_goes_on_to_the_same_bytes(clips, tmp_path)
    assert len(saved) == 2 + TILES * TILE_STEPS


def test_progress_counts_the_steps_of_both_stages_and_a_look_shows_the_whole_film(adapter: KandinskyAdapter) -> None:
    state, tiles = begun(adapter, generate_audio=True), []
    while state.index < state.num_steps:
        assert state.num_steps == 2 + TILES * TILE_STEPS
        state = adapter.step(state, state.index)
        tiles.append(len(state.tiles))
        (look,) = adapter.decode(adapter.foreseen(state))
        assert look.frames_THWC.shape == (5, SIDE, SIDE, 3) and look.audio is None
    assert tiles == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_two_clips_that_take_turns_do_not_mix(adapter: KandinskyAdapter) -> None:
    taking_turns_they_do_not_mix(adapter, [lambda: begun(adapter), lambda: begun(adapter, seed=8)])


def test_each_tile_draws_noise_of_its_own_from_the_seed(adapter: KandinskyAdapter) -> None:
    state = begun(adapter)
    while state.index < 2 + TILE_STEPS:
        state = adapter.step(state, state.index)
    again, other = (adapter.step(replace(state, seed=seed), state.index).tiles for seed in (7, 8))
    assert torch.equal(again[0], other[0]), "is done"
    assert not torch.equal(again[1], other[1])
    small = state.small_BCTHW
    assert small is not None and small.shape[3:] == (STRETCHED // 8, STRETCHED // 8)
    alike = replace(state, small_BCTHW=torch.zeros_like(small), tiles=())
    one, two = (adapter.step(replace(alike, tiles=again[:1] * done), 2 + TILE_STEPS * done).tiles for done in (1, 2))
    assert not torch.equal(one[-1], two[-1]), "and these two are of the same film"


def test_in_short_stretches_the_film_is_the_same_to_the_last_bits(adapter: KandinskyAdapter) -> None:
    state = ended(adapter, begun(adapter))
    second, grid = adapter._stage_of(state)
    long, short = (np.concatenate(list(second.decoded(state, grid, short=short))) for short in (False, True))
    runs = [len(run) for run in second.decoded(state, grid, short=True)]
    assert runs == [5, 4, 4, 4, 4, 4]
    assert np.abs(long.astype(int) - short).max() <= 1


def test_the_job_says_how_a_film_came_to_its_size(adapter: KandinskyAdapter) -> None:
    native = adapter.native(large(adapter.describe(), width=110, height=108))
    artifact = Artifact("k", "video/mp4", 1, "00", 110, 108, 24, 24, False, native)
    first, second = (note.message for note in artifact.changes())
    assert first == f"made at 48×48; enlarged to {LARGE}×{LARGE} by super-resolution in tiles"
    assert second.startswith(f"made at {LARGE}×{LARGE}; scaled to 110×108")
    assert Artifact.from_json(json.loads(json.dumps(artifact.to_json()))) == artifact


def test_what_is_not_much_larger_than_one_pass_is_scaled(adapter: KandinskyAdapter) -> None:
    """As 720P is: one and a half times as much each way."""
    for side, how in ((72, False), (74, True)):
        assert bool(adapter.native(large(adapter.describe(), width=side, height=side)).how) == how
    assert begun(adapter, width=72, height=72).num_steps == 2


@pytest.mark.parametrize(
    ("asked", "first", "made"),
    [
        ((1920, 1080), (848, 480), (1920, 1088)),
        ((1080, 1920), (480, 848), (1088, 1920)),
        ((1440, 1440), (640, 640), (1440, 1440)),
        ((1648, 1248), (736, 560), (1664, 1248)),
        ((1248, 1648), (560, 736), (1248, 1664)),
        ((1920, 540), (848, 240), (1920, 544)),
    ],
)
def test_at_its_published_numbers_every_1080p_is_covered_from_what_one_pass_makes_well(
    large_card: Callable[..., Card], tmp_path: Path, asked: Any, first: Any, made: Any
) -> None:
    """Sixteen pixels to a latent place, and tiles of 512 and 768 pixels."""
    card = published_card(KANDINSKY_6).in_folder(folder_of(large_card()))
    adapter = KandinskyAdapter(card)
    enlarger = adapter.layout.enlarger
    assert enlarger is not None
    published = replace(enlarger, space=16, tiles=((512, 512), (512, 768), (768, 512)))
    adapter.layout = replace(adapter.layout, enlarger=published)
    native = adapter.native(small(card, width=asked[0], height=asked[1]))
    assert (native.width, native.height) == made
    assert native.how.startswith(f"made at {first[0]}×{first[1]}; ")
    assert native.width >= asked[0] and native.height >= asked[1], "cut, and not scaled"


def test_without_its_parts_a_large_size_is_made_smaller_and_scaled(
    large_card: Callable[..., Card], tmp_path: Path
) -> None:
    without = copied(large_card(), tmp_path / "without")
    shutil.rmtree(folder_of(without) / "super_resolution")
    adapter = KandinskyAdapter(without)
    native = adapter.native(large(without))
    assert (native.width, native.height, native.how) == (SIDE, SIDE, "")


def test_all_of_its_files_are_hashed_with_the_models(large_card: Callable[..., Card]) -> None:
    folder = folder_of(large_card())
    names = {path.relative_to(folder).as_posix() for path in looked_at(folder).every_file}
    assert "super_resolution/model_index.json" in names
    assert "super_resolution/vae/diffusion_pytorch_model.safetensors" in names
    assert "vae/diffusion_pytorch_model.safetensors" in names
    assert len(names) == len(looked_at(folder).every_file)


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("vae/config.json", {"temporal_compression_ratio": 8}, "as many frames to a latent frame"),
        ("vae/config.json", {"latent_channels": 64}, "as wide as the latent"),
        ("transformer/config.json", {"out_visual_dim": 4}, "says what its scheduler reads"),
        ("transformer/config.json", {"tile_sizes": [[72, 64]]}, "tiles of whole blocks"),
        ("latent_upscaler/config.json", {"scales": [4]}, "doubles this latent"),
        ("scheduler/scheduler_config.json", {"stochastic_sampling": True}, "no noise of its own"),
        ("model_index.json", {"latent_upscaler": [None, None]}, "latent_upscaler is missing"),
        ("model_index.json", {"vae": ["diffusers", "AutoencoderKLWan"]}, "vae is a AutoencoderKLWan"),
    ],
)
def test_a_folder_that_would_make_something_else_is_refused(
    large_card: Callable[..., Card], tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    refused_once_changed(check, large_card(), tmp_path, f"super_resolution/{part}", change, reason)


def test_one_without_weights_is_refused(large_card: Callable[..., Card], tmp_path: Path) -> None:
    card = copied(large_card(), tmp_path / "copy")
    (folder_of(card) / "super_resolution/vae/diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(WrongSetup, match="vae/ has none"):
        check(folder_of(card), KANDINSKY_6)


def test_what_a_configuration_leaves_out_is_what_the_library_takes_for_it(
    large_card: Callable[..., Card], tmp_path: Path
) -> None:
    card = copied(large_card(), tmp_path / "copy")
    folder = folder_of(card) / "super_resolution"
    for part in ("transformer", "vae", "latent_upscaler"):
        path = folder / part / "config.json"
        path.write_text(json.dumps({"_class_name": json.loads(path.read_text())["_class_name"]}))
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    enlarger = read(folder_of(card)).enlarger
    assert enlarger is not None
    assert (enlarger.channels, enlarger.space, enlarger.time, enlarger.steps) == (64, 16, 4, 2)
    assert enlarger.tiles == ((512, 512), (512, 768), (768, 512))
