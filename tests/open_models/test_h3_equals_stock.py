"""MiniMax-H3 step by step and by the library's own pipeline: the same film and sound, bit for bit, from any step on."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_h3
import torch
from diffusers.modular_pipelines.minimax_h3.modular_blocks_minimax_h3 import MiniMaxH3Blocks
from diffusers.modular_pipelines.minimax_h3.references import (
    MiniMaxH3AudioReference,
    MiniMaxH3ImageReference,
    MiniMaxH3VideoReference,
)
from PIL import Image
from small_requests import film, picture, small, sound
from step_by_step import (
    another_process_goes_on_to_the_same_bytes,
    each_makes_another_film,
    finished,
    refused_once_changed,
    taking_turns_they_do_not_mix,
)
from tiny_cards import folder_of
from tiny_h3 import EDGE, OLD_NORM

from rushes.catalogue.card import Card
from rushes.catalogue.cards.h3 import CARD
from rushes.contract.media import FrameImage, Media
from rushes.diffusion.noise import noise
from rushes.media.resample import resampled
from rushes.models.adapter import NO_INPUTS, Frames, Inputs
from rushes.models.h3.adapter import STREAMS, H3Adapter
from rushes.models.h3.layout import check
from rushes.models.h3.processor import Processor, Videos
from rushes.models.loading import Folder

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

FPS, HZ, FILM_HZ = 24, 32_000, 48_000


FIRST, LAST, PICTURE, TALL = picture(1), picture(2), picture(3), picture(4, 64, 128)
CLIP, SILENT = film(20, 40), film(90, 20)
HEARD, VOICE = sound(1, 2.0), sound(2, 2.0)

ENDS = Media(frame_images=(FrameImage("x", "first"), FrameImage("x", "last")))
EXAMPLES = Media(reference_images=("x", "x"), reference_videos=("x", "x"), audio_inputs=("x",))

ALL_EXAMPLES = Inputs(
    references=(PICTURE[None], TALL[None], CLIP, SILENT), heard=(None, None, HEARD, None), voices=(VOICE,)
)


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return CARD.in_folder(tiny_h3.built(tmp_path_factory.mktemp("h3") / "tiny"))


@pytest.fixture(scope="module")
def adapter(card: Card) -> H3Adapter:
    """One for all tests: what a clip leaves on it, another would show."""
    return H3Adapter(card)


@pytest.fixture(scope="module")
def stock(card: Card) -> Any:
    """The library's own, whose processor alone is ours: it cannot be built where torchvision is not."""
    pipe = MiniMaxH3Blocks().init_pipeline(folder_of(card))
    pipe.load_components(names=[name for name in pipe.components if name not in ("processor", "image_processor")])
    folder = Folder(folder_of(card), torch.device("cpu"))
    pipe.update_components(processor=Processor.loaded(folder, pipe.tokenizer))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def begun(adapter: H3Adapter, inputs: Inputs = NO_INPUTS, **asked: Any) -> Any:
    request = small(adapter.describe(), **{"seconds": 5.0, "negative_prompt": None, "generate_audio": True, **asked})
    return adapter.prepare(adapter.encode(request, inputs), request.seed)


def made_by(stock: Any, frames: int, **given: Any) -> tuple[Frames, Any]:
    """What the library makes from our noise."""
    places = (frames - 5) // 17 * 5 + 2
    sounds = round(frames / FPS * 40)
    film_TCHW = noise(7, (places, 4, 4, 4), STREAMS["latents"])
    sound_NSC = noise(7, (sounds, 2, 4), STREAMS["audio_latents"])
    made = stock(
        prompt="A penguin waddles",
        width=64,
        height=64,
        num_frames=frames,
        num_inference_steps=5,
        latents=torch.from_numpy(film_TCHW).movedim(0, 1)[None],
        audio_latents=torch.from_numpy(sound_NSC).permute(1, 2, 0),
        generator=torch.Generator().manual_seed(7),
        output_type="np",
        **given,
    )
    wave = resampled(made.get("audio")[0].numpy().T.clip(-1, 1), HZ, FILM_HZ)
    return (np.asarray(made.get("videos"))[0] * 255).round().astype(np.uint8), wave


