"""A card foretells how many frames its adapter makes, and how fast: the door goes by the one, the job by the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny_h3
import tiny_ltx2
import tiny_wan
from small_requests import small

from rushes.catalogue.card import Card
from rushes.catalogue.cards.h3 import CARD as H3
from rushes.models.h3.adapter import H3Adapter
from rushes.models.ltx2.adapter import Ltx2Adapter
from rushes.models.wan.adapter import WanAdapter

KINDS = (tiny_wan.ANY, *tiny_ltx2.KINDS, *(kind + tiny_ltx2.DISTILLED for kind in tiny_ltx2.KINDS))


def foretells(card: Card, adapter: WanAdapter | Ltx2Adapter | H3Adapter, shortest: float) -> None:
    pace = card.rules.media.pace
    assert pace is not None
    for fps in (8, 16, 24, 25, 31, 60):
        for seconds in (shortest, shortest + 0.0625, shortest + 1.01, 5.0):
            asked = {"fps": fps, "seconds": seconds, "steps": card.rules.steps.default}
            request = small(card, negative_prompt=None, **asked)
            native = adapter.native(request)
            assert (pace.rate(fps), pace.num_frames(seconds, fps)) == (native.fps, native.num_frames), (seconds, fps)


@pytest.mark.parametrize("kind", KINDS)
def test_a_card_makes_the_frames_that_its_checkpoint_makes(tiny_card: Callable[..., Card], kind: str) -> None:
    card = tiny_card(kind)
    foretells(card, WanAdapter(card) if kind == tiny_wan.ANY else Ltx2Adapter(card), 1.0)


@pytest.mark.filterwarnings(tiny_h3.OLD_NORM)
def test_so_does_one_whose_first_frames_are_another_number(tmp_path_factory: pytest.TempPathFactory) -> None:
    card = H3.in_folder(tiny_h3.built(tmp_path_factory.mktemp("h3") / "tiny"))
    foretells(card, H3Adapter(card), 5.0)
