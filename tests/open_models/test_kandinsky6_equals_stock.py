"""Kandinsky 6 step by step and by its stock pipeline: the same film and sound, bit for bit, from any saved step on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_kandinsky6
import torch
from diffusers import Kandinsky6TI2VAPipeline
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image
from small_requests import picture, small
from step_by_step import (
    FIELDS,
    FROM_PICTURE,
    another_process_goes_on_to_the_same_bytes,
    each_makes_another_film,
    finished,
    first_frame,
    refused_once_changed,
    taking_turns_they_do_not_mix,
)
from tiny_cards import folder_of, published_card
from tiny_kandinsky6 import DISTILLED, KANDINSKY_6
from transformers import Qwen2_5_VLProcessor

from rushes.catalogue.card import Card
from rushes.diffusion.noise import noise
from rushes.errors import WrongSetup
from rushes.media.resample import resampled
from rushes.models.adapter import Frames
from rushes.models.kandinsky6 import sound, text
from rushes.models.kandinsky6.adapter import PICTURE_STREAM, KandinskyAdapter
from rushes.models.kandinsky6.film import decoded
from rushes.models.kandinsky6.layout import check, read
from rushes.models.solver import SCHEDULERS

FRAMES = 25  # what a second takes: seven latent frames, which the decoder works through in three stretches


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place = tmp_path_factory.mktemp("kandinsky")
    return cache(lambda kind: published_card(kind).in_folder(tiny_kandinsky6.built(place / kind, kind)))


@pytest.fixture(scope="module")
def adapters(cards: Callable[[str], Card]) -> Callable[..., KandinskyAdapter]:
    """One of each kind for all tests: what a clip leaves on it, another would show."""
    made = cache(lambda kind: KandinskyAdapter(cards(kind)))
    return lambda kind=KANDINSKY_6: made(kind)


def begun(adapter: KandinskyAdapter, *, first: Frames | None = None, **asked: Any) -> Any:
    media = {} if first is None else {"media": FROM_PICTURE}
    if adapter.layout.distilled:
        asked = {"negative_prompt": None, "steps": 10, **asked}
    request = small(adapter.describe(), **media, **{"steps": 3, **asked})
    return adapter.prepare(adapter.encode(request, first_frame(first)), request.seed)


def published(tokenizer: Any) -> Any:
    """The processor that a checkpoint names, as far as it stands without torchvision, which films alone ask for."""
    processor = object.__new__(Qwen2_5_VLProcessor)
    processor.tokenizer, processor.chat_template = tokenizer, None
    processor.image_processor = processor.video_processor = None
    processor.image_token, processor.video_token = "<|image_pad|>", "<|video_pad|>"
    processor.image_token_id = processor.video_token_id = None
    return processor


def stock(adapter: KandinskyAdapter, state: Any, **asked: Any) -> Any:
    """What the library's pipeline makes of the same parts, from the same noise."""
    parts, found = adapter.parts, adapter.layout.checkpoint
    pipe = Kandinsky6TI2VAPipeline(
        transformer=parts.transformer,
        vae=parts.vae,
        text_encoder=parts.text_encoder,
        tokenizer=published(parts.tokenizer),
        text_encoder_2=parts.text_encoder_2,
        tokenizer_2=parts.tokenizer_2,
        scheduler=SCHEDULERS[found.parts["scheduler"]].from_config(found.config("scheduler")),
        audio_vae=parts.audio_vae,
        vocoder=parts.vocoder,
    )
    pipe.set_progress_bar_config(disable=True)
    heard = state.sound_BLC
    return pipe(
        prompt="A penguin waddles",
        width=64,
        height=64,
        num_frames=FRAMES,
        frame_rate=24.0,
        sample_audio=heard is not None,
        latents=state.latent_BTHWC.permute(0, 4, 1, 2, 3),
        audio_latents=None if heard is None else heard.permute(0, 2, 1),
        output_type="np",
        **asked,
    )


