"""Parts of models in memory: shared by what their files hold, and given up and loaded again without changing a bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from parts_in_memory import made, parts_take_turns_and_no_bit_changes, what_cannot_fit_is_refused_and_the_next_is_made
from small_requests import small
from tiny_cards import hashes_of
from tiny_wan import EXPERTS, TEXT
from transformers import T5EncoderModel, UMT5EncoderModel

from rushes.catalogue.card import Card
from rushes.engine.engine import Engine
from rushes.engine.residency import KeptParts
from rushes.models.kept import KeptNetworks, Network
from rushes.models.wan.adapter import WanAdapter


def film(engine: Engine, card: Card, **asked: Any) -> tuple[Any, Any]:
    return made(engine, card, small(card, **asked))


def test_two_models_have_one_of_what_is_the_same_in_both(tiny_card: Callable[..., Card]) -> None:
    one, other = tiny_card(TEXT), tiny_card(EXPERTS)  # built alike, so that only the second expert is another
    kept = KeptParts(1 << 40, lambda: hashes_of(one, other))
    engine = Engine(residency=kept)
    adapters: list[Any] = [engine.adapter(card) for card in (one, other)]
    parts, others = (adapter.parts for adapter in adapters)
    assert parts.text_encoder is others.text_encoder
    assert parts.vae is others.vae
    assert parts.experts[0] is others.experts[0]
    assert others.experts[1] is not others.experts[0]
    assert len(kept.keys) == 4
    unshared = Engine(residency=KeptParts(1 << 40))  # nobody hashed the files: who knows what they hold
    adapters = [unshared.adapter(card) for card in (one, other)]
    assert adapters[0].parts.vae is not adapters[1].parts.vae


def test_the_same_files_as_another_class_or_in_other_numbers_are_another_part(tiny_card: Callable[..., Card]) -> None:
    kept, keys = KeptParts(1 << 40), set[str]()
    adapter = WanAdapter(tiny_card(TEXT), residency=kept)
    for kind, dtype in (
        (UMT5EncoderModel, torch.float32),
        (T5EncoderModel, torch.float32),
        (UMT5EncoderModel, torch.half),
    ):
        networks = {"text_encoder": Network(kind, dtype)}
        keys.add(KeptNetworks(adapter.layout.checkpoint, adapter.device, kept, networks).keys["text_encoder"])
    assert len(keys) == 3
    assert adapter.networks.keys["text_encoder"] in keys


def test_under_a_budget_parts_take_turns_and_no_bit_changes(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(EXPERTS)
    large = {"width": 256, "height": 256}  # so that decoding, the last of all, wants the most
    parts_take_turns_and_no_bit_changes(partial(film, **large), card, small(card, **large))


def test_a_clip_that_cannot_fit_is_refused_before_a_part_is_loaded_and_the_next_is_made(
    tiny_card: Callable[..., Card],
) -> None:
    card = tiny_card(TEXT)
    numbers = r"1280x720 and 5 seconds need about .* are there; tried: parts of the model"
    larger = {"width": 1280, "height": 720, "seconds": 5}
    frames, _ = what_cannot_fit_is_refused_and_the_next_is_made(film, card, small(card), numbers, **larger)
    assert frames.shape == (17, 64, 64, 3)


def test_the_plan_is_what_the_clip_was_made_by(tiny_card: Callable[..., Card]) -> None:
    card = tiny_card(TEXT)
    engine = Engine()
    film(engine, card, quality="fast")
    fast = engine.plan(card)
    exact_film, _ = film(engine, card)
    exact = engine.plan(card)
    assert fast is not None
    assert exact is not None
    assert (fast.exactness, exact.exactness) == ("lossy", "exact")
    assert np.array_equal(exact_film, film(Engine(), card)[0]), "nothing of the fast one is left"
    assert torch.is_grad_enabled()


def test_whoever_watches_hears_of_every_part_that_is_loaded_so_that_it_is_not_taken_for_a_hang(
    tiny_card: Callable[..., Card],
) -> None:
    card, told = tiny_card(EXPERTS), []
    engine = Engine(residency=KeptParts(1 << 40))
    _, chunks = engine.generate(small(card, steps=4), card, told.append)
    list(chunks)
    stages = [progress.stage for progress in told]
    assert stages.count("loading") == 1 + 4
    assert stages[:3] == ["loading", "encoding", "loading"]
    assert [progress.fraction for progress in told] == sorted(progress.fraction for progress in told)
    _, chunks = engine.generate(small(card, steps=4), card, told.append)
    list(chunks)
    assert [progress.stage for progress in told].count("loading") == 1 + 4 + 1, "the second time all of it is there"
