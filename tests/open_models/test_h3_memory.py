"""What a clip of MiniMax-H3 needs is foretold: held to counted bytes, wide enough that no constant hides the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tiny_h3
import torch
from small_requests import film, picture, small, sound
from tiny_h3 import OLD_NORM

from rushes.acceleration.dress import Dress
from rushes.acceleration.tensors import TensorBytes
from rushes.catalogue.card import Card
from rushes.catalogue.cards.h3 import CARD
from rushes.contract.media import FrameImage, Media
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts, tensor_bytes
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.h3 import memory
from rushes.models.h3.adapter import H3Adapter
from rushes.models.parts import How

pytestmark = pytest.mark.filterwarnings(OLD_NORM)

NUMBERS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])

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
    folder = tiny_h3.built(tmp_path_factory.mktemp("h3") / "middling", wide=True)
    assert CARD.weights is not None
    return replace(CARD, weights=replace(CARD.weights, folder=str(folder)))


def counted(verb: Callable[[], Any]) -> int:
    with TensorBytes() as seen, torch.no_grad():
        verb()
    return seen.most


def foretold(adapter: H3Adapter, request: Any, stage: str) -> int:
    return max(each.activation_bytes for each in adapter.needs(request, How()).stages if each.name == stage)


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
    networks = loaded(card, dtype).networks
    for name in ("text_encoder", "transformer", "transformer_ref", "audio_vae"):
        assert networks.sizes[name] == pytest.approx(tensor_bytes(networks.get(name)), rel=0.15), name


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


def film_of(engine: Engine, card: Card, **more: Any) -> Any:
    how = {"seconds": 5.0, "negative_prompt": None, "steps": 2, **more}
    _, chunks = engine.generate(small(card, **how), card, lambda progress: None)
    return np.concatenate([chunk.frames_THWC for chunk in chunks])


def test_under_a_budget_parts_take_turns_and_no_bit_changes(card: Card) -> None:
    roomy = Engine(residency=KeptParts(1 << 40))
    whole = film_of(roomy, card)
    adapter: Any = roomy.adapter(card)
    needs = adapter.needs(small(card, seconds=5.0, negative_prompt=None), How())
    tight = KeptParts((needs.size_bytes(apart=True) + needs.size_bytes(apart=False)) // 2)
    engine = Engine(residency=tight)
    for _ in range(2):
        assert np.array_equal(film_of(engine, card), whole)
        assert tight.loaded_bytes < sum(adapter.networks.sizes.values()), "some had to give way"
    plan = engine.plan(card)
    assert plan is not None
    assert [technique.name for technique in plan.tried] == ["apart"]


def test_blocks_that_visit_the_device_one_at_a_time_make_the_same_film(card: Card) -> None:
    plain, turning, how = H3Adapter(card), H3Adapter(card), How(apart=True, blocks=True)
    turning.accelerate(how, Dress(how))
    request, inputs = asked(plain, "clip", steps=2)
    ends = []
    for adapter in (plain, turning):
        state = adapter.prepare(adapter.encode(request, inputs), 7)
        for index in range(2):
            state = adapter.step(state, index)
        ends.append(state.to_bytes())
    assert ends[0] == ends[1]
    with_all, by_turns = (
        sum(stage.parts.values())
        for adapter, way in ((plain, How()), (turning, how))
        for stage in adapter.needs(request, way).stages
        if stage.name == "steps"
    )
    assert by_turns <= with_all
