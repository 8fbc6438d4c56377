"""Our loop and the library's own pipelines on the same tiny weights: bit for bit, film and sound, guidance on.

A version of diffusers that changes a pipeline turns these red. That is what they are for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import LTX2ConditionPipeline, LTX2InContextPipeline, LTX2Pipeline, LTX2VideoTransformer3DModel
from diffusers.pipelines.ltx2 import LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2ReferenceCondition
from diffusers.pipelines.ltx2.utils import DISTILLED_SIGMA_VALUES
from PIL import Image
from small_requests import SIDE, film, picture, small
from tiny_cards import folder_of
from tiny_ltx2 import DISTILLED, FIRST, FULL, SECOND, THIRD
from two_stages import Changes, beside_a_clip, put_on

from rushes.catalogue.card import Card
from rushes.cli.race_ltx2 import guidance_of_stock
from rushes.contract.media import Media
from rushes.models.adapter import Chunk
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.ltx2.film import latent_of, tokens
from rushes.models.ltx2.given import Beside, Held, smaller
from rushes.models.ltx2.guidance import Guidance, Scales
from rushes.models.ltx2.schedule import DISTILLED_SIGMAS
from rushes.models.ltx2.state import Ltx2State

FRAMES = 25
NONE = Scales()
GUIDED = {
    "none": Guidance(NONE, NONE, None),
    "words": Guidance(Scales(words=3.0), Scales(words=7.0), None),
    "attention": Guidance(Scales(attention=1.0), Scales(attention=1.5), 28),
    "the other stream": Guidance(Scales(other=3.0), Scales(other=2.0), None),
    "words, pulled back": Guidance(Scales(words=3.0, spread=0.7), Scales(words=7.0, spread=0.5), None),
}


def ours(
    card: Card, guidance: Guidance | None, given: tuple[Held, ...] = (), beside: Beside | None = None, **asked: Any
) -> tuple[Ltx2Adapter, Ltx2State, Ltx2State]:
    """The adapter, and its clip at the beginning and at the end."""
    adapter = Ltx2Adapter(card)
    if guidance is not None:
        adapter.guidance = lambda scale: guidance  # type: ignore[method-assign]
    request = small(card, generate_audio=True, **asked)
    first = state = adapter.prepare(adapter.condition(request, given, beside=beside), 7)
    while state.index < state.num_steps:
        state = adapter.step(state, state.index)
    return adapter, first, state


def stock(
    pipeline: Any, card: Card, first: Ltx2State, guidance: Guidance, worn: Changes | None = None, **more: Any
) -> tuple[Any, Any]:
    """Frames of 0 … 1 and samples of the library's pipeline, from the same noise; with what a LoRA adds by layer."""
    full = folder_of(card) / FULL
    parts = {"transformer": LTX2VideoTransformer3DModel.from_pretrained(full)} if full.is_dir() else {}
    pipe = pipeline.from_pretrained(folder_of(card), local_files_only=True, **parts)
    pipe.set_progress_bar_config(disable=True)
    put_on(pipe.transformer, worn or {})
    # Asked for before it sets it; Gemma's own tokenizer says so by itself.
    pipe.tokenizer_padding_side = "left"
    numbers = first.condition.numbers
    pipe.prepare_audio_latents = lambda *given, **named: first.sound_BNC.clone()
    if pipeline is LTX2Pipeline:
        pipe.prepare_latents = lambda *given, **named: first.latent_BNC.clone()
    frames, samples = pipe(
        prompt="A penguin waddles",
        width=SIDE,
        height=SIDE,
        num_frames=numbers.num_frames,
        frame_rate=numbers.fps,
        num_inference_steps=numbers.steps,
        use_cross_timestep=card.weights.layout != FIRST,
        output_type="np",
        return_dict=False,
        **guidance_of_stock(guidance),
        **more,
    )
    return frames[0], samples[0]


def same_film(chunks: list[Chunk], frames: Any) -> bool:
    return np.array_equal(np.concatenate([chunk.frames_THWC for chunk in chunks]), (frames * 255).round().astype("u1"))


def same_sound(adapter: Ltx2Adapter, state: Ltx2State, samples: torch.Tensor) -> bool:
    """Before it is resampled, which is ours alone."""
    parts = adapter.parts
    row = state.sound_BNC * parts.audio_vae.latents_std + parts.audio_vae.latents_mean
    latent = row.unflatten(2, (-1, adapter.layout.sound_bins)).transpose(1, 2)
    return torch.equal(parts.vocoder(parts.audio_vae.decode(latent, return_dict=False)[0])[0], samples)


