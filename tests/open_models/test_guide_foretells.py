"""The table of docs/guides/run-on-one-gpu.md is what the code foretells for checkpoints of published sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import published
import published_blocks
import published_kandinsky6
import pytest
import torch
from tiny_cosmos3 import OLD_NORM

from rushes.acceleration.plan import LADDER, PASSES, planned
from rushes.catalogue.card import Card
from rushes.catalogue.cards import animate2, blocks, kandinsky6, ltx2, wan
from rushes.catalogue.lookup import Catalogue
from rushes.catalogue.resolve import resolve
from rushes.contract.media import FrameImage, Media
from rushes.contract.request import EXACT_QUALITY, FAST_QUALITY, VideoRequest
from rushes.engine.residency import KeptParts
from rushes.engine.work import Work
from rushes.errors import OutOfMemory
from rushes.models.animate2.adapter import AnimateAdapter
from rushes.models.blocks.adapter import BlocksAdapter
from rushes.models.kandinsky6.adapter import KandinskyAdapter
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.parts import How
from rushes.models.wan.adapter import WanAdapter

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "run-on-one-gpu.md"
HEADS = ("model, default video", "all loaded", "a part at a time", "8 GB", "16 GB", "24 GB", "80 GB")
SIZES = (8, 16, 24, 80)
NAMES = {"apart": "parts", "int8": "8 bits"}

FAMILIES: tuple[tuple[tuple[Card, ...], Any, Any], ...] = (
    (wan.CARDS, published, WanAdapter),
    (kandinsky6.CARDS, published_kandinsky6, KandinskyAdapter),
    (ltx2.CARDS[:1], published_blocks, Ltx2Adapter),
    (blocks.CARDS, published_blocks, BlocksAdapter),
    (animate2.CARDS, published_blocks, AnimateAdapter),
)
"""Cards, what builds their checkpoints, and what runs them."""


def lines(folder: Path) -> list[str]:
    """The guide's table, as the code foretells it for a GPU."""
    rows = [f"| {' | '.join(HEADS)} |", "| --- | ---: | ---: | --- | --- | --- | --- |"]
    for cards, checkpoints, adapter in FAMILIES:
        # The quick ones are as large as the others, and have the same memory.
        shown = (card for card in cards if not card.id.endswith(("-distilled", "-lightning")))
        rows += [f"| {' | '.join(_row(card, folder, checkpoints, adapter))} |" for card in shown]
    return rows


def _row(card: Card, folder: Path, checkpoints: Any, kind: Any) -> list[str]:
    assert card.weights is not None
    built = checkpoints.built(card.id, folder / card.id)
    card = replace(card, weights=replace(card.weights, folder=str(built)))
    # Foretold for a GPU, where weights are bfloat16; which device this is makes no difference to the figures.
    adapter = kind(card, device=torch.device("cpu"), dtype=torch.bfloat16)
    needed = card.rules.media.frame_images.needed
    source = "x" if "media.source_video" in card.rules.needs else None
    media = Media(frame_images=tuple(FrameImage("x", place) for place in needed), source_video=source)
    request = resolve(VideoRequest(model=card.id, prompt="x", media=media), Catalogue([card]).find(card.id), lambda: 0)
    needs = adapter.needs(request, How())
    shape = f"`{card.id}`, {request.width}×{request.height}, {request.seconds:g} s"
    plans = [_plan(card, adapter, replace(request), size * 10**9) for size in SIZES]
    return [shape, *(f"{needs.size_bytes(apart=apart) / 1e9:.1f} GB" for apart in (False, True)), *plans]


def _plan(card: Card, adapter: Any, request: object, memory_bytes: int) -> str:
    """The first of the qualities with which it fits, and what the plan does for memory."""
    for quality in (EXACT_QUALITY, FAST_QUALITY):
        asked = replace(request, quality=quality)  # type: ignore[type-var]
        try:
            plan = planned(card, "cuda", quality, fp8=lambda device: False)
            work = Work(adapter, asked, plan, KeptParts(memory_bytes))
        except OutOfMemory:
            continue
        assert work.plan is not None
        names = {rung.technique: NAMES.get(rung.technique.name, rung.technique.name) for rung in LADDER}
        tried = ", ".join(names[technique] for technique in work.plan.tried if technique != PASSES) or "all loaded"
        return tried if quality == EXACT_QUALITY else f"`fast`: {tried}"
    return "no"


@pytest.mark.filterwarnings(OLD_NORM)
def test_the_guides_table_is_what_the_code_foretells(tmp_path: Path) -> None:
    foretold = lines(tmp_path)
    shown = ("| model,", *(f"| `{card.id}`" for cards, _, _ in FAMILIES for card in cards))
    told = [line for line in GUIDE.read_text("utf-8").splitlines() if line.startswith(shown)]
    assert told == [foretold[0], *foretold[2:]], "\n".join(["the guide should have", *foretold])


@pytest.mark.parametrize(
    ("id", "billions"),
    [
        ("wan2.1-t2v-1.3b", 1.42),
        ("wan2.1-t2v-14b", 14.29),
        ("wan2.1-vace-1.3b", 2.15),
        ("wan2.1-vace-14b", 17.34),
        ("wan2.2-ti2v-5b", 5.0),
    ],
)
def test_checkpoints_without_weights_are_as_large_as_those_published(id: str, billions: float) -> None:
    """Counts that their makers and others state: a configuration copied wrongly would not come to them."""
    assert published.count(id) / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize(
    ("id", "part", "billions"),
    [
        ("hunyuanvideo-1.5-480p-t2v", "transformer", 8.33),
        ("hunyuanvideo-1.5-480p-t2v", "text_encoder", 7.07),
        ("ltx-2", "transformer", 18.9),
        ("ltx-2", "text_encoder", 12.2),
        ("ltx-video-2b", "transformer", 1.92),
        ("ltx-video-2b", "text_encoder", 4.76),
        ("cosmos3-nano", "transformer", 15.2),
        ("wan2.2-animate-2-14b", "text_encoder", 5.68),
    ],
)
def test_the_others_are_as_large_as_its_makers_say(id: str, part: str, billions: float) -> None:
    assert published_blocks.count(id, part) / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize(
    ("id", "weights", "tensors"),
    [
        ("kandinsky-6-lite", 3_176_632_424, 2_399),
        ("kandinsky-6-lite-distilled", 3_177_988_112, 2_399),
        ("kandinsky-6-pro-distilled", 30_139_423_760, 4_471),
    ],
)
def test_kandinskys_are_too(id: str, weights: int, tensors: int) -> None:
    """Weights of the small distilled one, and tensors of both sizes, as others counted them in what is published."""
    shapes = published_kandinsky6.transformer(id)
    assert sum(torch.Size(shape).numel() for shape in shapes.values()) == weights
    assert len(shapes) == tensors


def test_kandinskys_published_names_are_those_that_this_library_reads() -> None:
    """They were changed more than once before; of each kind that was, one as others read it in what is published."""
    names = published_kandinsky6.transformer("kandinsky-6-lite")
    for name in (
        "audio_text_transformer_blocks.0.attn.to_query.weight",
        "video_text_transformer_blocks.0.attn.key_norm.weight",
        "audio_text_transformer_blocks.0.feed_forward.net.0.proj.weight",
        "visual_transformer_blocks.0.audio_dec_block.feed_forward.net.2.weight",
        "video_time_embeddings.timestep_embedder.linear_1.weight",
        "audio_time_embeddings.timestep_embedder.linear_2.bias",
        "visual_transformer_blocks.0.va_cross_attention.to_value.bias",
    ):
        assert name in names