def heard_at_its_rate(samples: Any) -> torch.Tensor:
    return torch.from_numpy(resampled(samples, FILM_HZ, HZ).T.copy())


WAYS: dict[str, tuple[Media, Inputs, float, int]] = {
    "words": (Media(), NO_INPUTS, 5.0, 124),
    "first": (Media(frame_images=(FrameImage("x", "first"),)), Inputs(keyframes=((0, FIRST),)), 5.0, 124),
    # As many frames as it makes anyway, so that the last is where the library puts it.
    "last": (Media(frame_images=(FrameImage("x", "last"),)), Inputs(keyframes=((191, LAST),)), 8.0, 192),
    "both": (ENDS, Inputs(keyframes=((0, FIRST), (191, LAST))), 8.0, 192),
    "examples": (EXAMPLES, ALL_EXAMPLES, 5.0, 124),
    "picture": (Media(reference_images=("x",)), Inputs(references=(TALL[None],)), 5.0, 124),
}


def given_to_stock(way: str) -> dict[str, Any]:
    first, last = Image.fromarray(FIRST), Image.fromarray(LAST)
    tall = MiniMaxH3ImageReference(image=Image.fromarray(TALL))
    return {
        "words": {},
        "first": {"image": first},
        "last": {"last_image": last},
        "both": {"image": first, "last_image": last},
        "picture": {"references": [tall]},
        "examples": {
            "references": [
                MiniMaxH3ImageReference(image=Image.fromarray(PICTURE)),
                tall,
                MiniMaxH3VideoReference(frames=CLIP, fps=24.0, audio=heard_at_its_rate(HEARD), sample_rate=HZ),
                MiniMaxH3VideoReference(frames=SILENT, fps=24.0),
                MiniMaxH3AudioReference(audio=heard_at_its_rate(VOICE), sample_rate=HZ),
            ]
        },
    }[way]


@pytest.mark.parametrize("way", WAYS)
def test_our_loop_makes_what_the_library_makes(adapter: H3Adapter, stock: Any, way: str) -> None:
    media, inputs, seconds, frames = WAYS[way]
    made, heard = finished(adapter, begun(adapter, inputs, media=media, seconds=seconds))
    theirs, sounds = made_by(stock, frames, **given_to_stock(way))
    assert np.array_equal(made, theirs)
    samples = round(frames / FPS * FILM_HZ)
    assert np.array_equal(heard, sounds[:samples])


def test_a_sound_that_nobody_asked_for_is_not_in_the_film(adapter: H3Adapter) -> None:
    silent, heard = finished(adapter, begun(adapter, generate_audio=False))
    assert heard is None
    assert np.array_equal(silent, finished(adapter, begun(adapter))[0]), "it is made with the film in any case"