@pytest.mark.parametrize(("kind", "guidance"), [(KANDINSKY_6, 5.0), (KANDINSKY_6, 1.0), (DISTILLED, 1.0)])
@pytest.mark.parametrize("pictured", [False, True], ids=["words", "picture"])
@pytest.mark.parametrize("audible", [False, True], ids=["silent", "sound"])
def test_our_loop_makes_what_the_stock_pipeline_makes(
    adapters: Callable[..., KandinskyAdapter],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    guidance: float,
    pictured: bool,
    audible: bool,
) -> None:
    adapter, first = adapters(kind), picture(1) if pictured else None
    state = begun(adapter, first=first, generate_audio=audible, guidance_scale=guidance)
    film, heard = finished(adapter, state)

    def picked(self: DiagonalGaussianDistribution, generator: Any = None) -> torch.Tensor:
        """By our noise, of which the pipeline has another: a generator's."""
        drawn = torch.from_numpy(noise(7, (1, *self.mean.shape[3:], self.mean.shape[1]), PICTURE_STREAM))
        return self.mean + self.std * drawn.permute(0, 3, 1, 2)[:, :, None]

    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", picked)
    theirs = stock(
        adapter,
        state,
        negative_prompt="blurry, text",
        image=None if first is None else Image.fromarray(first),
        num_inference_steps=state.num_steps,
        guidance_scale=guidance,
    )
    assert film.shape == (FRAMES, 64, 64, 3)
    expected = (np.asarray(theirs.frames[0]) * 255).round().astype(np.uint8)
    assert np.array_equal(film, expected), np.abs(film.astype(int) - expected).max()
    if audible:
        samples = round(FRAMES / 24 * 48_000)
        assert heard.shape == (samples, 2)
        assert np.array_equal(heard, np.repeat(resampled(theirs.audio[0][:, None], 44_100, 48_000), 2, 1)[:samples])
        assert np.abs(heard).max() > 1e-3
    else:
        assert heard is None and theirs.audio is None


@pytest.mark.parametrize(("kind", "guidance"), [(KANDINSKY_6, 5.0), (DISTILLED, 1.0)])
def test_in_bfloat16_it_is_no_further_from_float32_than_the_library_is(
    adapters: Callable[..., KandinskyAdapter], cards: Callable[[str], Card], kind: str, guidance: float
) -> None:
    """As on an accelerator, where the library keeps the latents in bfloat16 too; ours stay float32 between steps."""
    exact, _ = finished(adapters(kind), begun(adapters(kind), guidance_scale=guidance))
    half = KandinskyAdapter(cards(kind), dtype=torch.bfloat16)
    state = begun(half, guidance_scale=guidance)
    how = {"num_inference_steps": state.num_steps, "guidance_scale": guidance, "negative_prompt": "blurry, text"}
    theirs = np.asarray(stock(half, state, **how).frames[0]) * 255
    ours = finished(half, state)[0].astype(int)
    assert 0 < np.abs(ours - exact).mean() < 1.1 * np.abs(theirs.round() - exact).mean() < 3, "of 255 levels"


def test_noise_is_ours_and_a_longer_clip_begins_with_that_of_a_shorter_one(
    adapters: Callable[..., KandinskyAdapter],
) -> None:
    adapter = adapters()
    state, longer = (begun(adapter, generate_audio=True, seconds=seconds) for seconds in (1, 2))
    assert torch.equal(state.latent_BTHWC, torch.from_numpy(noise(7, state.latent_BTHWC.shape)))
    assert torch.equal(state.sound_BLC, torch.from_numpy(noise(7, state.sound_BLC.shape, sound.STREAM)))
    assert torch.equal(longer.latent_BTHWC[:, :7], state.latent_BTHWC)
    assert torch.equal(longer.sound_BLC[:, : state.sound_BLC.shape[1]], state.sound_BLC)


def test_the_first_frames_latent_is_drawn_by_the_seed(adapters: Callable[..., KandinskyAdapter]) -> None:
    firsts = [begun(adapters(), first=picture(1), seed=seed).first_BTHWC for seed in (7, 7, 8)]
    assert torch.equal(firsts[0], firsts[1]) and not torch.equal(firsts[0], firsts[2])


def test_every_field_that_the_card_takes_changes_the_film(adapters: Callable[..., KandinskyAdapter]) -> None:
    adapter = adapters()
    more = [{"generate_audio": True}, *({"first": picture(seed)} for seed in (1, 2))]
    each_makes_another_film(adapter, (begun(adapter, **{"steps": 2, **change}) for change in [*FIELDS, *more]))


def test_without_a_negative_prompt_nothing_is_excluded(adapters: Callable[..., KandinskyAdapter]) -> None:
    """The library puts in words of its makers' then, and says so nowhere."""
    adapter = adapters()
    none, empty, theirs = (
        begun(adapter, negative_prompt=words).condition.given["negative"]
        for words in (None, "", Kandinsky6TI2VAPipeline._DEFAULT_NEGATIVE_PROMPT)
    )
    assert torch.equal(none, text.read("", adapter.parts, "negative")["negative"])
    assert torch.equal(none, empty) and not torch.equal(none, theirs)