def held_together(
    pipeline: Any,
    card: Card,
    guidance: Guidance,
    given: tuple[Held, ...] = (),
    beside: Beside | None = None,
    fps: int = 24,
    **more: Any,
) -> None:
    media = Media(reference_videos=("x",)) if beside else Media()
    adapter, first, state = ours(card, guidance, given, beside, media=media, fps=fps, negative_prompt="blurry, text")
    frames, samples = stock(pipeline, card, first, guidance, negative_prompt="blurry, text", **more)
    chunks = list(adapter.decode(state))
    assert [len(chunk.frames_THWC) for chunk in chunks] == [1] + [8] * ((first.condition.numbers.num_frames - 1) // 8)
    assert same_film(chunks, frames)
    assert same_sound(adapter, state, samples)


@pytest.mark.parametrize("how", GUIDED)
def test_film_and_sound_from_words_are_the_stock_pipelines(tiny_card: Callable[..., Card], how: str) -> None:
    held_together(LTX2Pipeline, tiny_card(SECOND), GUIDED[how])


def test_the_first_generation_reads_words_its_own_way(tiny_card: Callable[..., Card]) -> None:
    held_together(LTX2Pipeline, tiny_card(FIRST), GUIDED["words"])


@pytest.mark.parametrize("kind", [FIRST, SECOND, THIRD])
def test_all_guidance_at_once_as_published_is_the_stock_pipelines(tiny_card: Callable[..., Card], kind: str) -> None:
    card = tiny_card(kind)
    held_together(LTX2Pipeline, card, Ltx2Adapter(card).guidance(3.0))


GIVEN: dict[str, tuple[list[tuple[int, Any, float]], tuple[Held, ...]]] = {
    # What the library counts in latent frames, from 1 + 8 × (n − 1) on, we count in frames.
    "a first frame": ([(0, picture(1), 1.0)], (Held(0, picture(1)[None]),)),
    "a picture in the middle": ([(2, picture(1), 1.0)], (Held(9, picture(1)[None]),)),
    "a clip to begin with, less than firmly, and a picture later": (
        [(0, film(3, 9), 0.8), (3, picture(1), 0.6)],
        (Held(0, film(3, 9), 0.8), Held(17, picture(1)[None], 0.6)),
    ),
    "a clip in the middle": ([(1, film(3, 9), 1.0)], (Held(1, film(3, 9)),)),
}


@pytest.mark.parametrize("what", GIVEN)
def test_film_and_sound_with_what_is_given_are_the_stock_pipelines(
    tiny_card: Callable[..., Card], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = GIVEN[what]
    card = tiny_card(SECOND)
    adapter = Ltx2Adapter(card)
    # The pipeline draws its noise by this one name, for all tokens at once.
    free = adapter.prepare(adapter.condition(small(card), tuple(Held(h.at, h.frames_THWC, 0.0) for h in mine)), 7)
    monkeypatch.setattr(
        "diffusers.pipelines.ltx2.pipeline_ltx2_condition.randn_tensor",
        lambda shape, **named: free.latent_BNC.reshape(shape).clone(),
    )
    conditions = [
        LTX2VideoCondition(
            frames=Image.fromarray(frames) if frames.ndim == 3 else [Image.fromarray(frame) for frame in frames],
            index=index,
            strength=strength,
        )
        for index, frames, strength in theirs
    ]
    held_together(LTX2ConditionPipeline, card, adapter.guidance(3.0), mine, conditions=conditions)


@pytest.mark.parametrize(("kind", "shrunk", "fps"), [(FIRST, 1, 24), (SECOND, 2, 30), (THIRD, 1, 24)])
@pytest.mark.parametrize(
    "given",
    [(), (Held(0, picture(2)[None]), Held(17, picture(1)[None], 0.6))],
    ids=["alone", "with a picture first and one later"],
)
def test_film_and_sound_beside_a_clip_that_a_lora_looks_at_are_the_stock_pipelines(
    tiny_card: Callable[..., Card],
    tmp_path: Path,
    kind: str,
    shrunk: int,
    fps: int,
    given: tuple[Held, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card, worn = beside_a_clip(tiny_card(kind), tmp_path, shrunk)
    adapter, clip = Ltx2Adapter(card), film(5, FRAMES - 8)
    request = small(card, media=Media(reference_videos=("x",)), fps=fps)
    # With nothing held firmly all is noise: the pipeline draws that by this one name, for all tokens at once.
    loose = tuple(Held(held.at, held.frames_THWC, 0.0) for held in (*given, Held(1, smaller(clip, shrunk))))
    noise = adapter.prepare(adapter.condition(request, loose), 7).latent_BNC
    monkeypatch.setattr(
        "diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora.randn_tensor",
        lambda shape, **named: noise.reshape(shape).clone(),
    )
    held_together(
        LTX2InContextPipeline,
        card,
        adapter.guidance(3.0),
        given,
        Beside(clip, shrunk),
        fps,
        worn=worn,
        conditions=[
            LTX2VideoCondition(Image.fromarray(held.frames_THWC[0]), index, held.strength)
            for index, held in zip((0, 3), given, strict=False)
        ],
        reference_conditions=[LTX2ReferenceCondition([Image.fromarray(frame) for frame in smaller(clip, shrunk)])],
        reference_downscale_factor=shrunk,
    )


@pytest.mark.parametrize("kind", [SECOND, THIRD])
def test_a_distilled_one_takes_its_fixed_steps_as_they_are(tiny_card: Callable[..., Card], kind: str) -> None:
    """The pipeline has to be told: its scheduler would move the noise levels, and its defaults guide all the same."""
    assert tuple(DISTILLED_SIGMA_VALUES) == DISTILLED_SIGMAS
    card = tiny_card(kind + DISTILLED)
    adapter, first, state = ours(card, None, steps=8, negative_prompt=None)
    assert state.num_steps == 8

    class Plain(LTX2Pipeline):  # type: ignore[misc]
        @classmethod
        def from_pretrained(cls, *given: Any, **named: Any) -> Any:
            pipe = LTX2Pipeline.from_pretrained(*given, **named)
            pipe.scheduler = type(pipe.scheduler).from_config(
                pipe.scheduler.config, use_dynamic_shifting=False, shift_terminal=None
            )
            pipe.prepare_latents = lambda *given, **named: first.latent_BNC.clone()
            return pipe

    frames, samples = stock(Plain, card, first, GUIDED["none"], sigmas=DISTILLED_SIGMA_VALUES)
    assert same_film(list(adapter.decode(state)), frames)
    assert same_sound(adapter, state, samples)


def test_tokens_become_the_latent_again(tiny_card: Callable[..., Card]) -> None:
    adapter = Ltx2Adapter(tiny_card(SECOND))
    state = adapter.prepare(adapter.encode(small(adapter.describe())), 7)
    assert torch.equal(tokens(latent_of(state.latent_BNC, state.condition.numbers)), state.latent_BNC)
