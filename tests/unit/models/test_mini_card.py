"""The card and the weights that it speaks for."""

from __future__ import annotations

import hashlib

import pytest

from rushes.catalogue.cards.mini import CARD
from rushes.models.mini.config import PACKAGED_WEIGHTS, MiniConfig
from rushes.models.mini.remarks import remarks

pytestmark = pytest.mark.skipif(
    not (PACKAGED_WEIGHTS / "mini.json").exists(), reason="the package carries no trained weights yet"
)


def test_the_card_names_the_revision_of_the_weights_that_ship():
    assert CARD.revision == MiniConfig.load(PACKAGED_WEIGHTS).revision


def test_the_card_takes_references_and_sound_as_far_as_the_weights_know_them():
    numbers = MiniConfig.load(PACKAGED_WEIGHTS)
    assert CARD.rules.generate_audio == CARD.rules.takes("media.audio_inputs") == bool(numbers.sound_hops)
    assert CARD.rules.takes("media.reference_images") == bool(numbers.reference_cells)
    assert CARD.rules.takes("media.reference_videos") == bool(numbers.reference_cells)


def test_the_weights_are_the_ones_that_were_exported():
    for line in (PACKAGED_WEIGHTS / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((PACKAGED_WEIGHTS / name).read_bytes()).hexdigest() == digest, name


def test_the_weights_are_at_most_forty_megabytes():
    assert sum(path.stat().st_size for path in PACKAGED_WEIGHTS.iterdir()) <= 40e6


@pytest.mark.parametrize("seconds", [1, 1.01, 2.5, 9.99])
def test_the_card_says_which_frames_the_weights_make(seconds: float) -> None:
    pace, numbers = CARD.rules.media.pace, MiniConfig.load(PACKAGED_WEIGHTS)
    assert pace is not None
    assert (pace.rate(24), pace.num_frames(seconds, 24)) == (numbers.fps, numbers.num_frames(seconds))


def test_what_it_advises_to_keep_out_is_made_of_words_it_knows() -> None:
    assert CARD.rules.advised is not None
    assert remarks(CARD.rules.advised.negative_prompt) == ()