def test_what_a_configuration_leaves_out_is_what_the_library_takes_for_it(
    cards: Callable[[str], Card], tmp_path: Path
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(folder_of(cards(KANDINSKY_6)), folder)
    before = read(folder)
    for part, names in (
        ("vae", ["temporal_compression_ratio", "spatial_compression_ratio"]),
        ("audio_vae", ["sample_rate", "hop_length"]),
    ):
        path = folder / part / "config.json"
        said = json.loads(path.read_text())
        path.write_text(json.dumps({name: value for name, value in said.items() if name not in names}))
    after = read(folder)
    assert (after.time, after.space, after.sound_hz, after.sound_hop) == (4, 8, 44_100, 1024)
    assert after.multiple == before.multiple == 16


def test_two_clips_that_take_turns_do_not_mix(adapters: Callable[..., KandinskyAdapter]) -> None:
    adapter = adapters()
    asked: list[dict[str, Any]] = [{"generate_audio": True, "first": picture(1)}, {"seed": 8, "guidance_scale": 2.0}]
    taking_turns_they_do_not_mix(adapter, [partial(begun, adapter, **one) for one in asked])


def test_another_process_goes_on_from_any_step_to_the_same_bytes(
    adapters: Callable[..., KandinskyAdapter], tmp_path: Path
) -> None:
    two = [adapters(kind) for kind in (KANDINSKY_6, DISTILLED)]
    clips = [(adapter, begun(adapter, first=picture(1), generate_audio=True)) for adapter in two]
    assert [len(saved) for saved in another_process_goes_on_to_the_same_bytes(clips, tmp_path)] == [3, 10]


def test_frames_that_come_stretch_by_stretch_are_those_of_a_film_decoded_at_once(
    adapters: Callable[..., KandinskyAdapter],
) -> None:
    vae = adapters().parts.vae
    for frames in (1, 3, 4, 5, 7, 10):
        latent = torch.from_numpy(noise(frames, (1, frames, 4, 4, tiny_kandinsky6.CHANNELS)))
        with torch.no_grad():
            whole = vae.decode(latent.permute(0, 4, 1, 2, 3) / vae.config.scaling_factor).sample[0]
        pixels = ((whole * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0) * 255).round().to(torch.uint8).numpy()
        runs = list(decoded(latent, vae))
        assert np.array_equal(np.concatenate(runs), pixels), frames
    assert len(runs) > 1, "not all of them at the end"


def off(latent: torch.Tensor, end: Any) -> float:
    return float((latent - end.latent_BTHWC).square().mean().sqrt())


@pytest.mark.parametrize("kind", [KANDINSKY_6, DISTILLED])
def test_a_look_at_a_clip_is_silent_and_where_it_is_heading(
    adapters: Callable[..., KandinskyAdapter], kind: str
) -> None:
    adapter = adapters(kind)
    state = begun(adapter, generate_audio=True, guidance_scale=1.0)
    noisy, seen = [], []
    for index in range(state.num_steps):
        (look,) = adapter.decode(adapter.foreseen(state))
        assert look.frames_THWC.shape == (5, 64, 64, 3) and look.audio is None
        noisy.append(state.latent_BTHWC)
        state = adapter.step(state, index)
        seen.append(state.heading_BTHWC)
    if kind == KANDINSKY_6:  # of chance weights, what a distilled one predicts at once has nothing in common
        for before, heading in zip(noisy[:-1], seen[:-1], strict=True):
            assert off(heading, state) < 0.7 * off(before, state), "nearer to what comes out than what is still noise"


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("scheduler/scheduler_config.json", {"use_dynamic_shifting": True}, "a fixed schedule"),
        ("scheduler/scheduler_config.json", {"stochastic_sampling": True}, "no noise of its own"),
        ("transformer/config.json", {"visual_token_type_num_embeddings": 0}, "takes a first frame"),
        ("transformer/config.json", {"out_visual_dim": 16}, "says what its scheduler reads"),
        ("transformer/config.json", {"patch_size": [2, 2, 2]}, "tokens of one latent frame"),
        ("vae/config.json", {"latent_channels": 16}, "as wide as the latent"),
        ("model_index.json", {"vocoder": [None, None]}, "vocoder is missing"),
        ("model_index.json", {"scheduler": ["diffusers", "UniPCMultistepScheduler"]}, "scheduler is a UniPC"),
    ],
)
def test_a_folder_that_would_make_something_else_is_refused(
    cards: Callable[[str], Card], tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    refused_once_changed(check, cards(KANDINSKY_6), tmp_path, part, change, reason)


def test_a_distilled_one_is_told_from_a_full_one(cards: Callable[[str], Card]) -> None:
    for kind, other in ((KANDINSKY_6, DISTILLED), (DISTILLED, KANDINSKY_6)):
        check(folder_of(cards(kind)), kind)
        with pytest.raises(WrongSetup, match=f"this one is of {kind}"):
            check(folder_of(cards(kind)), other)
