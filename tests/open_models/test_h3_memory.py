"""What a clip of MiniMax-H3 needs is foretold: held to counted bytes, wide enough that no constant hides the rest."""

from __future__ import annotations

from typing import Any

import pytest
import tiny_h3
import torch
from parts_in_memory import (
    NUMBERS,
    blocks_that_visit_end_alike,
    counted,
    foretold,
    made,
    parts_take_turns_and_no_bit_changes,
    parts_take_what_their_headers_say,
)
from small_requests import film, picture, small, sound
from tiny_h3 import OLD_NORM

from rushes.acceleration.dress import Dress
from rushes.catalogue.card import Card
from rushes.catalogue.cards.h3 import CARD
from rushes.contract.media import FrameImage, Media
from rushes.engine.engine import Engine
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.h3 import memory
from rushes.models.h3.adapter import H3Adapter
from rushes.models.parts import How

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

FIRST = Media(frame_images=(FrameImage("x", "first"),))
CLIP = Media(reference_videos=("x",))
GIVEN: dict[str, tuple[Media, Inputs]] = {
    "words": (Media(), NO_INPUTS),
    "first": (FIRST, Inputs(keyframes=((0, picture(1, 256, 256)),))),
    "clip": (CLIP, Inputs(references=(film(20, 124),), heard=(sound(1, 5.0),))),
}


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    """Of networks as narrow as a test can bear, in the shapes of the published."""
    return CARD.in_folder(tiny_h3.built(tmp_path_factory.mktemp("h3") / "middling", wide=True))


def loaded(card: Card, dtype: torch.dtype) -> H3Adapter:
    adapter = H3Adapter(card, dtype=dtype)
    for name in adapter.networks.kinds:
        adapter.networks.get(name)  # before anything is counted
    return adapter


def asked(adapter: H3Adapter, given: str, **more: Any) -> tuple[Any, Inputs]:
    media, inputs = GIVEN[given]
    how = {"seconds": 5.0, "negative_prompt": None, "steps": 1, "media": media, **more}
    return small(adapter.describe(), **how), inputs


@NUMBERS
def test_parts_take_what_their_headers_say(card: Card, dtype: torch.dtype) -> None:
    names = ("text_encoder", "transformer", "transformer_ref", "audio_vae")
    parts_take_what_their_headers_say(H3Adapter(card, dtype=dtype).networks, names, within=0.15)


@pytest.mark.parametrize("given", GIVEN)
@NUMBERS
def test_a_step_makes_what_is_foretold(card: Card, dtype: torch.dtype, given: str) -> None:
    adapter = loaded(card, dtype)
    request, inputs = asked(adapter, given, width=128, height=128)
    state = adapter.prepare(adapter.encode(request, inputs), 7)
    made = counted(lambda: adapter.step(state, 0))
    assert made == pytest.approx(foretold(adapter, request, "steps"), rel=memory.ERROR)


@pytest.mark.parametrize(("side", "seconds"), [(64, 5.0), (256, 5.0), (128, 10.0)])
@NUMBERS
def test_decoding_makes_what_is_foretold(card: Card, dtype: torch.dtype, side: int, seconds: float) -> None:
    adapter = loaded(card, dtype)
    request, _ = asked(adapter, "words", width=side, height=side, seconds=seconds)
    state = adapter.prepare(adapter.encode(request), 7)
    made = counted(lambda: list(adapter.decode(state)))
    assert made == pytest.approx(foretold(adapter, request, "decoding"), rel=memory.ERROR)


@NUMBERS
def test_sound_makes_what_is_foretold(card: Card, dtype: torch.dtype) -> None:
    adapter = loaded(card, dtype)
    request, _ = asked(adapter, "words", generate_audio=True, seconds=10.0)
    state = adapter.prepare(adapter.encode(request), 7)
    made = counted(lambda: list(adapter.decode(state)))
    assert made <= foretold(adapter, request, "decoding") * (1 + memory.ERROR)


@pytest.mark.parametrize("given", ["first", "clip"])
@NUMBERS
def test_what_is_given_makes_what_is_foretold(card: Card, dtype: torch.dtype, given: str) -> None:
    """Words and pictures are read in one verb: the larger of both stages is what it needs."""
    adapter = loaded(card, dtype)
    request, inputs = asked(adapter, given, width=256, height=256)
    made = counted(lambda: adapter.encode(request, inputs))
    largest = max(foretold(adapter, request, stage) for stage in ("words", "pictures"))
    assert made == pytest.approx(largest, rel=memory.ERROR)


def test_words_make_what_is_foretold(card: Card) -> None:
    adapter = loaded(card, torch.float32)
    request, _ = asked(adapter, "words", prompt="x" * 4_000)
    numbers = adapter.networks.config("text_encoder")
    made = counted(lambda: adapter.encode(request))
    pieces = len(adapter.pipe.tokenizer(request.prompt)["input_ids"])
    exactly = memory.words_bytes(numbers, memory.Tokens(pieces, 0, 0, 0, 0, 0), 4)
    assert made == pytest.approx(exactly, rel=memory.ERROR)


def test_the_published_ones_need_as_much_as_their_largest_part(card: Card) -> None:
    """At the published widths, 1344×768 and five seconds: a step makes some seven gigabytes beside the transformer."""
    published = {"hidden_size": 5376, "ffn_dim": 14336, "num_attention_heads": 56, "attention_head_dim": 128}
    config = {**published, "rope_freq_dim": 16, "in_channels": 24, "patch_size": (1, 2, 2)}
    adapter = H3Adapter(card)
    request = small(adapter.describe(), width=1344, height=768, seconds=5.0, negative_prompt=None)
    native = adapter.native(request)
    sequence = memory.tokens(request, native, picture_side=2048, clip_area=1344 * 768)
    assert sequence.video == 37 * 24 * 42
    assert memory.step_bytes(config, sequence, 2) / sequence.all == pytest.approx(179_906, rel=0.03)


def test_to_foretell_and_to_draw_loads_no_network(card: Card) -> None:
    adapter = H3Adapter(card)
    loaded: list[str] = []
    adapter.networks.get = lambda name: loaded.append(name)  # type: ignore[method-assign]
    request, _ = asked(adapter, "words")
    adapter.native(request)
    assert adapter.needs(request, How()).size_bytes(apart=True) > 0
    assert loaded == []


def film_of(engine: Engine, card: Card) -> tuple[Any, Any]:
    return made(engine, card, small(card, seconds=5.0, negative_prompt=None, steps=2))


def test_under_a_budget_parts_take_turns_and_no_bit_changes(card: Card) -> None:
    parts_take_turns_and_no_bit_changes(film_of, card, small(card, seconds=5.0, negative_prompt=None))


def test_blocks_that_visit_the_device_one_at_a_time_make_the_same_film(card: Card) -> None:
    plain, turning, how = H3Adapter(card), H3Adapter(card), How(apart=True, blocks=True)
    turning.accelerate(how, Dress(how))
    request, inputs = asked(plain, "clip", steps=2)
    blocks_that_visit_end_alike(plain, turning, request, inputs)
    with_all, by_turns = (
        sum(stage.parts.values())
        for adapter, way in ((plain, How()), (turning, how))
        for stage in adapter.needs(request, way).stages
        if stage.name == "steps"
    )
    assert by_turns <= with_all
