"""Every file of the hostile corpus gets the right answer, and none of them does anything else.

The table is golden.json: file to error code, or to what comes out of it. `python tests/hostile/corpus.py FOLDER` writes
the files for a closer look. That each ends within 15 seconds is the decode child's own limit, tried in
tests/unit/media/test_decode_child.py.
"""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import GOLDEN, Canary, Outcome
from rushes import errors
from rushes.catalogue.card import MediaRule
from rushes.errors import MediaRefused
from rushes.intake.within import check_said
from rushes.media.decode import _decoder
from rushes.media.limits import VideoLimits
from rushes.media.sniff import VIDEOS, sniff

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are counted in /proc")

CODES = {kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MediaRefused)}

FOREIGN_WORDS = re.compile(
    r"PIL|Pillow|ffmpeg|libav|avcodec|Errno|Traceback|Error\b|object at|\b0x[0-9a-f]|cannot identify|Invalid|/tmp|\.py",
    re.IGNORECASE,
)


def test_the_table_names_every_file_and_they_are_more_than_a_hundred(outcome: Outcome) -> None:
    assert sorted(outcome.found) == sorted(GOLDEN)
    assert len(GOLDEN) >= 200


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_hostile_file_gets_the_right_answer(outcome: Outcome, name: str) -> None:
    assert outcome.found[name] == GOLDEN[name], outcome.said.get(name)


def test_what_a_door_refuses_by_a_files_own_word_would_be_refused_for_the_same(corpus: Path) -> None:
    refused = {}
    for name in GOLDEN:
        data = (corpus / name).read_bytes()
        with suppress(MediaRefused):
            kind = sniff(data)
            try:
                check_said(data, kind, MediaRule(1), "a model")
            except MediaRefused as error:
                refused[name] = error.code
    assert refused == {name: GOLDEN[name] for name in refused}
    assert {name.partition("/")[0] for name in refused} == {"images", "videos", "sounds"}


def test_no_answer_holds_a_word_of_a_library(outcome: Outcome) -> None:
    assert outcome.said
    for name, text in outcome.said.items():
        assert text.startswith(CODES[outcome.found[name]].summary), name
        assert not FOREIGN_WORDS.search(text), f"{name}: {text}"


def test_memory_hardly_grows_over_the_whole_corpus(outcome: Outcome) -> None:
    assert outcome.grown_bytes <= 50_000_000


def test_nothing_is_left_on_disk_and_nothing_left_open_or_running(outcome: Outcome) -> None:
    assert outcome.left_on_disk == []
    before, after = outcome.descriptors
    assert after <= before, "a door of an earlier test may have been shut meanwhile"
    assert outcome.children == ""


def test_nothing_that_a_file_names_is_ever_touched(outcome: Outcome, canary: Canary) -> None:
    assert "tricks/playlist_of_a_server.mp4" in outcome.found
    assert canary.hits == []


def test_a_trick_that_got_past_the_sniffing_would_still_open_nothing(corpus: Path, canary: Canary) -> None:
    tricks = sorted((corpus / "tricks").iterdir())
    assert len(tricks) >= 15
    for path in tricks:
        for kind in VIDEOS:
            try:
                answer = _decoder.ask("video", path.read_bytes(), kind, VideoLimits(), result_bytes=1 << 20)
            except MediaRefused:
                continue
            assert answer.array(0, "|u1", (8, 32, 48, 3)).any()  # its own samples: the canary's are 20 by 10
    assert canary.hits == []
