"""Stock pipelines that are called whole: what comes out is theirs, bit for bit, and how they are led is ours."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_whole
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file
from small_requests import picture, small
from tiny_cards import folder_of
from tiny_whole import COGVIDEOX, COGVIDEOX_FROM_PICTURE, HUNYUAN, LATTE, LTX, MOCHI

from rushes.catalogue.card import Card
from rushes.catalogue.cards import whole
from rushes.contract.events import Interrupted, Progress
from rushes.contract.media import FrameImage, Media
from rushes.diffusion.noise import noise
from rushes.engine.engine import Engine
from rushes.errors import GenerationFailed
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.parts import How
from rushes.models.whole.adapter import WholeAdapter
from rushes.models.whole.layout import read

pytestmark = pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")  # Mochi's, on a machine without a GPU

NATIVE = "64x64@8"
SHAPES = {  # of the noise: packed for LTX-Video, time before channels for CogVideoX
    COGVIDEOX: (1, 3, 4, 8, 8),
    HUNYUAN: (1, 4, 3, 8, 8),
    LATTE: (1, 4, 8, 8, 8),
    LTX: (1, 3 * 16 * 16, 8),
    MOCHI: (1, 12, 3, 8, 8),
}
FRAMES = {COGVIDEOX: 9, HUNYUAN: 9, LATTE: 8, LTX: 9, MOCHI: 13}


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    place, folders = tmp_path_factory.mktemp("whole"), dict[str, Path]()

    def folder(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = tiny_whole.built(kind, place / kind)
        return folders[kind]

    return folder


@pytest.fixture(scope="session")
def whole_card(whole_folder: Callable[[str], Path]) -> Callable[[str], Card]:
    def card(kind: str) -> Card:
        return of(whole_folder(kind))

    return card


def of(folder: Path) -> Card:
    card = whole.card("studio/penguins", read(folder, NATIVE), 0, "apache-2.0")
    return card.in_folder(folder)


def asked(card: Card, **changes: Any) -> Any:
    negative = card.rules.negative_prompt.taken
    return small(card, **{"seconds": 1.0, "negative_prompt": "blurry, text" if negative else None, **changes})


def film_of(adapter: WholeAdapter, request: Any, inputs: Inputs = NO_INPUTS) -> np.ndarray:
    state = adapter.prepare(adapter.encode(request, inputs), request.seed)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return np.concatenate([chunk.frames_THWC for chunk in adapter.decode(state)])


def stock(folder: Path, **given: Any) -> np.ndarray:
    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    made = pipe(prompt="A penguin waddles", width=64, height=64, num_inference_steps=4, output_type="np", **given)
    frames: np.ndarray = (made.frames[0] * 255).round().astype(np.uint8)
    return frames


@pytest.mark.parametrize("kind", SHAPES)
def test_from_the_same_noise_the_frames_are_the_stock_pipelines(whole_card: Callable[[str], Card], kind: str) -> None:
    card = whole_card(kind)
    ours = film_of(WholeAdapter(card), asked(card))
    length = "video_length" if kind == LATTE else "num_frames"
    given: dict[str, Any] = {length: FRAMES[kind], "latents": torch.from_numpy(noise(7, SHAPES[kind]))}
    if card.rules.negative_prompt.taken:
        given["negative_prompt"] = "blurry, text"
    theirs = stock(folder_of(card), **given)
    assert ours.shape == (FRAMES[kind], 64, 64, 3)
    assert np.array_equal(ours, theirs), np.abs(ours.astype(int) - theirs).max()


@pytest.mark.parametrize("kind", SHAPES)
def test_words_read_by_layers_that_visit_the_device_make_the_same_frames(
    whole_card: Callable[[str], Card], kind: str
) -> None:
    card = whole_card(kind)
    films = []
    for how in (How(), How(apart=True, layers=True)):
        adapter = WholeAdapter(card)
        adapter.accelerate(how, lambda network: None)
        films.append(film_of(adapter, asked(card)))
    assert any(module._forward_pre_hooks for module in adapter.networks.get("text_encoder").modules())
    assert np.array_equal(*films)


def test_from_a_picture_the_frames_are_the_stock_pipelines_with_a_generator_of_the_seed(
    whole_card: Callable[[str], Card],
) -> None:
    card = whole_card(COGVIDEOX_FROM_PICTURE)
    request = asked(card, media=Media(frame_images=(FrameImage("x", "first"),)))
    ours = film_of(WholeAdapter(card), request, Inputs(keyframes=((0, picture(1)),)))
    theirs = stock(
        folder_of(card),
        image=Image.fromarray(picture(1)),
        num_frames=9,
        negative_prompt="blurry, text",
        generator=torch.Generator().manual_seed(7),
    )
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [COGVIDEOX, HUNYUAN])
def test_a_seed_gives_the_same_bytes_whatever_was_made_between(whole_card: Callable[[str], Card], kind: str) -> None:
    card = whole_card(kind)
    adapter = WholeAdapter(card)
    first, other, again = (film_of(adapter, asked(card, seed=seed)) for seed in (7, 8, 7))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", [COGVIDEOX, LTX])
def test_every_field_that_the_card_takes_changes_the_film(whole_card: Callable[[str], Card], kind: str) -> None:
    card = whole_card(kind)
    adapter = WholeAdapter(card)
    changes: list[dict[str, Any]] = [
        {},
        {"prompt": "A rocket flies"},
        {"negative_prompt": "snow"},
        {"guidance_scale": 2.0},
        {"steps": 3},
        {"seed": 8},
    ]
    films = {film_of(adapter, asked(card, **change)).tobytes() for change in changes}
    assert len(films) == len(changes)


def test_a_cancel_ends_the_call_within_a_step_and_nothing_is_decoded(
    whole_card: Callable[[str], Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = whole_card(COGVIDEOX)
    adapter = WholeAdapter(card)
    engine, decodes, steps = Engine(), list[int](), list[int]()
    monkeypatch.setattr(engine, "adapter", lambda card: adapter)
    transformer, vae = adapter.networks.get("transformer"), adapter.networks.get("vae")
    forward = transformer.forward

    def counted(*given: Any, **more: Any) -> Any:
        steps.append(1)
        return forward(*given, **more)

    monkeypatch.setattr(transformer, "forward", counted)
    monkeypatch.setattr(vae, "decode", lambda *given, **more: decodes.append(1))

    runs: list[Any] = []

    def stop_in_the_second_step(progress: Progress) -> None:
        if progress.step == 2:
            runs.append(adapter._run)
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        engine.generate(asked(card), card, stop_in_the_second_step)
    (run,) = runs
    run.abandon()
    assert (len(steps), decodes) == (2, [])
    assert not run._thread.is_alive()
    del run, runs[:]
    gc.collect()
    assert adapter._run is None, "what a clip that was broken off had made is not kept for the next one"


def test_after_a_clip_that_was_stopped_the_next_one_is_as_it_would_have_been(
    whole_card: Callable[[str], Card],
) -> None:
    card = whole_card(LTX)
    adapter = WholeAdapter(card)
    plain = film_of(adapter, asked(card))
    left = adapter.step(adapter.prepare(adapter.encode(asked(card, seed=9)), 9), 0)
    assert np.array_equal(film_of(adapter, asked(card)), plain)
    with pytest.raises(GenerationFailed, match="another clip has begun since"):
        adapter.step(left, 1)


def test_a_clip_is_told_step_by_step(whole_card: Callable[[str], Card]) -> None:
    card, told = whole_card(HUNYUAN), list[Progress]()
    _, chunks = Engine().generate(asked(card), card, told.append)
    list(chunks)
    assert [progress.step for progress in told if progress.stage == "denoising"] == [0, 1, 2, 3, 4]


def test_what_a_half_made_clip_cannot_do_is_said(whole_card: Callable[[str], Card]) -> None:
    card = whole_card(COGVIDEOX)
    adapter = WholeAdapter(card)
    assert not card.stepwise
    assert "begins again" in card.description and "no sound" in card.description
    state = adapter.step(adapter.prepare(adapter.encode(asked(card)), 7), 0)
    with pytest.raises(GenerationFailed, match="before it is done"):
        next(adapter.decode(state))
    with pytest.raises(ValueError, match="inside the call"):
        adapter.restore(b"")


def test_an_error_inside_the_call_is_the_jobs_and_the_next_clip_is_made(
    whole_card: Callable[[str], Card], monkeypatch: pytest.MonkeyPatch
) -> None:
    card = whole_card(COGVIDEOX)
    adapter = WholeAdapter(card)
    plain = film_of(adapter, asked(card))
    with monkeypatch.context() as broken:
        broken.setattr(adapter.networks.get("vae"), "decode", lambda *given, **more: None)
        with pytest.raises(GenerationFailed, match="CogVideoXPipeline of diffusers ended with AttributeError"):
            film_of(adapter, asked(card))
    assert np.array_equal(film_of(adapter, asked(card)), plain)


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
def test_weights_that_lack_a_tensor_are_refused_by_name(
    whole_folder: Callable[[str], Path], tmp_path: Path, part: str
) -> None:
    folder = tiny_whole.built(COGVIDEOX, tmp_path / "spoilt")
    path = next((folder / part).glob("*.safetensors"))
    tensors = load_file(path)
    name = max(tensors)
    del tensors[name]
    save_file(tensors, path, metadata={"format": "pt"})
    adapter = WholeAdapter(of(folder))
    with pytest.raises(GenerationFailed, match=f"{part} lacks"):
        film_of(adapter, asked(adapter.describe()))


@pytest.mark.parametrize("kind", [COGVIDEOX, HUNYUAN, LTX, MOCHI])
@pytest.mark.parametrize(("width", "height", "seconds"), [(70, 64, 1.0), (100, 72, 1.0)])
def test_what_is_snapped_is_known_before_it_is_made(
    whole_card: Callable[[str], Card], kind: str, width: int, height: int, seconds: float
) -> None:
    card = whole_card(kind)
    adapter = WholeAdapter(card)
    request = asked(card, width=width, height=height, seconds=seconds, steps=2)
    native = adapter.native(request)
    assert film_of(adapter, request).shape == (native.num_frames, native.height, native.width, 3)
