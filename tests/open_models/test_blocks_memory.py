"""What a clip made block by block needs is foretold: held to counted bytes, wide enough that no constant hides them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from blocks_cases import KINDS, MIDDLING, card_of
from parts_in_memory import NUMBERS, counted, foretold, parts_take_what_their_headers_say
from small_requests import picture, small
from step_by_step import FROM_PICTURE
from tiny_blocks import HUNYUAN_1_5, LTX
from tiny_cosmos3 import COSMOS_3, OLD_NORM

from rushes.catalogue.card import Card
from rushes.models.adapter import NO_INPUTS, Inputs
from rushes.models.blocks import memory
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.parts import How

pytestmark = pytest.mark.filterwarnings(OLD_NORM)
LONG = "A penguin waddles over the ice, and " * 60  # all pieces that there may be


@pytest.fixture(scope="module")
def middling(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Card]:
    place = tmp_path_factory.mktemp("middling")
    return cache(lambda kind: card_of(kind, place / kind, MIDDLING[kind]))


def begun(adapter: BlocksAdapter, request: Any, inputs: Inputs = NO_INPUTS) -> Any:
    for name in adapter.networks.keys:
        adapter.networks.get(name)  # loaded before anything is counted
    return adapter.prepare(adapter.encode(request, inputs), 7)


@pytest.mark.parametrize("kind", KINDS)
@NUMBERS
def test_parts_take_what_their_headers_say(middling: Callable[[str], Card], kind: str, dtype: torch.dtype) -> None:
    parts_take_what_their_headers_say(BlocksAdapter(middling(kind), dtype=dtype).networks)


@pytest.mark.parametrize(
    ("kind", "side", "more"),
    [
        (HUNYUAN_1_5, 288, {"prompt": LONG}),
        (HUNYUAN_1_5, 256, {"prompt": LONG, "guidance_scale": 1.0}),
        (LTX, 64, {}),
        (LTX, 128, {"seconds": 2.0}),
        (COSMOS_3, 512, {}),
        (COSMOS_3, 512, {"generate_audio": True}),
    ],
)
@NUMBERS
def test_a_step_makes_what_is_foretold(
    middling: Callable[[str], Card], kind: str, side: int, more: dict[str, Any], dtype: torch.dtype
) -> None:
    adapter = BlocksAdapter(middling(kind), dtype=dtype)
    request = small(adapter.describe(), width=side, height=side, **more)
    state = begun(adapter, request)
    made = counted(lambda: adapter.step(state, 0))
    assert made == pytest.approx(foretold(adapter, request, "steps"), rel=memory.ERROR)


@pytest.mark.parametrize(
    ("kind", "side", "seconds"),
    [
        (HUNYUAN_1_5, 64, 1.0),
        (HUNYUAN_1_5, 96, 2.0),
        (LTX, 96, 1.0),
        (LTX, 64, 2.0),
        (COSMOS_3, 96, 1.0),
        (COSMOS_3, 64, 6.0),
    ],
)
@NUMBERS
def test_decoding_makes_what_is_foretold(
    middling: Callable[[str], Card], kind: str, side: int, seconds: float, dtype: torch.dtype
) -> None:
    adapter = BlocksAdapter(middling(kind), dtype=dtype)
    request = small(adapter.describe(), width=side, height=side, seconds=seconds, steps=1)
    state = begun(adapter, request)
    made = counted(lambda: list(adapter.decode(state)))
    assert made == pytest.approx(foretold(adapter, request, "decoding"), rel=memory.ERROR)


@pytest.mark.parametrize("kind", [HUNYUAN_1_5])
@NUMBERS
def test_words_make_what_is_foretold(middling: Callable[[str], Card], kind: str, dtype: torch.dtype) -> None:
    adapter = BlocksAdapter(middling(kind), dtype=dtype)
    request = small(adapter.describe())
    begun(adapter, request)
    made = counted(lambda: adapter.encode(request))
    assert made == pytest.approx(foretold(adapter, request, "words"), rel=memory.ERROR)


@NUMBERS
def test_a_picture_makes_what_is_foretold(middling: Callable[[str], Card], dtype: torch.dtype) -> None:
    adapter = BlocksAdapter(middling(COSMOS_3), dtype=dtype)
    request, inputs = small(adapter.describe(), media=FROM_PICTURE), Inputs(keyframes=((0, picture(1)),))
    begun(adapter, request, inputs)
    made = counted(lambda: adapter.encode(request, inputs))
    assert made == pytest.approx(foretold(adapter, request, "pictures"), rel=memory.ERROR)


@pytest.mark.parametrize("kind", [HUNYUAN_1_5, LTX])
def test_tiles_make_less_and_what_is_foretold_and_another_film(
    middling: Callable[[str], Card], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles of 64 pixels instead of 256 and 512, to be quick."""
    adapter = BlocksAdapter(middling(kind), dtype=torch.bfloat16)
    request = small(adapter.describe(), width=144, height=64, steps=1)
    state = begun(adapter, request)
    for vae in (adapter.networks.get("vae"), adapter.networks.outline("vae")):
        smaller = dict.fromkeys(("tile_sample_min_height", "tile_sample_min_width"), 64)
        smaller |= {"tile_latent_min_height": 8, "tile_latent_min_width": 8}
        smaller |= {"tile_sample_stride_height": 48, "tile_sample_stride_width": 48}
        for name, value in smaller.items():
            monkeypatch.setattr(vae, name, value, raising=False)
    adapter.networks.how = How()  # where a family decodes by tiles in any case, its adapter says so
    whole_bytes = counted(lambda: list(adapter.decode(state)))
    whole = [chunk.frames_THWC for chunk in adapter.decode(state)]
    adapter.networks.how = How(tiles=True)
    made = counted(lambda: list(adapter.decode(state)))
    assert made < whole_bytes / 1.5
    assert made == pytest.approx(foretold(adapter, request, "decoding", How(tiles=True)), rel=0.2)
    tiled = [chunk.frames_THWC for chunk in adapter.decode(state)]
    assert [run.shape for run in tiled] == [run.shape for run in whole]
    assert any((a != b).any() for a, b in zip(tiled, whole, strict=True)), "which is why they are said to be lossy"
    adapter.networks.how = How()
    again = [chunk.frames_THWC for chunk in adapter.decode(state)]
    assert all((a == b).all() for a, b in zip(again, whole, strict=True)), "and are taken off again"


@pytest.mark.parametrize("kind", KINDS)
def test_a_larger_clip_needs_more_and_blocks_that_visit_take_less(middling: Callable[[str], Card], kind: str) -> None:
    adapter = BlocksAdapter(middling(kind))
    card = adapter.describe()
    plain = adapter.needs(small(card), How())
    for more in ({"width": 256, "height": 256}, {"seconds": 3}):
        assert adapter.needs(small(card, **more), How()).size_bytes(apart=True) > plain.size_bytes(apart=True), more
    named = {stage.name for stage in plain.stages}
    assert named == ({"steps", "decoding"} if kind == COSMOS_3 else {"words", "steps", "decoding"})
    assert adapter.networks.here_bytes("transformer", by_turns=True) <= adapter.networks.sizes["transformer"]