def test_the_last_picture_stands_at_the_films_last_frame(adapter: H3Adapter) -> None:
    """Of 124 frames that are made five seconds show 120; the library would put it at the end of those that are made."""
    inputs = Inputs(keyframes=((0, FIRST), (119, LAST)))
    values = begun(adapter, inputs, media=ENDS).values
    times = values["position_ids"][:, 0]
    words, given = values["text_indices"].numel(), values["num_condition_video_rows"]
    origin = times[values["audio_indices"][0]]
    of_first, of_last = times[words : words + given // 2], times[words + given // 2 : words + given]
    assert torch.equal(of_first, origin.expand_as(of_first))
    assert torch.allclose(of_last, (origin + 119 * 5 / 3).expand_as(of_last))


@pytest.mark.parametrize("seconds", [5, 6.5, 8, 14.375])
def test_enough_frames_are_made_in_whole_runs(adapter: H3Adapter, seconds: float) -> None:
    frames = adapter.native(small(adapter.describe(), seconds=seconds, negative_prompt=None)).num_frames
    assert frames % 17 == 5
    assert seconds * 24 <= frames < seconds * 24 + 17
    assert 5 <= frames / 24 <= 15, "as the library allows"


def test_every_field_that_the_card_takes_changes_the_film(adapter: H3Adapter) -> None:
    pictured, filmed = Media(reference_images=("x",)), Media(reference_videos=("x",))
    changes: list[tuple[Inputs, dict[str, Any]]] = [
        (NO_INPUTS, {}),
        (NO_INPUTS, {"prompt": "A rocket flies"}),
        (NO_INPUTS, {"steps": 1}),
        (NO_INPUTS, {"seed": 8}),
        *((Inputs(keyframes=((at, FIRST),)), {"media": ENDS}) for at in (0, 119)),
        (Inputs(keyframes=((0, LAST),)), {"media": ENDS}),
        (Inputs(references=(PICTURE[None],)), {"media": pictured}),
        (Inputs(references=(TALL[None],)), {"media": pictured}),
        (Inputs(references=(TALL[None], PICTURE[None])), {"media": pictured}),
        (Inputs(references=(PICTURE[None], TALL[None])), {"media": pictured}),
        (Inputs(references=(CLIP,)), {"media": filmed}),
        (Inputs(references=(CLIP[::-1],)), {"media": filmed}),
        (Inputs(references=(CLIP,), heard=(HEARD,)), {"media": filmed}),
        (Inputs(references=(CLIP,), heard=(VOICE,)), {"media": filmed}),
        (Inputs(references=(CLIP,), voices=(HEARD,)), {"media": filmed}),
        (Inputs(references=(CLIP,), voices=(HEARD, VOICE)), {"media": filmed}),
    ]
    each_makes_another_film(adapter, (begun(adapter, given, **{"steps": 2, **how}) for given, how in changes))


def test_two_clips_that_take_turns_do_not_mix(adapter: H3Adapter) -> None:
    """The library has two schedulers on the pipeline, which count steps of whoever came last, and writes in place."""
    asked: list[tuple[Inputs, dict[str, Any]]] = [(NO_INPUTS, {}), (ALL_EXAMPLES, {"seed": 8, "media": EXAMPLES})]
    taking_turns_they_do_not_mix(adapter, [partial(begun, adapter, inputs, **one) for inputs, one in asked])


def test_another_process_goes_on_from_any_step_to_the_same_bytes(adapter: H3Adapter, tmp_path: Path) -> None:
    ways = [WAYS[way] for way in ("words", "both", "examples")]
    states = [begun(adapter, inputs, media=media, seconds=seconds) for media, inputs, seconds, _ in ways]
    for saved in another_process_goes_on_to_the_same_bytes([(adapter, state) for state in states], tmp_path):
        assert [adapter.restore(path.read_bytes()).index for path in saved] == [0, 1, 2, 3]


@pytest.mark.parametrize("way", ["words", "both", "examples"])
def test_who_watches_sees_the_first_run_of_frames_and_less_noise(adapter: H3Adapter, way: str) -> None:
    media, inputs, seconds, _ = WAYS[way]
    state = begun(adapter, inputs, media=media, seconds=seconds)
    states = [state := adapter.step(state, index) for index in range(4)]
    end = finished(adapter, state)[0].astype(float)
    run = 17  # behind it the next run fades in
    seen = [next(adapter.decode(adapter.foreseen(each))).frames_THWC.astype(float) for each in states]
    assert np.array_equal(seen[-1], end[: len(seen[-1])]) and len(seen[-1]) <= run
    plain = next(adapter.decode(states[0])).frames_THWC
    assert np.abs(seen[0] - end[: len(seen[0])]).mean() < np.abs(plain - end[: len(plain)]).mean()
    assert sum(len(chunk.frames_THWC) for chunk in adapter.decode(adapter.foreseen(states[0]))) == 22
    restored = adapter.restore(states[1].to_bytes())
    assert len(next(adapter.decode(adapter.foreseen(restored))).frames_THWC) == len(seen[1]), "also of a saved one"


def test_no_more_is_loaded_than_a_clip_needs(card: Card) -> None:
    adapter = H3Adapter(card)
    loaded: list[str] = []
    get = adapter.networks.get
    adapter.networks.get = lambda name: loaded.append(name) or get(name)  # type: ignore[method-assign, func-returns-value]
    finished(adapter, begun(adapter, generate_audio=False))
    assert set(loaded) == {"text_encoder", "transformer", "vae"}
    loaded.clear()
    finished(adapter, begun(adapter, ALL_EXAMPLES, media=EXAMPLES))
    assert set(loaded) == {"text_encoder", "transformer_ref", "vae", "audio_vae"}


@pytest.mark.parametrize(("width", "height", "side"), [(64, 96, None), (70, 100, 8192)])
def test_a_still_clip_is_seen_as_its_picture_is(card: Card, width: int, height: int, side: int | None) -> None:
    """The library's processor of pictures runs without torchvision: a picture to it is two frames alike."""
    still = picture(5, width, height)
    processor = Processor.loaded(Folder(folder_of(card), torch.device("cpu")), tokenizer=_Marks())
    if side is not None:  # so that it is made smaller or larger
        processor.image_processor.size = {"shortest_edge": side, "longest_edge": side}
        processor.video_processor.size = {"shortest_edge": 2 * side, "longest_edge": 2 * side}
    seen = processor.image_processor(images=[Image.fromarray(still)], return_tensors="pt")
    clip = processor.video_processor(videos=[np.stack([still] * 2)], do_sample_frames=False, return_tensors="pt")
    assert torch.equal(clip["video_grid_thw"], seen["image_grid_thw"])
    tolerance = 0 if side is None else 1.01 / 127.5  # one level of eight bits, where it was resized
    assert torch.allclose(clip["pixel_values_videos"], seen["pixel_values"], atol=max(tolerance, 1e-6), rtol=0)


def test_a_clip_is_seen_in_pairs_of_frames(card: Card) -> None:
    pairs = Videos(patch_size=16, size={"shortest_edge": 4096, "longest_edge": 1 << 24})
    seen = pairs(videos=[CLIP[:5]], do_sample_frames=False, return_tensors="pt")
    assert seen["video_grid_thw"].tolist() == [[3, EDGE // 16, EDGE // 16]]
    later = pairs(videos=[CLIP[2:4]], do_sample_frames=False, return_tensors="pt")["pixel_values_videos"]
    places = (EDGE // 16) ** 2
    assert torch.equal(seen["pixel_values_videos"][places : 2 * places], later)


class _Marks:
    def convert_tokens_to_ids(self, token: str) -> int:
        return hash(token)


@pytest.mark.parametrize(
    ("least", "less", "reason"),
    [
        (film(1, 13), film(1, 12), "at least 13 frames at 24 fps"),
        (picture(1, 64, 256)[None], picture(1, 64, 257)[None], "within 1:4 and 4:1"),
    ],
)
def test_how_short_and_how_narrow_the_card_takes_an_example_is_what_the_library_can_read(
    adapter: H3Adapter, least: Frames, less: Frames, reason: str
) -> None:
    rule, media = CARD.rules.media.reference_videos, Media(reference_videos=("x",))
    assert 12 / FPS < (rule.min_seconds or 0) <= 13 / FPS
    assert rule.max_aspect == CARD.rules.media.reference_images.max_aspect == 4
    begun(adapter, Inputs(references=(least,)), media=media)
    with pytest.raises(ValueError, match=reason):
        begun(adapter, Inputs(references=(less,)), media=media)


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("transformer/config.json", {"quantization_config": {"quant_method": "torchao"}}, "they are quantised"),
        ("text_encoder/config.json", {"text_config": {"num_hidden_layers": 50}}, "text_encoder has 50"),
        ("modular_model_index.json", {"transformer_ref": [None, None]}, "transformer_ref is missing"),
        ("modular_model_index.json", {"scheduler": ["diffusers", "UniPCMultistepScheduler"]}, "scheduler is a UniPC"),
        ("modular_model_index.json", {"_class_name": "WanAnimate2ModularPipeline"}, "index names WanAnimate2"),
    ],
)
def test_a_folder_that_could_not_do_what_the_card_says_is_refused(
    card: Card, tmp_path: Path, part: str, change: dict[str, Any], reason: str
) -> None:
    refused_once_changed(check, card, tmp_path, part, change, reason)
